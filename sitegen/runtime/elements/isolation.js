/**
 * Threads for WebAssembly on hosts that cannot send headers: the service worker adds them, but
 * only to a page it has answered for, so the first visit is reloaded, once.
 */

/**
 * Reloads the page if that gives this model threads and the visitor has done nothing yet.
 *
 * Otherwise the next page has them. Never after a download has begun, and never for WebGPU, which
 * needs no threads.
 * @param {string} backend  on which the model would run
 * @returns {Promise<void>}
 */
export async function isolateOnce(backend) {
  const isUseful =
    backend === "wasm" &&
    globalThis.crossOriginIsolated === false &&
    "serviceWorker" in navigator &&
    navigator.hardwareConcurrency > 1 &&
    // In a frame the outer page decides.
    window.top === window;
  if (!isUseful) return;
  const { scope } = await navigator.serviceWorker.ready;
  // A person who has begun to write must not lose the text, nor one who reads the place.
  if (navigator.userActivation?.hasBeenActive !== false || scrollY > 0) return;
  try {
    const key = `sitegen:${new URL(scope).pathname}:isolated`;
    if (sessionStorage.getItem(key)) return;
    sessionStorage.setItem(key, "1");
  } catch {
    return; // Without a memory of the first reload there could be a second, and a third.
  }
  location.reload();
}
