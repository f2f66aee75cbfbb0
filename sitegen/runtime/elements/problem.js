/**
 * What went wrong, in plain words, with what to do and, where it can help, a button to try again.
 */

import { h } from "./dom.js";
import { explain } from "./words.js";

/**
 * @param {unknown} error
 * @param {() => void} onRetry
 * @returns {HTMLElement}
 */
export function problemCard(error, onRetry) {
  const { kind, title, text, canRetry } = explain(error);
  return h(
    "div",
    { class: "card problem", part: "card", "data-kind": kind },
    h("div", { class: "card-text" }, h("p", { class: "card-title" }, title), h("p", { class: "facts" }, text)),
    canRetry && h("button", { type: "button", class: "primary", part: "button", on: { click: onRetry } }, "Try again"),
  );
}
