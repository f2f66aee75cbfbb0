/**
 * A token sequence, and what the layers keep of it between runs.
 */

import { SitegenError } from "./protocol.js";

/** @typedef {import("./protocol.js").Manifest} Manifest */

/**
 * A tensor of a graph's cache.
 * @typedef {object} CacheTensor
 * @property {"attention" | "convolution"} kind
 * @property {string} past  input
 * @property {string} present  output
 * @property {number[]} shape  attention: (1, heads, tokens, head_dim) with 0 tokens
 */

/**
 * A graph that is ready to run, with caches of its own making.
 * @template C
 * @typedef {object} Session
 * @property {boolean} canRewind
 * @property {Promise<unknown>} lost  settles when the device is gone
 * @property {() => C} newCache
 * @property {(cache: C, capacity: number, used: number) => void} grow
 * @property {(cache: C, ids: number[], total: number, keep: number) => Float32Array | Promise<Float32Array>} run
 * @property {(cache: C, length: number) => void} rewind
 * @property {(cache: C) => void} free
 * @property {() => unknown} release
 */

/** Tokens there is room for at first; then twice as many, and so on. */
const ROOM = 256;

/** @template C */
export class Sequence {
  /**
   * @param {Session<C>} session
   * @param {Pick<Manifest, "context_length" | "short_context">} limits
   */
  constructor(session, { context_length, short_context }) {
    this.session = session;
    this.context = context_length;
    this.shortContext = short_context;
    this.cache = session.newCache();
    /** All tokens so far. @type {number[]} */
    this.ids = [];
  }

  get length() {
    return this.ids.length;
  }

  /**
   * Append ids.
   * @param {number[]} ids
   * @param {number} [keep]  of how many of the last positions the logits are wanted
   * @returns {Promise<Float32Array>} (keep * vocab,)
   */
  async run(ids, keep = 1) {
    const total = this.length + ids.length;
    if (this.length > 0 && this.#isLong(total) && !this.#isLong(this.length)) {
      ids = [...this.ids, ...ids]; // the cached keys were turned by other angles
      this.#empty();
    }
    this.session.grow(this.cache, room(total, this.context), this.length);
    const logits = await this.#run(ids, total, keep);
    for (const id of ids) this.ids.push(id);
    return logits;
  }

  /**
   * Forget all but the first `length` tokens, as far as that can be undone.
   * @param {number} length
   * @returns {number} how many tokens it holds now: none where it has to begin anew
   */
  rewind(length) {
    if (length >= this.length) return this.length;
    const canKeep = this.session.canRewind && this.#isLong(length) === this.#isLong(this.length);
    if (length === 0 || !canKeep) this.#empty();
    else {
      this.session.rewind(this.cache, length);
      this.ids.length = length;
    }
    return this.length;
  }

  /** Free the cache; the sequence is not to be used afterwards. */
  dispose() {
    this.session.free(this.cache);
  }

  #empty() {
    this.session.free(this.cache);
    this.cache = this.session.newCache();
    this.ids = [];
  }

  /** @param {number} length */
  #isLong(length) {
    return this.shortContext !== null && length > this.shortContext;
  }

  /**
   * @param {number[]} ids
   * @param {number} total
   * @param {number} keep
   */
  async #run(ids, total, keep) {
    try {
      return await this.session.run(this.cache, ids, total, keep);
    } catch (cause) {
      // The loss is told a moment after the failure.
      const soon = new Promise((resolve) => setTimeout(resolve, 100));
      if ((await Promise.race([this.session.lost.then(() => true), soon])) !== true) throw cause;
      throw new SitegenError(
        "device-lost",
        "The graphics card was reset or taken away. Load the model again.",
        { cause: String(cause) },
      );
    }
  }
}

/**
 * @param {number} tokens
 * @param {number} context
 * @returns {number} how many a cache that has to hold so many is made for
 */
export function room(tokens, context) {
  let size = ROOM;
  while (size < tokens) size *= 2;
  return Math.min(size, context);
}

/**
 * The tensors of a graph's cache, layer by layer.
 * @param {Manifest["cache"]} layers
 * @returns {CacheTensor[]}
 */
export function cacheTensors(layers) {
  /** @type {CacheTensor[]} */
  const tensors = [];
  layers.forEach((layer, n) => {
    if (layer.kind === "convolution") {
      const { kind, length, width } = layer;
      const [past, present] = [`past_convolution.${n}`, `present_convolution.${n}`];
      tensors.push({ kind, past, present, shape: [1, length, width] });
      return;
    }
    for (const part of ["key", "value"]) {
      const { kind, heads, head_dim } = layer;
      const [past, present] = [`past_key_values.${n}.${part}`, `present.${n}.${part}`];
      tensors.push({ kind, past, present, shape: [1, heads, 0, head_dim] });
    }
  });
  return tensors;
}
