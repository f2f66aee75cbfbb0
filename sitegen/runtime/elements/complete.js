/**
 * <sitegen-complete>: a text that a person begins and the model continues, in place.
 *
 * What the model wrote is tinted: a layer behind the text area holds the same text, transparent,
 * with the model's parts marked.
 */

import { AppBlock } from "./block.js";
import { growWithText, isSendKey } from "./composer.js";
import { afterEdit, withoutNewest } from "./continuations.js";
import { action, copyAction, h, icon } from "./dom.js";
import { explain } from "./words.js";

/** @typedef {import("./continuations.js").Continuation} Continuation */

export class SitegenComplete extends AppBlock {
  #area = h("textarea", { part: "input", rows: "4", dir: "auto" });
  #layer = h("div", { class: "layer", "aria-hidden": "true", dir: "auto" });
  #button = h("button", {
    type: "button",
    class: "primary",
    part: "button",
    on: { click: () => this.#press() },
  });
  #note = h("p", { class: "note", hidden: true });
  #examples = h("div", { class: "examples", part: "examples" });
  #undo = action("undo", "Undo", () => this.#takeBack(), "Undo the last continuation");
  #reset = action("retry", "Start over", () => this.#startOver());
  /** @type {Continuation[]} */
  #continuations = [];
  #text = "";
  #nextId = 0;

  get kindName() {
    return "Continue a text";
  }
  get keys() {
    return "Ctrl+Enter or Cmd+Enter continues the text, Esc stops.";
  }

  build() {
    const { title, placeholder, prompt = "", examples = [] } = this.options;
    this.#area.setAttribute("aria-label", title ?? "Your text");
    this.#area.placeholder = placeholder ?? "Write a beginning";
    growWithText(this.#area);
    this.#area.addEventListener("input", () => this.#onInput());
    this.#area.addEventListener("keydown", (event) => {
      if (!isSendKey(event) || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (!this.isWriting) this.#press();
    });
    for (const example of examples) {
      const take = () => this.#setText(example, []);
      this.#examples.append(
        h(
          "button",
          { type: "button", class: "chip", part: "chip", dir: "auto", on: { click: take } },
          example,
        ),
      );
    }
    this.content.append(
      h("div", { class: "sheet", part: "sheet" }, this.#layer, this.#area),
      this.#note,
      this.#examples,
    );
    const tools = h(
      "div",
      { class: "tools", part: "tools" },
      this.#button,
      this.#undo,
      this.#reset,
      copyAction(
        () => this.#area.value,
        (message) => this.announcer.say(message),
      ),
    );
    this.shadowRoot?.querySelector(".gate")?.after(tools);
    this.#setText(prompt, []);
  }

  refresh() {
    const { isWriting } = this;
    this.#button.replaceChildren(
      icon(isWriting ? "stop" : "edit"),
      h("span", {}, isWriting ? "Stop" : "Continue"),
    );
    this.#button.classList.toggle("is-stop", isWriting);
    this.#area.readOnly = isWriting;
    this.#area.setAttribute("aria-busy", String(isWriting));
    this.#undo.hidden = isWriting || this.#continuations.length === 0;
    this.#reset.hidden = isWriting || this.#text === (this.options.prompt ?? "");
    this.#examples.hidden = isWriting || this.#continuations.length > 0;
    this.#paint();
  }

  focusInput() {
    this.#area.focus();
  }

  #press() {
    if (this.isWriting) this.stop();
    else if (!this.#area.value.trim()) this.#area.focus();
    else this.whenReady({ label: "continue", run: () => void this.#continue() });
  }

  async #continue() {
    // A model writes the space before a word itself: one left at the end would stand there twice.
    const text = this.#area.value.replace(/[ \t]+$/, "");
    this.#setText(text, this.#continuations);
    /** @type {Continuation} */
    const continuation = { id: this.#nextId++, start: text.length, end: text.length };
    this.#note.hidden = true;
    const outcome = await this.generate(text, (piece) => {
      const end = this.#area.value.length;
      this.#area.setRangeText(piece, end, end, "preserve");
      if (continuation.end === continuation.start) this.#continuations.push(continuation);
      // The area's own length: it turns every kind of line break into one character.
      continuation.end = this.#area.value.length;
      this.#text = this.#area.value;
      this.#area.dispatchEvent(new Event("input"));
    });
    if (outcome === "failed") {
      const { title, text: reason } = explain(this.failure);
      this.#note.textContent = this.isReady ? `${title}. ${reason}` : `${title}.`;
      this.#note.hidden = false;
      this.announcer.say(`${title}. ${reason}`);
    } else if (outcome === "done" && continuation.end === continuation.start) {
      this.#note.textContent = "The model has nothing to add. Write a little more.";
      this.#note.hidden = false;
    }
  }

  #onInput() {
    const text = this.#area.value;
    if (text !== this.#text) this.#continuations = afterEdit(this.#continuations, this.#text, text);
    this.#text = text;
    if (this.isWriting) this.#paint();
    else this.refresh();
  }

  #takeBack() {
    const { text, continuations } = withoutNewest(this.#text, this.#continuations);
    this.#setText(text, continuations);
    this.announcer.say("The last continuation is gone.");
    this.#area.focus();
  }

  #startOver() {
    this.#setText(this.options.prompt ?? "", []);
    this.#area.focus();
  }

  /**
   * @param {string} text
   * @param {Continuation[]} continuations
   */
  #setText(text, continuations) {
    this.#continuations = continuations;
    this.#text = text;
    this.#area.value = text;
    this.#area.dispatchEvent(new Event("input"));
  }

  #paint() {
    let at = 0;
    const parts = [];
    for (const { start, end } of this.#continuations) {
      parts.push(this.#text.slice(at, start), h("mark", {}, this.#text.slice(start, end)));
      at = end;
    }
    parts.push(this.#text.slice(at));
    if (this.isWriting) parts.push(h("span", { class: "caret" }));
    this.#layer.replaceChildren(...parts);
  }
}
