/**
 * Makes the site work without a network. Every page loads this, with or without an app.
 */

import { registerServiceWorker } from "../register.js";

/** This file is `_sitegen/engine/<hash>/elements/offline.js` below the site's base. */
const BASE = new URL("../../../../", import.meta.url);

registerServiceWorker(BASE).catch((error) => {
  // The page works without it, only not offline.
  console.info("[sitegen] no service worker:", error instanceof Error ? error.message : error);
});
