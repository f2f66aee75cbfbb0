/**
 * The quiet line under a block, and what it opens: where the model runs, why, how fast.
 */

import { h } from "./dom.js";
import { parameters, place, size, speed } from "./words.js";

/**
 * @typedef {import("./shared-model.js").SharedModel} SharedModel
 * @typedef {[name: string, value: string | null | undefined | false]} Row
 */

const PRIVACY =
  "The model runs inside this page. What you write and what it answers never leave this device: the page is not allowed to send them anywhere.";

/** Whether the next visit finds the model on this device. */
const KEPT = {
  stored: "for the next visit",
  full: "no: the browser's storage is full, so the next visit downloads it again",
  unavailable: "no: this browser keeps nothing here, as in a private window",
};

export class DetailsPanel {
  #summary = h("summary", {});
  #rows = h("dl", {});
  #hint = h("p", {});

  /** @param {string} keys  how this block is used from the keyboard */
  constructor(keys) {
    this.#hint.textContent = keys;
    this.element = h(
      "details",
      { class: "details", part: "details", lang: "en" },
      this.#summary,
      h("p", {}, PRIVACY),
      this.#rows,
      this.#hint,
    );
  }

  /** @param {SharedModel} shared */
  update(shared) {
    const { plan, model } = shared;
    const last = model?.info.last;
    const backend = model?.info.backend ?? plan?.backend;
    this.#summary.textContent = [
      model ? "On your device" : "Runs on your device",
      model && (backend === "webgpu" ? "WebGPU" : "WebAssembly"),
      speed(last?.tokens_per_second),
    ]
      .filter(Boolean)
      .join(" · ");
    const reason = model?.info.reason ?? plan?.reason;
    /** @type {Row[]} */
    const rows = [
      ["Model", plan && `${plan.title}, ${parameters(plan.manifest.parameters)} parameters`],
      ["Licence", plan?.licence],
      ["Runs on", backend && place(backend, model?.info.threads)],
      ["Why there", reason],
      ["Variant", model ? `${model.info.variant}, ${model.info.dtype}` : plan?.variant],
      ["Download", plan && size(plan.bytes)],
      ["Kept", model && KEPT[model.info.storage]],
      ["Started in", model && `${(model.info.load_ms / 1000).toFixed(1)} s`],
      ["Speed", speed(last?.tokens_per_second)],
      ["Last answer", last && work(last)],
      ...(model?.info.fallbacks ?? []).map(
        (fallback) => /** @type {Row} */ (["Not used", `${fallback.variant}: ${fallback.reason}`]),
      ),
    ];
    this.#rows.replaceChildren(
      ...rows
        .filter(([, value]) => value)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
  }
}

/** @param {import("../protocol.js").GenerateResult} last */
function work({ prompt_tokens, cached_tokens, completion_tokens }) {
  const remembered = cached_tokens > 0 ? ` and ${cached_tokens} remembered` : "";
  return `${prompt_tokens - cached_tokens} tokens read${remembered}, ${completion_tokens} written`;
}
