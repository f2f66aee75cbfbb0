/**
 * <sitegen-chat>: a conversation with a model.
 */

import { AppBlock } from "./block.js";
import { Composer } from "./composer.js";
import { action, copyAction, h } from "./dom.js";
import { Transcript } from "./transcript.js";
import { explain } from "./words.js";

/**
 * @typedef {import("./transcript.js").Entry} Entry
 * @typedef {import("../protocol.js").Message} Message
 * @typedef {{ role: "user" | "assistant", entry: Entry }} Turn
 */

export class SitegenChat extends AppBlock {
  /** @type {Turn[]} what the model is told; the greeting is not part of it */
  #turns = [];
  /** What the visitor had begun to write before editing a message or taking an example. */
  #draft = "";
  #attempt = 0;
  /** The first turn that the model is still told, when the beginning no longer fits. @type {Turn | null} */
  #memory = null;
  /** @type {Transcript | null} */
  #transcript = null;
  /** @type {Composer | null} */
  #composer = null;
  #examples = h("div", { class: "examples", part: "examples" });
  #restart = action("clear", "New conversation", () => this.#clear());

  get kindName() {
    return "Conversation";
  }
  get keys() {
    return "Enter sends, Shift+Enter starts a new line, Esc stops the answer.";
  }

  get beginning() {
    const { system } = this.options;
    if (!system) return null;
    return this.hasChatTemplate === false ? `${system}\n\n` : [{ role: "system", content: system }];
  }

