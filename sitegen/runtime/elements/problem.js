/**
 * What went wrong, in plain words, with what to do and, where it can help, a button to try again.
 */

import { h } from "./dom.js";
import { explain } from "./words.js";

/**
 * @param {unknown} error
 * @param {object} how
 * @param {boolean} how.wasDownloading
 * @param {() => void} how.onRetry
 * @returns {HTMLElement}
 */
export function problemCard(error, { wasDownloading, onRetry }) {
  const { kind, title, text, canRetry } = explain(error, wasDownloading);
  return h(
    "div",
    { class: "card problem", part: "card", "data-kind": kind },
    h(
      "div",
      { class: "card-text" },
      h("p", { class: "card-title" }, title),
      h("p", { class: "facts" }, text),
    ),
    canRetry &&
      h("button", { type: "button", class: "primary", part: "button", on: { click: onRetry } }, "Try again"),
  );
}
