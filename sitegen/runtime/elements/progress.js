/**
 * The card while a model arrives: phase, bytes of bytes, time left, cancel.
 */

import { h } from "./dom.js";
import { size, sizeOf, timeLeft } from "./words.js";

/** @typedef {import("../protocol.js").Progress} Progress */

/** The rate is taken over this long: shorter flickers, longer lags behind the network. */
const WINDOW_MS = 6000;

/** @type {Record<Progress["phase"], string>} */
const PHASES = {
  download: "Downloading",
  compile: "Starting the model",
  "self-check": "Checking its answers",
  ready: "Ready",
};

export class ProgressCard {
  #title = h("p", { class: "card-title" }, "Preparing");
  #facts = h("p", { class: "facts" }, "\u00a0");
  #bar = h("progress", { part: "progress", "aria-label": "Loading the model" });
  /** @type {{ at: number, bytes: number }[]} */
  #samples = [];
  #announced = 0;
  #phase = "";
  #announce;

  /**
   * @param {object} how
   * @param {() => void} how.onCancel
   * @param {(message: string) => void} how.announce
   */
  constructor({ onCancel, announce }) {
    this.#announce = announce;
    this.element = h(
      "div",
      { class: "card", part: "card" },
      h("div", { class: "card-text" }, this.#title, this.#bar, this.#facts),
      h("button", { type: "button", class: "secondary", on: { click: onCancel } }, "Cancel"),
    );
  }

  /**
   * @param {Progress} progress
   * @param {number} [now]  milliseconds
   */
  update(progress, now = performance.now()) {
    const { phase, loaded_bytes: loaded, total_bytes: total } = progress;
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#title.textContent = PHASES[phase];
      this.#announce(`${PHASES[phase]}.`);
    }
    if (phase !== "download") {
      // How long these phases take is not known: the bar says only that something happens.
      this.#bar.removeAttribute("value");
      this.#facts.textContent = `${size(total)} are on this device.`;
      return;
    }
    const share = total ? loaded / total : 0;
    this.#bar.max = 1;
    this.#bar.value = share;
    const left = this.#secondsLeft(loaded, total, now);
    this.#facts.textContent = [sizeOf(loaded, total), left !== null && timeLeft(left)]
      .filter(Boolean)
      .join(" · ");
    const quarter = Math.floor(share * 4);
    if (quarter > this.#announced && quarter < 4) {
      this.#announced = quarter;
      this.#announce(`${quarter * 25} percent.`);
    }
  }

  /**
   * @param {number} loaded
   * @param {number} total
   * @param {number} now
   * @returns {number | null} null while there is too little to judge by
   */
  #secondsLeft(loaded, total, now) {
    this.#samples.push({ at: now, bytes: loaded });
    while (this.#samples.length > 2 && now - this.#samples[0].at > WINDOW_MS) this.#samples.shift();
    const [first] = this.#samples;
    const seconds = (now - first.at) / 1000;
    if (seconds < 1 || loaded <= first.bytes) return null;
    return ((total - loaded) * seconds) / (loaded - first.bytes);
  }
}
