/** The Cache interface as the loader uses it, in memory and with a limit like a browser's quota. */
export class MemoryStore {
  #entries = new Map();

  constructor({ maxBytes = Infinity } = {}) {
    this.maxBytes = maxBytes;
  }

  async match(url) {
    const entry = this.#entries.get(String(url));
    return entry && new Response(entry.bytes, { headers: entry.headers });
  }

  async put(url, response) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    let used = bytes.length;
    for (const entry of this.#entries.values()) used += entry.bytes.length;
    if (used > this.maxBytes) throw new DOMException("Quota exceeded.", "QuotaExceededError");
    this.#entries.set(String(url), { bytes, headers: new Headers(response.headers) });
  }

  async delete(url) {
    return this.#entries.delete(String(url));
  }
}
