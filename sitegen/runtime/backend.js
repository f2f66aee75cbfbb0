/**
 * Which variants of a model this browser can run, in order, and why not the others.
 */

import { SitegenError } from "./protocol.js";

/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").Variant} Variant */
/** @typedef {import("./protocol.js").Backend} Backend */
/** @typedef {import("./protocol.js").BuildName} BuildName */

/**
 * What matters of a browser, gathered once.
 * @typedef {object} Browser
 * @property {{ features: string[], is_software: boolean } | null} gpu
 * @property {string} gpuReason  why gpu is null
 * @property {boolean} hasJspi  WebAssembly.Suspending
 * @property {boolean} isIsolated  crossOriginIsolated: threads are possible
 * @property {number} cores
 */

/** @typedef {{ variant: string, reason: string }} Refusal */

/**
 * @typedef {object} Candidate
 * @property {Variant} variant
 * @property {Backend} backend
 * @property {BuildName} buildName
 * @property {Refusal[]} refusals  of what comes before it in the manifest
 */

/** @typedef {{ candidates: Candidate[], refusals: Refusal[] }} Choice */

/** @returns {Promise<Browser>} */
export async function inspectBrowser() {
  const { gpu, reason } = await inspectGpu();
  return {
    gpu,
    gpuReason: reason,
    hasJspi: "Suspending" in WebAssembly,
    isIsolated: globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === "function",
    cores: navigator.hardwareConcurrency ?? 1,
  };
}

/** @returns {Promise<{ gpu: Browser["gpu"], reason: string }>} */
async function inspectGpu() {
  const api = /** @type {any} */ (navigator).gpu;
  if (!api) return { gpu: null, reason: "this browser has no WebGPU" };
  let adapter;
  try {
    adapter = await api.requestAdapter({ powerPreference: "high-performance" });
  } catch (cause) {
    return { gpu: null, reason: `WebGPU failed: ${cause instanceof Error ? cause.message : cause}` };
  }
  if (!adapter) return { gpu: null, reason: "WebGPU found no graphics adapter" };
  const info = adapter.info ?? {};
  const isSoftware =
    (info.isFallbackAdapter ?? adapter.isFallbackAdapter) === true ||
    /swiftshader|llvmpipe|software|basic render/i.test(
      `${info.vendor} ${info.architecture} ${info.device} ${info.description}`,
    );
  return { gpu: { features: [...adapter.features], is_software: isSoftware }, reason: "" };
}

/**
 * The manifest's order is kept; a variant that runs on both backends is tried on each.
 * @param {Manifest} manifest
 * @param {Browser} browser
 * @param {"auto" | Backend} wanted
 * @returns {Choice}
 */
export function choose(manifest, browser, wanted) {
  /** @type {Choice} */
  const choice = { candidates: [], refusals: [] };
  for (const variant of manifest.variants) {
    for (const backend of variant.backends) {
      const reason = refuse(variant, backend, browser, wanted);
      if (reason) choice.refusals.push({ variant: variant.name, reason });
      else {
        const refusals = [...choice.refusals];
        choice.candidates.push({ variant, backend, buildName: buildFor(backend, browser), refusals });
      }
    }
  }
  return choice;
}

/**
 * @param {Variant} variant
 * @param {Backend} backend
 * @param {Browser} browser
 * @param {"auto" | Backend} wanted
 * @returns {string | null} why not
 */
function refuse(variant, backend, browser, wanted) {
  if (wanted !== "auto" && wanted !== backend) return `${wanted} was asked for`;
  if (backend === "wasm") return null;
  if (!browser.gpu) return browser.gpuReason;
  const missing = variant.features.filter((name) => !browser.gpu?.features.includes(name));
  if (missing.length > 0) return `no ${missing.join(", ")}`;
  // Measured: 9–13 s a token for a model that WebAssembly runs at 20 tokens a second.
  if (browser.gpu.is_software && wanted === "auto") return "WebGPU runs in software here";
  return null;
}

/**
 * The GPU builds of onnxruntime-web lack CPU kernels our CPU graphs need, and the plain build
 * lacks WebGPU: one build a backend.
 * @param {Backend} backend
 * @param {Browser} browser
 * @returns {BuildName}
 */
function buildFor(backend, browser) {
  if (backend === "wasm") return "wasm";
  return browser.hasJspi ? "jspi" : "asyncify";
}

/**
 * @param {Browser} browser
 * @param {number} [wanted]
 * @returns {number} threads of the CPU backend
 */
export function chooseThreads(browser, wanted) {
  if (!browser.isIsolated) return 1;
  return wanted ?? Math.min(4, Math.ceil(browser.cores / 2));
}

/**
 * @param {Refusal[]} refusals
 * @returns {SitegenError}
 */
export function noBackendError(refusals) {
  const reasons = refusals.map(({ variant, reason }) => `${variant}: ${reason}`).join("; ");
  return new SitegenError(
    "no-backend",
    `This browser cannot run the model (${reasons}). Try another browser.`,
    { refusals },
  );
}
