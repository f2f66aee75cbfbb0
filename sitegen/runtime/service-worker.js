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
 *     everything else                       network first, kept for the next time without one,
 *                                           unless it is large
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

  const LARGEST_BYTES = 10_000_000; // of what is kept without being asked for

  /** @param {string} path  relative to the base */
  const engineOf = (path) => /^_sitegen\/engine\/([^/]+)\//.exec(path)?.[1];
  const ENGINE = shell.map(engineOf).find((hash) => hash !== undefined); // of this version

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
    const notFound = new URL("404.html", base).href; // where a host gives it out by its name
    await keepVisited([notFound, ...(await visitedBefore())]);
    await worker.skipWaiting();
  }

  /**
   * What older versions of the site have kept, the engine's modules by their new address: a reader
   * who could read a page or run a model offline still can.
   * @returns {Promise<string[]>}
   */
  async function visitedBefore() {
    const isWanted = (/** @type {string} */ name) =>
      name.startsWith(`${prefix}shell:`) || (ENGINE && name.startsWith(`${prefix}engine:`));
    const names = (await caches.keys()).filter(isWanted);
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests
      .flat()
      .map(({ url }) => url.replace(/\/_sitegen\/engine\/[^/]+\//, `/_sitegen/engine/${ENGINE}/`))
      .filter((url) => !pathOf(url)?.startsWith("_sitegen/theme/"));
  }

  /** Take over open pages, and remove what only older versions of the site used. */
  async function activate() {
    for (const name of await caches.keys()) {
      if (!name.startsWith(prefix)) continue;
      const [kind, key] = name.slice(prefix.length).split(":");
      const isOldShell = kind === "shell" && key !== version;
      const isOldEngine = kind === "engine" && ENGINE !== undefined && key !== ENGINE;
      if (isOldShell || isOldEngine) await caches.delete(name);
    }
    await worker.clients.claim();
  }

  /**
   * What a page loaded before this worker was there, or under an older one.
   * @param {string[]} urls
   */
  async function keepVisited(urls) {
    await Promise.all(
      [...new Set(urls)].map(async (url) => {
        const path = pathOf(url);
        if (path === null || isFile(path) || (await stored(url))) return;
        try {
          const response = await fetch(url);
          if (fits(url, response) && !isLarge(response)) await keep(path, url, response);
          else await response.body?.cancel();
        } catch {
          // No network, or no room: it is kept when it is next read.
        }
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
      if (!isFile(path) && fits(request.url, response) && !isLarge(response)) {
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
    for (const cacheName of [...names, ...indexes]) {
      for (const candidate of urls) {
        const response = await caches.match(candidate, { cacheName });
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
    const ending = /\.([a-z0-9]+)$/i.exec(new URL(url).pathname)?.[1] ?? "html";
    switch (ending.toLowerCase()) {
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
   * Recordings may have no end: they count as large whatever they say of themselves.
   * @param {Response} response
   */
  function isLarge({ headers }) {
    const isRecording = /^(audio|video)\//.test(headers.get("content-type") ?? "");
    return isRecording || Number(headers.get("content-length")) > LARGEST_BYTES;
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
