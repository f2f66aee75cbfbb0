/**
 * Files named by their content, from the browser's cache or the network: nothing is used or
 * stored unless its length and SHA-256 are right. A status of 200 proves nothing: many hosts
 * answer a missing file with a page.
 */

import { SitegenError, abortedError } from "./protocol.js";

/** @typedef {import("./protocol.js").FileRef} FileRef */
/** @typedef {import("./protocol.js").Progress} Progress */

/**
 * Where verified files are kept: the part of the Cache interface that is used.
 * @typedef {Pick<Cache, "match" | "put" | "delete">} Store
 */

/**
 * @typedef {object} Wanted
 * @property {FileRef} ref
 * @property {Uint8Array<ArrayBuffer>} [into]  fill these bytes instead of new ones
 * @property {boolean} [asBlob]  give a Blob, which the browser may keep on disk
 */

/**
 * @typedef {object} LoadedFiles
 * @property {(Uint8Array<ArrayBuffer> | Blob)[]} contents  in the order of `wanted`
 * @property {"stored" | "full" | "unavailable"} storage
 */

/**
 * @typedef {object} LoaderOptions
 * @property {string} root  URL of `_sitegen/`
 * @property {Store | null} store
 * @property {AbortSignal} [signal]
 * @property {(progress: Progress) => void} [onProgress]
 * @property {number[]} [retryDelaysMs]
 */

const PARALLEL = 4; // what browsers open to one HTTP/1.1 host, less what the page needs
const PROGRESS_MS = 100;
const RETRY_DELAYS_MS = [500, 2000];

/**
 * @param {Wanted[]} wanted
 * @param {LoaderOptions} options
 * @returns {Promise<LoadedFiles>}
 */
export async function loadFiles(wanted, options) {
  checkSecureContext();
  const { root, signal, retryDelaysMs = RETRY_DELAYS_MS } = options;
  const stop = new AbortController(); // the first failure ends the other downloads
  const abort = () => stop.abort();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();

  let store = options.store;
  /** @type {LoadedFiles["storage"]} */
  let storage = store ? "stored" : "unavailable";
  const progress = countProgress(wanted, options.onProgress);
  /** @type {(Uint8Array<ArrayBuffer> | Blob)[]} */
  const contents = new Array(wanted.length);

  /** @param {Wanted} file */
  const load = async ({ ref, into, asBlob }) => {
    const url = new URL(ref.path, root).href;
    const cached = store && (await fromStore(store, url, ref, into));
    if (cached) {
      progress.cached(ref.bytes);
    } else {
      const bytes = await download(url, ref, into, stop.signal, progress.add, retryDelaysMs);
      if (store && !(await keep(store, url, bytes))) {
        store = null;
        storage = "full";
      }
      if (!asBlob) return bytes;
      return (store && (await (await store.match(url))?.blob())) ?? new Blob([bytes]);
    }
    return asBlob ? cached.blob : cached.bytes;
  };

  const queue = wanted.map((file, index) => ({ file, index }));
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      if (stop.signal.aborted) throw abortedError();
      contents[next.index] = await load(next.file);
      progress.done();
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, work));
  } catch (error) {
    stop.abort();
    throw signal?.aborted ? abortedError() : error;
  } finally {
    progress.end();
    signal?.removeEventListener("abort", abort);
  }
  return { contents, storage };
}

/**
 * @param {Store} store
 * @param {string} url
 * @param {FileRef} ref
 * @param {Uint8Array<ArrayBuffer>} [into]
 * @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, blob: Blob } | null>}
 *   null when it is not there or not right; then it is not there any more
 */
async function fromStore(store, url, ref, into) {
  try {
    const blob = await (await store.match(url))?.blob();
    if (!blob) return null;
    if (blob.size === ref.bytes) {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      if ((await sha256(bytes)) === ref.sha256) {
        into?.set(bytes);
        return { bytes: into ?? bytes, blob };
      }
    }
    await store.delete(url);
  } catch {
    // An unreadable cache is an empty one: the network has the file too.
  }
  return null;
}

/**
 * @param {Store} store
 * @param {string} url
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<boolean>} false when there is no room
 */
async function keep(store, url, bytes) {
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(bytes.length),
  };
  try {
    await store.put(url, new Response(bytes, { headers }));
    return true;
  } catch {
    return false; // QuotaExceededError, or a private window: the model still works from memory
  }
}

