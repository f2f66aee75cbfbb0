/**
 * The conversation as it is shown: messages in order, one of them perhaps still being written.
 */

import { h, icon } from "./dom.js";
import { TextFlow } from "./text-flow.js";

/** Nearer to the end than this, in CSS pixels, counts as at the end. */
const AT_END = 24;

export class Transcript {
  /** Not live: the announcer speaks, by sentence. */
  #log = h("div", { class: "log", part: "log", role: "log", "aria-live": "off", tabindex: "0" });
  #jump = h(
    "button",
    { type: "button", class: "jump", hidden: true, on: { click: () => this.toEnd() } },
    icon("down"),
    h("span", {}, "Latest"),
  );
  #memory = h("p", { class: "memory", part: "memory", lang: "en" }, "The model no longer sees what is above.");
  element = h("div", { class: "transcript" }, this.#log, this.#jump);
  #follows = true;
  /** Where toEnd() left it, in CSS pixels. */
  #end = 0;

  /** @param {string} name */
  constructor(name) {
    this.#log.setAttribute("aria-label", name);
    this.#log.addEventListener(
      "scroll",
      () => {
        this.#follows = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < AT_END;
        this.#jump.hidden = this.#follows;
      },
      { passive: true },
    );
  }

  get isEmpty() {
    return this.#log.childElementCount === 0;
  }

  /**
   * @param {"user" | "assistant"} role
   * @param {string} speaker
   * @param {string} [text]
   * @returns {Entry}
   */
  add(role, speaker, text = "") {
    const entry = new Entry(role, speaker, () => this.follow());
    this.#log.append(entry.element);
    if (text) entry.write(text);
    this.toEnd();
    return entry;
  }

  /** @param {Entry} entry */
  remove(entry) {
    entry.element.remove();
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    this.#log.setAttribute("aria-busy", String(busy));
  }

  /** @param {Entry | null} entry  the first that the model still knows; null: it knows all */
  markMemory(entry) {
    if (entry) entry.element.before(this.#memory);
    else this.#memory.remove();
    this.follow();
  }

  clear() {
    this.#log.replaceChildren();
    this.toEnd();
  }

  /** Keeps the newest text in view for a reader who is already there, and moves nobody else. */
  follow() {
    // A scroll is reported a frame late: a reader who has just left must not be pulled back.
    if (this.#log.scrollTop < this.#end - AT_END) this.#follows = false;
    if (this.#follows) this.toEnd();
    else this.#jump.hidden = false;
  }

  toEnd() {
    this.#follows = true;
    this.#jump.hidden = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#end = this.#log.scrollTop;
  }
}

/** One message: who speaks, the text, a note under it, and what can be done with it. */
export class Entry {
  #body;
  #note = h("p", { class: "note", hidden: true });
  #flow;
  #onWrite;
  actions = h("div", { class: "actions" });

  /**
   * @param {"user" | "assistant"} role
   * @param {string} speaker
   * @param {() => void} onWrite
   */
  constructor(role, speaker, onWrite) {
    this.#body = h("div", { class: "text", dir: "auto" });
    this.#flow = new TextFlow(this.#body);
    this.#onWrite = onWrite;
    this.element = h(
      "div",
      { class: `message ${role}`, part: `message ${role}` },
      h("p", { class: "off-screen" }, `${speaker}: `),
      this.#body,
      this.#note,
      this.actions,
    );
  }

  get text() {
    return this.#flow.text.trim();
  }

  /** @param {string} piece */
  write(piece) {
    this.#flow.append(piece);
    this.#onWrite();
  }

  /** @param {boolean} writing */
  setWriting(writing) {
    this.element.classList.toggle("is-writing", writing);
    // Before the first word there is no paragraph for the caret to stand in.
    this.element.classList.toggle("is-thinking", writing && this.#flow.isEmpty);
  }

  /** @param {string} text  empty hides the note */
  setNote(text) {
    this.#note.textContent = text;
    this.#note.hidden = !text;
    this.#onWrite();
  }
}