  build() {
    const { placeholder, examples = [] } = this.options;
    this.#transcript = new Transcript("Conversation");
    this.#composer = new Composer({
      label: "Your message",
      placeholder: placeholder ?? "Write a message",
      onSend: (text) => this.#send(text),
      onStop: () => this.stop(),
    });
    for (const example of examples) {
      const send = () => {
        this.#draft = this.#composer?.value ?? "";
        this.#send(example);
      };
      this.#examples.append(
        h(
          "button",
          { type: "button", class: "chip", part: "chip", dir: "auto", on: { click: send } },
          example,
        ),
      );
    }
    this.head.append(this.#restart);
    this.content.append(this.#transcript.element, this.#examples);
    // The card for the model stands between the conversation and the text area.
    this.shadowRoot?.querySelector(".gate")?.after(this.#composer.element);
    this.#greet();
  }

  refresh() {
    this.#composer?.setWriting(this.isWriting);
    this.#transcript?.setBusy(this.isWriting);
    this.#examples.hidden = this.#turns.length > 0;
    this.#restart.hidden = this.#turns.length === 0;
  }

  focusInput() {
    this.#composer?.focus();
  }

  #greet() {
    if (this.options.greeting) this.#transcript?.add("assistant", this.modelTitle, this.options.greeting);
  }

  /** @param {string} text */
  #send(text) {
    const composer = this.#composer;
    const transcript = this.#transcript;
    if (!composer || !transcript || this.isWriting) return;
    if (!this.isReady) {
      // The text stays where it is and is sent as it then stands.
      composer.value = text;
      return this.whenReady({
        label: "send",
        run: () => composer.value.trim() && this.#send(composer.value.trim()),
      });
    }
    composer.value = this.#draft;
    this.#draft = "";
    this.#attempt = 0;
    this.#turns.push({ role: "user", entry: transcript.add("user", "You", text) });
    composer.focus();
    void this.#answer();
  }

  async #answer() {
    const transcript = this.#transcript;
    if (!transcript) return;
    const { prompt, begins } = this.#prompt();
    const entry = transcript.add("assistant", this.modelTitle);
    this.#turns.push({ role: "assistant", entry });
    for (const turn of this.#turns) turn.entry.actions.replaceChildren();
    entry.setWriting(true);
    const { seed } = this.options;
    const outcome = await this.generate(
      prompt,
      (piece) => {
        entry.write(piece);
        entry.setWriting(true);
      },
      {
        // The same seed would give the same answer again.
        ...(seed === undefined ? {} : { seed: seed + this.#attempt }),
        // A text has no turns that could be dropped.
        ...(typeof prompt === "string" ? { context_overflow: undefined } : {}),
      },
    );
    entry.setWriting(false);
    if (outcome === "done" && this.droppedMessages > 0) this.#forget(begins[this.droppedMessages]);
    if (outcome === "failed") {
      const { title, text } = explain(this.failure);
      // A lost model has a card of its own that says the rest.
      entry.setNote(this.isReady ? `${title}. ${text}` : `${title}.`);
      this.announcer.say(`${title}. ${text}`);
    } else if (outcome === "stopped") entry.setNote("Stopped.");
    else if (!entry.text) entry.setNote("The model had nothing to say.");
    this.#offerActions();
  }

  /**
   * What the model is asked: the conversation as far as it is told, or, for a model that only
   * continues text, the conversation as text. `begins`: the turn each message begins with, the
   * system's left out.
   * @returns {{ prompt: import("../protocol.js").Prompt, begins: Turn[] }}
   */
  #prompt() {
    /** @type {Message[]} */
    const messages = [];
    /** @type {Turn[]} */
    const begins = [];
    const start = this.#memory ? this.#turns.indexOf(this.#memory) : 0;
    for (const turn of this.#turns.slice(start)) {
      const { role, entry } = turn;
      const last = messages.at(-1);
      // After an answer that failed there are two questions in a row, which templates refuse.
      if (last?.role === role) last.content += `\n\n${entry.text}`;
      else if (entry.text) {
        messages.push({ role, content: entry.text });
        begins.push(turn);
      }
    }
    if (this.options.system) messages.unshift({ role: "system", content: this.options.system });
    if (this.hasChatTemplate !== false) return { prompt: messages, begins };
    return { prompt: messages.map((message) => message.content).join("\n\n"), begins };
  }

  /** @param {Turn | null} memory  the first turn that is still told; null: all are */
  #forget(memory) {
    this.#memory = memory;
    this.#transcript?.markMemory(memory?.entry ?? null);
  }

  #offerActions() {
    const [question, answer] = this.#turns.slice(-2);
    if (!question || !answer) return;
    question.entry.actions.replaceChildren(
      action("edit", "Edit", () => this.#edit(), "Edit your last message"),
    );
    answer.entry.actions.replaceChildren(
      ...(answer.entry.text
        ? [
            copyAction(
              () => answer.entry.text,
              (message) => this.announcer.say(message),
            ),
          ]
        : []),
      action("retry", "Try again", () => this.#retry(), "Try again: a new answer to your last message"),
    );
    for (const turn of this.#turns.slice(0, -2)) {
      if (turn.role === "assistant")
        turn.entry.actions.replaceChildren(
          copyAction(
            () => turn.entry.text,
            (message) => this.announcer.say(message),
          ),
        );
    }
    this.#transcript?.follow();
  }

  #retry() {
    if (this.isWriting) return;
    if (!this.isReady) {
      const last = this.#turns.at(-1);
      // By then the conversation may be another one.
      const run = () => last === this.#turns.at(-1) && this.#retry();
      return this.whenReady({ label: "try again", run });
    }
    this.#attempt += 1;
    this.#drop(1);
    this.#composer?.focus();
    void this.#answer();
  }

  #edit() {
    const composer = this.#composer;
    const question = this.#turns.at(-2);
    if (!composer || !question || this.isWriting) return;
    this.#draft = composer.value;
    composer.value = question.entry.text;
    this.#drop(2);
    this.refresh();
    composer.focus();
  }

  /** @param {number} count  turns to take back, from the end */
  #drop(count) {
    for (const turn of this.#turns.splice(-count)) {
      this.#transcript?.remove(turn.entry);
      if (turn === this.#memory) this.#forget(null);
    }
  }

  #clear() {
    this.stop();
    this.#turns = [];
    this.#forget(null);
    this.#transcript?.clear();
    this.#greet();
    this.refresh();
    this.#composer?.focus();
    this.announcer.say("A new conversation.");
  }
}
