/**
 * Text that arrives in pieces, shown as paragraphs. It is only ever text: no markup is read.
 */

import { h } from "./dom.js";

export class TextFlow {
  /** @type {Text | null} */
  #node = null;
  #newlines = 0;

  /** @param {HTMLElement} holder  receives one `<p>` a paragraph; line breaks are kept by CSS */
  constructor(holder) {
    this.holder = holder;
    this.text = "";
  }

  get isEmpty() {
    return this.#node === null;
  }

  /** @param {string} piece */
  append(piece) {
    this.text += piece;
    for (const part of piece.split(/(\n)/)) {
      if (part === "\n") this.#newlines += 1;
      else if (part) this.#write(part);
    }
  }

  clear() {
    this.text = "";
    this.#node = null;
    this.#newlines = 0;
    this.holder.replaceChildren();
  }

  /** @param {string} part  without line breaks */
  #write(part) {
    if (!this.#node || this.#newlines > 1) {
      this.#node = document.createTextNode(this.#node ? part : part.trimStart());
      if (!this.#node.data) {
        // White space before the first word is not a paragraph.
        this.#node = null;
        return;
      }
      this.holder.append(h("p", {}, this.#node));
    } else {
      this.#node.appendData("\n".repeat(this.#newlines) + part);
    }
    this.#newlines = 0;
  }
}
