/**
 * What the build published: the index of models and their manifests.
 */

import { loadFiles } from "./loader.js";
import { SitegenError } from "./protocol.js";
import { ROOT, cachedBytes, fetchIndex, keepOnly, openFiles } from "./storage.js";

/** @typedef {import("./protocol.js").FileRef} FileRef */
/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").ModelEntry} ModelEntry */
/** @typedef {import("./protocol.js").ModelsIndex} ModelsIndex */

/** @returns {Promise<ModelsIndex>} */
export async function readIndex() {
  const response = await fetchIndex();
  try {
    const index = await /** @type {Response} */ (response).json();
    if (index.version === 1) return index;
  } catch {
    // missing, or a page in its place: said below
  }
  const isOffline = !response && navigator.onLine === false;
  throw new SitegenError(
    isOffline ? "offline" : "download-failed",
    isOffline
      ? "There is no network connection, and no model of this site is on this device yet."
      : "The list of this site's models could not be read. Reload the page.",
    { file: "models.json" },
  );
}

/**
 * @param {ModelEntry} entry
 * @param {AbortSignal} [signal]
 * @returns {Promise<Manifest>}
 */
export async function readManifest(entry, signal) {
  const { contents } = await loadFiles([{ ref: entry.manifest }], {
    root: ROOT,
    store: await openFiles(),
    signal,
  });
  return JSON.parse(new TextDecoder().decode(/** @type {Uint8Array} */ (contents[0])));
}

/**
 * @param {ModelsIndex} index
 * @param {ModelEntry} entry
 * @returns {Promise<boolean>}  some variant is on this device, with an engine to run it
 */
export async function isCached(index, entry) {
  if ((await cachedBytes([entry.manifest])) === 0) return false;
  const manifest = await readManifest(entry);
  for (const variant of manifest.variants) {
    for (const [name, { binary }] of Object.entries(index.engine.builds)) {
      if (!variant.backends.includes(name === "wasm" ? "wasm" : "webgpu")) continue;
      const files = filesOf(manifest, variant, binary);
      if ((await cachedBytes(files)) === sumBytes(files)) return true;
    }
  }
  return false;
}

/**
 * Take off this device what only older versions of the site's models had: nothing else would ever
 * remove it. With a manifest that cannot be read, nothing is removed.
 * @param {ModelsIndex} index
 */
export async function forgetOldFiles(index) {
  const binaries = Object.values(index.engine.builds).map(({ binary }) => binary);
  const files = await Promise.all(
    index.models.map(async (entry) => {
      const manifest = await readManifest(entry);
      const perVariant = manifest.variants.map((variant) => filesOf(manifest, variant, binaries[0]));
      return [entry.manifest, ...perVariant.flat()];
    }),
  );
  await keepOnly([...binaries, ...files.flat()]);
}

/**
 * @param {Manifest} manifest
 * @param {import("./protocol.js").Variant} variant
 * @param {FileRef} binary  of the engine
 * @returns {FileRef[]}
 */
export function filesOf({ tokenizer }, variant, binary) {
  const config = tokenizer.config ? [tokenizer.config] : [];
  return [binary, tokenizer.file, ...config, variant.graph, ...variant.weights.shards];
}

/**
 * @param {FileRef[]} files
 * @returns {number}
 */
export function sumBytes(files) {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
