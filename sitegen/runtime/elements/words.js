/**
 * Numbers and errors as a reader wants them: sizes, counts, times, sentences. Pure functions.
 */

/** @typedef {import("../protocol.js").ErrorKind} ErrorKind */

/**
 * @param {number} count  bytes
 * @returns {string} "31 MB"; decimal units, as download managers and disks count
 */
export function size(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} KB`;
  if (count < 9.95e6) return `${(count / 1e6).toFixed(1)} MB`;
  if (count < 1e9) return `${Math.round(count / 1e6)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

/**
 * @param {number} loaded  bytes
 * @param {number} total  bytes
 * @returns {string} "12 of 31 MB": the unit once, the same for both
 */
export function sizeOf(loaded, total) {
  const [unit, name, digits] =
    total >= 1e9 ? [1e9, "GB", 2] : total >= 1e6 ? [1e6, "MB", total < 1e7 ? 1 : 0] : [1e3, "KB", 0];
  return `${(loaded / Number(unit)).toFixed(Number(digits))} of ${(total / Number(unit)).toFixed(Number(digits))} ${name}`;
}

/**
 * @param {number} count
 * @returns {string} "135 million"
 */
export function parameters(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} billion`;
  if (count >= 1e7) return `${Math.round(count / 1e6)} million`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} million`;
  return count.toLocaleString("en");
}

/**
 * @param {number} seconds
 * @returns {string} "about 20 seconds left"; rounded so that it does not flicker
 */
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 3) return "a moment left";
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} seconds left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? `about ${Math.max(1, minutes)} ${minutes > 1 ? "minutes" : "minute"} left`
    : "more than an hour left";
}

/**
 * @param {number | null | undefined} rate
 * @returns {string} "24 tokens/s"
 */
export function speed(rate) {
  if (!rate) return "";
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`;
}

/**
 * @param {string} backend
 * @param {number | null} [threads]
 * @returns {string} where the model runs, after "on"
 */
export function place(backend, threads) {
  if (backend === "webgpu") return "your graphics processor (WebGPU)";
  const count = threads ? `, ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `your processor (WebAssembly${count})`;
}

/** @type {Record<ErrorKind, string>} */
const TITLES = {
  "unknown-model": "This model is not part of the site",
  "download-failed": "The download stopped",
  "wrong-length": "A file arrived incomplete",
  "wrong-hash": "A file arrived damaged",
  offline: "You are offline",
  "insecure-context": "This page needs a secure address",
  "no-backend": "Not possible in this browser",
  "self-check-failed": "The model gave wrong answers here",
  "out-of-memory": "Not enough memory",
  "device-lost": "The graphics processor was lost",
  "context-full": "The conversation is too long for this model",
  "bad-request": "The model cannot answer this",
  aborted: "Stopped",
  "engine-failed": "The model stopped working",
};

/** Trying again cannot help: the page or the browser has to change first. */
const FINAL = new Set(["unknown-model", "insecure-context", "no-backend", "bad-request"]);

/** What is on this device stays there and a new try goes on from it. */
const RESUMABLE = new Set(["download-failed", "wrong-length", "wrong-hash", "offline"]);

/**
 * @typedef {object} Explanation
 * @property {string} kind
 * @property {string} title
 * @property {string} text  what happened and what to do
 * @property {boolean} canRetry
 */

/**
 * @param {unknown} error  a SitegenError, or anything thrown
 * @param {boolean} [wasDownloading]  so that part of the model may be here
 * @returns {Explanation}
 */
export function explain(error, wasDownloading = false) {
  const kind = error instanceof Error && "kind" in error ? String(error.kind) : "engine-failed";
  const message = error instanceof Error ? error.message : String(error);
  const kept = wasDownloading && RESUMABLE.has(kind) ? " What has arrived is kept." : "";
  return {
    kind,
    title: TITLES[/** @type {ErrorKind} */ (kind)] ?? TITLES["engine-failed"],
    text: message + kept,
    canRetry: !FINAL.has(kind),
  };
}

/**
 * Splits what has been written into whole sentences and the rest.
 * @param {string} text
 * @returns {[string, string]} [whole sentences, rest]
 */
export function wholeSentences(text) {
  const ends = [...text.matchAll(/[.!?…][\])"'”’»]*\s+|[。！？؟]+|\n+/gu)];
  const last = ends.at(-1);
  if (!last) return ["", text];
  const end = last.index + last[0].length;
  return [text.slice(0, end), text.slice(end)];
}
