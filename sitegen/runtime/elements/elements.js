/**
 * Registers the app blocks of a page: <sitegen-chat>, <sitegen-complete>, <sitegen-form>.
 */

import "./offline.js";
import { SitegenChat } from "./chat.js";
import { SitegenComplete } from "./complete.js";
import { SitegenForm } from "./form.js";

const ELEMENTS = {
  "sitegen-chat": SitegenChat,
  "sitegen-complete": SitegenComplete,
  "sitegen-form": SitegenForm,
};

// A page that loads two versions of the engine keeps the first.
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (!customElements.get(name)) customElements.define(name, element);
}
