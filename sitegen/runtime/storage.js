/**
 * The browser caches of one site and what lies in them. Names carry the site's base path, since
 * several sites may share an origin (user.github.io/one, user.github.io/two).
 *
 *     sitegen:<base>:files            verified files, written by the loader alone
 *     sitegen:<base>:engine:<hash12>  modules, so that the service worker can serve them
 *     sitegen:<base>:shell:<version>  pages and their parts, the service worker's own
 */

/** @typedef {import("./protocol.js").FileRef} FileRef */

/** Every module a page or a worker loads before a model can run; a test follows the imports. */
export const MODULES = [
  "backend.js",
  "catalogue.js",
  "channel.js",
  "chat-completions.js",
  "chat-messages.js",
  "chat-request.js",
  "chooser.js",
  "context.js",
  "conversation.js",
  "cpu-session.js",
  "decode.js",
  "engine.js",
  "generate.js",
  "gpu-session.js",
  "grammar-characters.js",
  "grammar-regex.js",
  "grammar-schema.js",
  "grammar.js",
  "loader.js",
  "logprobs.js",
  "model.js",
  "options.js",
  "penalties.js",
  "protocol.js",
  "sampling.js",
  "sequence.js",
  "sitegen.js",
  "speculation.js",
  "storage.js",
  "strftime.js",
  "template-expressions.js",
  "template-filters.js",
  "template-interpreter.js",
  "template-strings.js",
  "template-values.js",
  "template.js",
  "text.js",
  "tokenizer-charsmap.js",
  "tokenizer-steps.js",
  "tokenizer.js",
  "tool-calls.js",
  "wasm-memory.js",
  "worker.js",
  "vendor/jinja/jinja.js",
  "vendor/tokenizers/tokenizers.js",
];

const ENGINE = new URL("./", import.meta.url);

/** URL of `_sitegen/`. */
export const ROOT = new URL("../../", ENGINE).href;

const BASE = new URL("../", ROOT).pathname;

/**
 * @param {string} name  what follows the base path
 * @returns {Promise<Cache | null>} null where the browser forbids caches
 */
async function openCache(name) {
  try {
    return await caches.open(`sitegen:${BASE}:${name}`);
  } catch {
    return null; // no secure context, or a private window
  }
}

/** @returns {Promise<Cache | null>} */
export const openFiles = () => openCache("files");

/**
 * @param {FileRef[]} refs
 * @returns {Promise<number>} bytes of those that are on this device
 */
export async function cachedBytes(refs) {
  const files = await openFiles();
  if (!files) return 0;
  const sizes = await Promise.all(
    refs.map(async (ref) => ((await files.match(new URL(ref.path, ROOT).href)) ? ref.bytes : 0)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Delete all files but these.
 * @param {FileRef[]} refs
 */
export async function keepOnly(refs) {
  const files = await openFiles();
  const kept = new Set(refs.map((ref) => new URL(ref.path, ROOT).href));
  for (const { url } of (await files?.keys()) ?? []) if (!kept.has(url)) await files?.delete(url);
}

/**
 * Put everything but the model's files where the service worker finds it, also when it was
 * installed only during this visit and has seen none of these requests.
 * @param {string} hash  of the engine
 * @param {string[]} buildModules  relative to `_sitegen/`
 * @param {AbortSignal} [signal]
 */
export async function storeEngine(hash, buildModules, signal) {
  const cache = await openCache(`engine:${hash}`);
  if (!cache) return;
  const urls = [
    ...MODULES.map((path) => new URL(path, ENGINE).href),
    ...["sitegen.js", "models.json", ...buildModules].map((path) => new URL(path, ROOT).href),
  ];
  await Promise.all(
    urls.map(async (url) => {
      const isIndex = url.endsWith("models.json");
      if (!isIndex && (await cache.match(url))) return;
      const response = await fetch(url, { signal }).catch(() => null);
      const type = response?.headers.get("content-type") ?? "";
      if (response?.ok && !type.startsWith("text/html")) await cache.put(url, response);
    }),
  );
}

/**
 * models.json: from the network, else as the last visit left it.
 * @returns {Promise<Response | null>}
 */
export async function fetchIndex() {
  const url = new URL("models.json", ROOT).href;
  try {
    const response = await fetch(url, { cache: "no-cache" });
    if (response.ok) return response;
  } catch {
    // no network
  }
  try {
    return (await caches.match(url)) ?? null;
  } catch {
    return null;
  }
}
