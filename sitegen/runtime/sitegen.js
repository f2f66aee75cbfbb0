/**
 * The engine's public interface: models of this site, run in the reader's browser.
 *
 *     import { load } from "./_sitegen/sitegen.js";
 *     const model = await load("storyteller");
 *     for await (const piece of model.stream("Once upon a time")) console.log(piece);
 */

import { choose, chooseThreads, inspectBrowser, noBackendError } from "./backend.js";
import { filesOf, forgetOldFiles, isCached, readIndex, readManifest, sumBytes } from "./catalogue.js";
import { Channel } from "./channel.js";
import { Model } from "./model.js";
import { checkLoadOptions } from "./options.js";
import { SitegenError, abortedError } from "./protocol.js";
import { cachedBytes, storeEngine } from "./storage.js";

export { SitegenError };

/** @typedef {import("./backend.js").Refusal} Refusal */
/** @typedef {import("./options.js").LoadOptions} LoadOptions */
/** @typedef {import("./protocol.js").Backend} Backend */
/** @typedef {import("./protocol.js").FileRef} FileRef */
/** @typedef {import("./protocol.js").Loaded} Loaded */
/** @typedef {import("./protocol.js").Manifest} Manifest */

/**
 * What loading would fetch, and why this way.
 * @typedef {object} Plan
 * @property {string} name
 * @property {string} title
 * @property {string | null} licence
 * @property {string} variant
 * @property {Backend} backend
 * @property {string} reason  why not a variant ahead of it; "" for the first
 * @property {number} bytes  everything to fetch, the engine binary included
 * @property {number} cached_bytes  of these, already on this device
 * @property {number} engine_bytes
 * @property {FileRef[]} files
 * @property {Manifest} manifest
 */

/** Failures of one variant that another may not have. */
const NEXT_VARIANT = ["engine-failed", "self-check-failed", "out-of-memory", "device-lost"];

/**
 * The models of this site. Downloads only the index.
 * @returns {Promise<{ name: string, title: string, licence: string | null,
 *   bytes: Record<string, number>, cached: boolean }[]>}  cached: some variant is all on this device
 */
export async function models() {
  const index = await readIndex();
  return Promise.all(
    index.models.map(async (entry) => {
      const { name, title, licence, bytes } = entry;
      return { name, title, licence, bytes, cached: await isCached(index, entry) };
    }),
  );
}

/**
 * @param {string} name
 * @param {{ backend?: "auto" | Backend }} [options]
 * @returns {Promise<Plan>}
 */
export async function plan(name, options = {}) {
  const { backend } = checkLoadOptions(options);
  const { index, entry, manifest, choice } = await prepare(name, backend);
  const { variant, backend: chosen, buildName, refusals } = choice.candidates[0];
  const { binary } = index.engine.builds[buildName];
  const files = filesOf(manifest, variant, binary);
  return {
    name,
    title: entry.title,
    licence: entry.licence,
    variant: variant.name,
    backend: chosen,
    reason: reasonsOf(refusals),
    bytes: sumBytes(files),
    cached_bytes: await cachedBytes(files),
    engine_bytes: binary.bytes,
    files,
    manifest,
  };
}

/**
 * Download what is missing, start the model in a worker and check that it answers as it must.
 * @param {string} name
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function load(name, options = {}) {
  const { backend, threads, signal, onProgress } = checkLoadOptions(options);
  const start = performance.now();
  if (signal?.aborted) throw abortedError();
  const { index, entry, manifest, choice, browser } = await prepare(name, backend, signal);
  /** @type {Refusal[]} */
  const failures = [];
  /** @type {SitegenError | null} */
  let failure = null;
  for (const { variant, backend: chosen, buildName, refusals } of choice.candidates) {
    const build = index.engine.builds[buildName];
    const task = { manifest, variant, backend: chosen, build, buildName, threads: chooseThreads(browser, threads) };
    const channel = new Channel(); // a fresh worker: one can hold one build of the engine
    try {
      const [loaded] = await Promise.all([
        startWorker(channel, task, signal, onProgress),
        storeEngine(index.engine.hash, build.modules, signal).catch(() => {}), // offline is an extra
      ]);
      if (signal?.aborted) throw abortedError();
      void forgetOldFiles(index).catch(() => {}); // the next load tries again
      const fallbacks = [...refusals, ...failures];
      return new Model(channel, manifest, {
        name,
        backend: chosen,
        variant: variant.name,
        fingerprint: fingerprintOf(entry, variant.name, chosen, index.engine.hash),
        reason: reasonsOf(fallbacks),
        fallbacks,
        dtype: variant.dtype,
        threads: loaded.threads,
        bytes: sumBytes(filesOf(manifest, variant, build.binary)),
        load_ms: performance.now() - start,
        storage: loaded.storage,
        last: null,
      });
    } catch (error) {
      channel.close(abortedError());
      if (!(error instanceof SitegenError) || !NEXT_VARIANT.includes(error.kind)) throw error;
      failures.push({ variant: variant.name, reason: error.message });
      failure = error;
    }
  }
  const last = /** @type {SitegenError} */ (failure);
  throw new SitegenError(last.kind, last.message, {
    ...last.detail,
    fallbacks: [...choice.refusals, ...failures],
  });
}

/**
 * @param {Channel} channel
 * @param {import("./protocol.js").LoadTask} task
 * @param {AbortSignal} [signal]
 * @param {LoadOptions["onProgress"]} [onProgress]
 * @returns {Promise<Loaded>}
 */
async function startWorker(channel, task, signal, onProgress) {
  const abort = () => channel.close(abortedError());
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    for await (const message of channel.request({ kind: "load", task })) {
      if (message.kind === "progress") onProgress?.(message.progress);
      else if (message.kind === "loaded") return message.loaded;
    }
    throw abortedError();
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * @param {string} name
 * @param {"auto" | Backend} backend
 * @param {AbortSignal} [signal]
 */
async function prepare(name, backend, signal) {
  const index = await readIndex();
  const entry = index.models.find((model) => model.name === name);
  if (!entry) {
    const names = index.models.map((model) => model.name).join(", ");
    throw new SitegenError(
      "unknown-model",
      `This site has no model named "${name}". It has: ${names || "none"}.`,
      { name },
    );
  }
  const [manifest, browser] = await Promise.all([readManifest(entry, signal), inspectBrowser()]);
  const choice = choose(manifest, browser, backend);
  if (choice.candidates.length === 0) throw noBackendError(choice.refusals);
  return { index, entry, manifest, browser, choice };
}

/**
 * Names all that an answer of one seed depends on.
 * @param {import("./protocol.js").ModelEntry} entry
 * @param {string} variant
 * @param {Backend} backend
 * @param {string} engine  hash
 */
function fingerprintOf(entry, variant, backend, engine) {
  return `fp-${entry.manifest.sha256.slice(0, 10)}-${variant}-${backend}-${engine.slice(0, 10)}`;
}

/** @param {Refusal[]} refusals */
function reasonsOf(refusals) {
  return [...new Set(refusals.map(({ reason }) => reason))].join("; ");
}
