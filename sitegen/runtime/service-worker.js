/**
 * The site without a network, and cross-origin isolation on hosts that cannot set headers.
 *
 * A classic script: the generated sw.js at the site's base sets `self.SITEGEN` and imports it.
 * Everything outside the base path is left alone. Caches are those of storage.js:
 *
 *     _sitegen/files/*, _sitegen/models/*   from the files cache; only the loader, which checks
 *                                           each file, puts anything there
 *     _sitegen/engine/*                     cache first; the path carries a hash of the contents
 *     _sitegen/theme/*                      likewise
 *     everything else                       network first, kept for the next time without one
 */

"use strict";

(() => {
  /** @typedef {{ version: string, shell: string[] }} Site  shell: URLs relative to the base */

  const worker = /** @type {ServiceWorkerGlobalScope & { SITEGEN: Site }} */ (
    /** @type {unknown} */ (self)
  );
  const { version, shell } = worker.SITEGEN;
  const base = new URL(worker.registration.scope);
  const prefix = `sitegen:${base.pathname}:`;
  const SHELL = `${prefix}shell:${version}`;
  const FILES = `${prefix}files`;

  const NOT_KEPT = ["audio", "video", "track", "object", "embed"]; // may be large, and stream

  /** @param {string} path  relative to the base */
  const engineOf = (path) => /^_sitegen\/engine\/([^/]+)\//.exec(path)?.[1];

  worker.addEventListener("install", (event) => event.waitUntil(install()));
  worker.addEventListener("activate", (event) => event.waitUntil(activate()));
  worker.addEventListener("message", (event) => {
    if (event.data?.kind === "visited") event.waitUntil(keepVisited(event.data.urls));
  });
  worker.addEventListener("fetch", (event) => {
    const { request } = event;
    const path = pathOf(request.url);
    if (path === null || request.method !== "GET" || request.headers.has("range")) return;
    if (request.cache === "only-if-cached" && request.mode !== "same-origin") return;
    event.respondWith(respond(request, path, (work) => event.waitUntil(work)));
  });

  /** All of the shell or nothing: the browser tries again on the next visit. */
  async function install() {
    await Promise.all(
      shell.map(async (path) => {
        const request = new Request(new URL(path, base), { cache: "reload" });
        const response = await fetch(request);
        if (!fits(request.url, response)) throw new Error(`[sitegen] cannot keep ${request.url}`);
        await keep(path, request.url, response);
      }),
    );
    await keepVisited([new URL("404.html", base).href]); // where a host gives it out by its name
    await worker.skipWaiting();
  }

  /** Take over open pages, and remove what only older versions of the site used. */
  async function activate() {
    const engines = new Set(shell.map(engineOf).filter((hash) => hash !== undefined));
    for (const name of await caches.keys()) {
      if (!name.startsWith(prefix)) continue;
      const [kind, key] = name.slice(prefix.length).split(":");
      const isOldShell = kind === "shell" && key !== version;
      const isOldEngine = kind === "engine" && engines.size > 0 && !engines.has(key);
      if (isOldShell || isOldEngine) await caches.delete(name);
    }
    await worker.clients.claim();
  }

  /**
   * What a page loaded before this worker was there.
   * @param {string[]} urls
   */
  async function keepVisited(urls) {
    await Promise.all(
      urls.map(async (url) => {
        const path = pathOf(url);
        if (path === null || isFile(path) || (await stored(url))) return;
        const response = await fetch(url).catch(() => null);
        if (response && fits(url, response)) await keep(path, url, response);
      }),
    );
  }

  /**
   * @param {Request} request
   * @param {string} path
   * @param {(work: Promise<unknown>) => void} inBackground
   * @returns {Promise<Response>}
   */
  async function respond(request, path, inBackground) {
    const isFixed = isFile(path) || /^_sitegen\/(engine|theme)\//.test(path);
    const first = isFixed ? await stored(request.url) : undefined;
    if (first) return isolated(first);
    try {
      const response = await fetch(request);
      const isKept = !isFile(path) && !NOT_KEPT.includes(request.destination);
      if (isKept && fits(request.url, response)) {
        inBackground(keep(path, request.url, response.clone()));
      }
      return isolated(response);
    } catch (error) {
      const last = isFixed ? undefined : await stored(request.url);
      if (last) return isolated(last);
      if (request.mode !== "navigate") throw error;
      return isolated(await offlinePage());
    }
  }

  /** @returns {Promise<Response>} */
  async function offlinePage() {
    const page = await stored(new URL("404.html", base).href);
    const headers = { "content-type": "text/html; charset=utf-8" };
    if (page) return new Response(page.body, { status: 503, headers });
    const sentence = "This page is not on this device yet, and there is no network connection.";
    return new Response(
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Offline</title><p>${sentence}`,
      { status: 503, headers },
    );
  }

  /**
   * @param {string} url
   * @returns {Promise<Response | undefined>} from whichever cache of this site has it
   */
  async function stored(url) {
    const address = new URL(url);
    address.hash = "";
    address.search = "";
    const urls = [address.href];
    if (address.pathname.endsWith("/")) urls.push(`${address.href}index.html`);
    else if (address.pathname.endsWith("/index.html")) urls.push(new URL("./", address).href);
    const hash = engineOf(pathOf(url) ?? "");
    const names = [FILES, SHELL, ...(hash ? [`${prefix}engine:${hash}`] : [])];
    const indexes = (await caches.keys()).filter((name) => name.startsWith(`${prefix}engine:`));
    for (const name of [...names, ...indexes]) {
      const cache = await caches.open(name);
      for (const candidate of urls) {
        const response = await cache.match(candidate);
        if (response) return response;
      }
    }
    return undefined;
  }

  /**
   * @param {string} path
   * @param {string} url
   * @param {Response} response
   */
  async function keep(path, url, response) {
    const address = new URL(url);
    address.hash = "";
    address.search = "";
    const hash = engineOf(path);
    const cache = await caches.open(hash ? `${prefix}engine:${hash}` : SHELL);
    // A redirected response is refused for a navigation: keep a plain one.
    const { status, statusText, headers } = response;
    await cache.put(address.href, new Response(response.body, { status, statusText, headers }));
  }

  /**
   * A page that answers 200 in place of a missing file must not be kept as that file.
   * @param {string} url
   * @param {Response} response
   */
  function fits(url, response) {
    if (response.status !== 200 || response.type !== "basic") return false;
    const type = response.headers.get("content-type") ?? "";
    const ending = /\.([a-z0-9]+)$/.exec(new URL(url).pathname)?.[1] ?? "html";
    switch (ending) {
      case "html":
        return type.startsWith("text/html");
      case "js":
        return /javascript/.test(type);
      case "css":
        return type.startsWith("text/css");
      default:
        return !type.startsWith("text/html");
    }
  }

  /**
   * The response with the headers that make a page cross-origin isolated, where it lacks them.
   * @param {Response} response
   * @returns {Response}
   */
  function isolated(response) {
    if (response.type === "opaqueredirect" || response.type === "opaque" || response.status === 0) {
      return response;
    }
    const headers = new Headers(response.headers);
    for (const [name, value] of [
      ["cross-origin-opener-policy", "same-origin"],
      ["cross-origin-embedder-policy", "require-corp"],
      ["cross-origin-resource-policy", "same-origin"],
    ]) {
      if (!headers.has(name)) headers.set(name, value);
    }
    const { status, statusText } = response;
    const body = [204, 205, 304].includes(status) ? null : response.body;
    return new Response(body, { status, statusText, headers });
  }

  /** @param {string} path */
  function isFile(path) {
    return /^_sitegen\/(files|models)\//.test(path);
  }

  /**
   * @param {string} url
   * @returns {string | null} relative to the base; null for what is not this site's
   */
  function pathOf(url) {
    const { origin, pathname } = new URL(url);
    if (origin !== base.origin || !pathname.startsWith(base.pathname)) return null;
    return pathname.slice(base.pathname.length);
  }
})();
