/**
 * Where a visitor writes: a text area that grows, and one button that sends or stops.
 */

import { h, icon } from "./dom.js";

/** A touch keyboard has no Shift+Enter, so there Enter starts a line and the button sends. */
const isTouch = matchMedia("(hover: none) and (pointer: coarse)");

export class Composer {
  #area;
  #button = h("button", { type: "submit", class: "send", part: "button" });
  #isWriting = false;

  /**
   * @param {object} how
   * @param {string} how.label
   * @param {string} how.placeholder
   * @param {(text: string) => void} how.onSend
   * @param {() => void} how.onStop
   */
  constructor({ label, placeholder, onSend, onStop }) {
    this.#area = h("textarea", {
      part: "input",
      rows: "1",
      "aria-label": label,
      placeholder,
      dir: "auto",
      enterkeyhint: isTouch.matches ? "enter" : "send",
    });
    growWithText(this.#area);
    const submit = () => {
      if (this.#isWriting) return;
      if (this.value.trim()) onSend(this.value.trim());
      else this.focus();
    };
    this.element = h("form", { class: "composer", part: "composer" }, this.#area, this.#button);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#isWriting) onStop();
      else submit();
    });
    this.#area.addEventListener("keydown", (event) => {
      if (!isSendKey(event)) return;
      event.preventDefault();
      submit();
    });
    this.setWriting(false);
  }

  get value() {
    return this.#area.value;
  }
  set value(text) {
    this.#area.value = text;
    this.#area.dispatchEvent(new Event("input"));
  }

  focus() {
    this.#area.focus();
  }

  /** @param {boolean} writing  whether the button stops rather than sends */
  setWriting(writing) {
    this.#isWriting = writing;
    this.#button.setAttribute("aria-label", writing ? "Stop" : "Send");
    this.#button.title = writing ? "Stop (Esc)" : "Send";
    this.#button.classList.toggle("is-stop", writing);
    this.#button.replaceChildren(icon(writing ? "stop" : "send"));
  }
}

/**
 * Enter, unless it ends a word of an input method; on touch only with Ctrl or Cmd.
 * @param {KeyboardEvent} event
 */
export function isSendKey(event) {
  // Safari reports the Enter that ends a composition after it, with key code 229.
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return !event.shiftKey && !event.altKey && !isTouch.matches;
}

/**
 * Lets a text area grow with its text where CSS cannot (`field-sizing: content`).
 * @param {HTMLTextAreaElement} area
 */
export function growWithText(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.addEventListener("input", () => {
    area.style.blockSize = "auto";
    area.style.blockSize = `${area.scrollHeight + 2}px`;
  });
}
