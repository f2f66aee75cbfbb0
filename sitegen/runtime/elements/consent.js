/**
 * The card before a download: what it is, how large, where it will run, and one button.
 */

import { h } from "./dom.js";
import { parameters, place, size } from "./words.js";

/** @typedef {import("./shared-model.js").Plan} Plan */

/**
 * @param {Plan} plan
 * @param {object} how
 * @param {number | null} how.freeBytes  null when not known
 * @param {string} [how.then]  what waits for the model: "send"
 * @param {() => void} how.onAccept
 * @returns {HTMLElement}
 */
export function consentCard(plan, { freeBytes, then, onAccept }) {
  const missing = plan.bytes - plan.cached_bytes;
  const isSaved = missing <= 0;
  const verb = isSaved ? "Start" : `Download ${size(missing)}`;
  const button = h(
    "button",
    { type: "button", class: "primary", part: "button", on: { click: onAccept } },
    then ? `${verb} and ${then}` : verb,
  );
  const licence = plan.licence ? `licence ${plan.licence}` : "no licence given";
  return h(
    "div",
    { class: "card consent", part: "card" },
    h(
      "div",
      { class: "card-text" },
      h(
        "p",
        { class: "card-title" },
        isSaved
          ? "Saved on this device. No download is needed."
          : plan.cached_bytes > 0
            ? `${size(missing)} still to download, ${size(plan.cached_bytes)} already here.`
            : `${size(missing)} to download, then it works offline.`,
      ),
      h(
        "p",
        { class: "facts" },
        `${plan.title}, ${parameters(plan.manifest.parameters)} parameters, ${licence}. `,
        `It will run on ${place(plan.backend)}.`,
      ),
      !isSaved && isMetered() && h("p", { class: "caution" }, "Your connection is set to save data."),
      !isSaved &&
        freeBytes !== null &&
        freeBytes < missing &&
        h(
          "p",
          { class: "caution" },
          `The browser has room for ${size(freeBytes)} only, so the model will run but not be kept.`,
        ),
    ),
    button,
  );
}

/** Only Chromium tells; elsewhere the size on the button has to do. */
function isMetered() {
  const connection = /** @type {{ saveData?: boolean, type?: string } | undefined} */ (
    Reflect.get(navigator, "connection")
  );
  return connection?.saveData === true || connection?.type === "cellular";
}