/**
 * @param {string} url
 * @param {FileRef} ref
 * @param {Uint8Array<ArrayBuffer> | undefined} into
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes  negative when an attempt is thrown away
 * @param {number[]} retryDelaysMs
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function download(url, ref, into, signal, onBytes, retryDelaysMs) {
  const bytes = into ?? new Uint8Array(ref.bytes);
  for (let attempt = 0; ; attempt++) {
    try {
      return await downloadOnce(url, ref, bytes, signal, onBytes);
    } catch (error) {
      if (error instanceof SitegenError) throw error;
      if (signal.aborted) throw abortedError();
      const reason = error instanceof Error ? error.message : String(error);
      if (globalThis.navigator?.onLine === false) {
        throw new SitegenError(
          "offline",
          "There is no network connection, and this model is not on this device yet. Connect once, then it works offline.",
          { file: ref.path },
        );
      }
      if (attempt === retryDelaysMs.length) {
        throw new SitegenError(
          "download-failed",
          `The file ${ref.path} could not be downloaded (${reason}). Check the connection, then try again.`,
          { file: ref.path, reason },
        );
      }
      await pause(retryDelaysMs[attempt], signal);
    }
  }
}

/**
 * @param {string} url
 * @param {FileRef} ref
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function downloadOnce(url, ref, bytes, signal, onBytes) {
  let received = 0;
  try {
    // no-store: the cache of verified files is ours, and a broken copy must not be served twice.
    const response = await fetch(url, { cache: "no-store", signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const isPage = response.headers.get("content-type")?.startsWith("text/html") ?? false;
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (received + value.length > ref.bytes) {
        reader.cancel().catch(() => {});
        throw wrongLength(ref, `more than ${ref.bytes}`, isPage);
      }
      bytes.set(value, received);
      received += value.length;
      onBytes(value.length);
    }
    if (received < ref.bytes) throw wrongLength(ref, String(received), isPage);
    const got = await sha256(bytes);
    if (got !== ref.sha256) {
      throw new SitegenError(
        "wrong-hash",
        `The file ${ref.path} arrived damaged: its SHA-256 is ${got} instead of ${ref.sha256}. ` +
          "Try again; if it stays so, the site's owner must publish the site anew.",
        { file: ref.path, expected: ref.sha256, got },
      );
    }
    return bytes;
  } catch (error) {
    onBytes(-received);
    throw error;
  }
}

/**
 * @param {FileRef} ref
 * @param {string} got
 * @param {boolean} isPage
 */
function wrongLength(ref, got, isPage) {
  const why = isPage ? " The server sent a web page in its place." : "";
  return new SitegenError(
    "wrong-length",
    `The file ${ref.path} has ${got} bytes instead of ${ref.bytes}.${why} ` +
      "Try again; if it stays so, the site's owner must publish the site anew.",
    { file: ref.path, expected: ref.bytes, got, is_page: isPage },
  );
}

/**
 * @param {Wanted[]} wanted
 * @param {((progress: Progress) => void) | undefined} report
 */
function countProgress(wanted, report) {
  /** @type {Progress} */
  const state = {
    phase: "download",
    loaded_bytes: 0,
    total_bytes: wanted.reduce((sum, { ref }) => sum + ref.bytes, 0),
    cached_bytes: 0,
    files_done: 0,
    files_total: wanted.length,
  };
  let reported = -Infinity;
  const tell = (force = false) => {
    const now = performance.now();
    if (!force && now - reported < PROGRESS_MS) return;
    reported = now;
    report?.({ ...state });
  };
  return {
    /** @param {number} bytes */
    add(bytes) {
      state.loaded_bytes += bytes;
      tell();
    },
    /** @param {number} bytes */
    cached(bytes) {
      state.cached_bytes += bytes;
      state.loaded_bytes += bytes;
      tell();
    },
    done() {
      state.files_done += 1;
      tell();
    },
    end: () => tell(true),
  };
}

function checkSecureContext() {
  if (globalThis.crypto?.subtle) return;
  throw new SitegenError(
    "insecure-context",
    "Models need a secure address. Open this page with https://, or on this computer with http://localhost.",
  );
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>} lower-case hex
 */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(abortedError());
    });
  });
}
