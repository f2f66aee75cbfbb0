/**
 * One sequence kept between requests: of a prompt, only what differs from what was said is run.
 */

/**
 * A token sequence of a model, as far as it is needed here.
 * @typedef {object} TokenSequence
 * @property {number[]} ids  all tokens it holds
 * @property {(ids: number[], keep?: number) => Promise<Float32Array>} run
 *   append ids; logits (keep * vocab,) of the last positions, of one where nothing is said
 * @property {(length: number) => number} rewind
 *   forget all but the first `length` tokens, or all where that cannot be undone; how many are left
 */

/** So many tokens of a prompt are run at once: a stop takes effect between two runs. */
export const CHUNK = 128;

/** The sequence that the next request may go on with. Empty after a failure, never half of a run. */
export class Conversation {
  /** @type {(TokenSequence & { dispose: () => void }) | null} */
  #sequence = null;
  #begin;

  /** @param {() => TokenSequence & { dispose: () => void }} begin  an empty sequence */
  constructor(begin) {
    this.#begin = begin;
    /** Whether a reader was answered in it; else it was only prefilled. */
    this.isAnswered = false;
  }

  get ids() {
    return this.#sequence?.ids ?? [];
  }

  /**
   * @param {number[]} ids
   * @param {number} [keep]
   */
  async run(ids, keep) {
    this.#sequence ??= this.#begin();
    try {
      return await this.#sequence.run(ids, keep);
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** @param {number} length */
  rewind(length) {
    return this.#sequence?.rewind(length) ?? 0;
  }

  /** Free what it holds. */
  forget() {
    this.#sequence?.dispose();
    this.#sequence = null;
    this.isAnswered = false;
  }
}

/**
 * @param {number[]} one
 * @param {number[]} other
 * @returns {number} length of what both begin with
 */
export function commonLength(one, other) {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one[length] === other[length]) length += 1;
  return length;
}

/**
 * Forget what is not the beginning of these ids. The last of them is never kept: it has to be run
 * for what follows it.
 * @param {TokenSequence} sequence
 * @param {number[]} ids
 * @param {number | null} shortContext  a sequence that outgrows it is computed anew
 * @returns {number} how many of the ids it still holds
 */
export function keepBeginning(sequence, ids, shortContext) {
  const length = Math.min(commonLength(sequence.ids, ids), ids.length - 1);
  return sequence.rewind(outgrows(ids, length, shortContext) ? 0 : length);
}

/**
 * Run what a sequence does not hold of these ids, with which it begins.
 * @param {TokenSequence} sequence
 * @param {number[]} ids
 * @param {number | null} shortContext
 * @param {() => Promise<boolean>} isStopped  asked before each run
 * @returns {Promise<Float32Array | null>} logits (vocab,) of the last; null when stopped before it
 */
export async function read(sequence, ids, shortContext, isStopped) {
  let logits = null;
  while (sequence.ids.length < ids.length) {
    if (await isStopped()) return null;
    const start = sequence.ids.length;
    const end = outgrows(ids, start, shortContext) ? Number(shortContext) + 1 : start + CHUNK;
    logits = await sequence.run(ids.slice(start, end));
  }
  return logits;
}

/**
 * Have the beginning of a prompt ready. What an answer left is worth more, and is not given up for it.
 * @param {Conversation} conversation
 * @param {number[]} ids
 * @param {number | null} shortContext
 * @param {() => Promise<boolean>} isStopped
 * @returns {Promise<number>} how many of the ids it holds now
 */
export async function prefill(conversation, ids, shortContext, isStopped) {
  const held = commonLength(conversation.ids, ids);
  if (!conversation.isAnswered && held < ids.length) {
    conversation.rewind(outgrows(ids, held, shortContext) ? 0 : held);
    await read(conversation, ids, shortContext, isStopped);
  }
  return commonLength(conversation.ids, ids);
}

/**
 * @param {number[]} ids
 * @param {number} held
 * @param {number | null} shortContext
 */
function outgrows(ids, held, shortContext) {
  return shortContext !== null && held <= shortContext && ids.length > shortContext;
}
