/**
 * Speaks for assistive technology in a quiet live region: short messages, and an answer by whole
 * sentences. The visible text itself is not a live region, or every token would interrupt.
 */

import { h } from "./dom.js";
import { wholeSentences } from "./words.js";

/** Older lines have been spoken, and a long region slows some screen readers. */
const LINES_KEPT = 20;

export class Announcer {
  /** Additions are spoken, once each: role=status would speak the whole region again. */
  element = h("div", { class: "off-screen", role: "status", "aria-live": "polite", "aria-atomic": "false" });
  #rest = "";

  /** @param {string} message */
  say(message) {
    const text = message.trim();
    if (!text) return;
    this.element.append(h("p", {}, text));
    while (this.element.childElementCount > LINES_KEPT) this.element.firstElementChild?.remove();
  }

  /** @param {string} piece  of an answer that is being written */
  write(piece) {
    const [whole, rest] = wholeSentences(this.#rest + piece);
    this.#rest = rest;
    this.say(whole);
  }

  /** Speaks what is left of the answer. */
  flush() {
    this.say(this.#rest);
    this.#rest = "";
  }
}
