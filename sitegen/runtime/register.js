/**
 * Install the service worker of a site, and tell it what this page has loaded: it sees no
 * request made before it was there.
 */

/**
 * @param {string | URL} base  the site's base, where sw.js lies
 * @returns {Promise<ServiceWorkerRegistration | null>} null where service workers are not possible
 */
export async function registerServiceWorker(base) {
  if (!("serviceWorker" in navigator)) return null; // no secure context, or a private window
  const scope = new URL("./", new URL(base, location.href));
  const registration = await navigator.serviceWorker.register(new URL("sw.js", scope), {
    scope: scope.pathname,
    updateViaCache: "none",
  });
  const loaded = () => performance.getEntriesByType("resource").map((entry) => entry.name);
  if (document.readyState !== "complete") {
    await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
  }
  const { active } = await navigator.serviceWorker.ready;
  active?.postMessage({ kind: "visited", urls: [location.href, ...loaded()] });
  return registration;
}
