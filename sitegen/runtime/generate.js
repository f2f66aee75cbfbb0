/**
 * The loop of generation: token ids in, token ids out. Knows no text.
 */

import { keepBeginning, read } from "./conversation.js";
import { SitegenError } from "./protocol.js";

/** @typedef {import("./conversation.js").TokenSequence} TokenSequence */
/** @typedef {import("./speculation.js").Speculation} Speculation */

/**
 * @typedef {object} Limits
 * @property {number} context_length
 * @property {number | null} short_context
 * @property {number[]} eos_token_ids  empty to never end by itself
 * @property {number} max_new_tokens
 */

/**
 * @typedef {object} Figures  filled while the tokens come
 * @property {number} cached_tokens  of the prompt, those that need not be run
 * @property {number} prefill_ms
 * @property {number} decode_ms
 * @property {number} completion_tokens  the ending token is not counted
 * @property {number} guessed_tokens  of the completion, those that were guessed and checked at once
 * @property {number | null} tokens_per_second  of the decode: the first token comes with the prefill
 * @property {"stop" | "length" | "aborted"} finish_reason  "aborted" until it ended by itself
 */

/** @returns {Figures} */
export function newFigures() {
  return {
    cached_tokens: 0,
    prefill_ms: 0,
    decode_ms: 0,
    completion_tokens: 0,
    guessed_tokens: 0,
    tokens_per_second: null,
    finish_reason: "aborted",
  };
}

/**
 * @typedef {object} Aids
 * @property {() => Promise<boolean>} [isStopped]  asked before each run of the prompt's parts
 * @property {Speculation | null} [speculation]  guesses to be checked; the tokens are the same
 */

/**
 * @param {TokenSequence} sequence  what it holds of the prompt is not run again
 * @param {number[]} promptIds
 * @param {Limits} limits
 * @param {(logits: Float32Array) => number} choose  asked once for each token, in their order
 * @param {Figures} figures
 * @param {Aids} [aids]
 * @returns {AsyncGenerator<number, void, void>}
 */
export async function* generate(sequence, promptIds, limits, choose, figures, aids = {}) {
  checkPrompt(promptIds, limits.context_length);
  const { isStopped = async () => false, speculation = null } = aids;
  const room = limits.context_length - promptIds.length;
  const most = Math.min(limits.max_new_tokens, room);

  const start = performance.now();
  figures.cached_tokens = keepBeginning(sequence, promptIds, limits.short_context);
  let logits = await read(sequence, promptIds, limits.short_context, isStopped);
  const prefilled = performance.now();
  figures.prefill_ms = prefilled - start;
  if (!logits) return;
  const vocab = logits.length;
  const ids = promptIds.slice();
  /** @type {number[]} */
  let guess = [];
  let decoded = -1; // the first token comes with the prefill
  for (;;) {
    let right = 0;
    for (let at = 0; at === right && at <= guess.length; at++) {
      const id = choose(logits.subarray(at * vocab, (at + 1) * vocab));
      decoded += 1;
      if (figures.decode_ms > 0) figures.tokens_per_second = (1000 * decoded) / figures.decode_ms;
      if (limits.eos_token_ids.includes(id)) {
        figures.finish_reason = "stop";
        return;
      }
      ids.push(id);
      figures.completion_tokens += 1;
      if (id === guess[at]) {
        right += 1;
        figures.guessed_tokens += 1;
      }
      const isLast = figures.completion_tokens >= most;
      if (isLast) figures.finish_reason = "length";
      yield id;
      if (isLast) return;
    }
    speculation?.learn(guess.length, right, ids.length);
    const held = sequence.rewind(ids.length - 1);
    const left = most - figures.completion_tokens - 1;
    guess = speculation?.guess(ids, Math.min(left, reach(ids.length, limits))) ?? [];
    logits = await sequence.run([...ids.slice(held), ...guess], guess.length + 1);
    figures.decode_ms = performance.now() - prefilled;
  }
}

/**
 * A guess may not outgrow the short context: that could not be undone.
 * @param {number} length
 * @param {Limits} limits
 */
function reach(length, { short_context }) {
  return short_context !== null && length <= short_context ? short_context - length : Infinity;
}

/**
 * @param {number[]} ids
 * @param {number} contextLength
 * @returns {void} throws "bad-request" or "context-full"
 */
export function checkPrompt(ids, contextLength) {
  if (ids.length === 0) {
    throw new SitegenError("bad-request", "The prompt is empty: write at least one word.");
  }
  if (ids.length >= contextLength) {
    throw new SitegenError(
      "context-full",
      `The text is ${ids.length} tokens long and this model takes ${contextLength - 1} at most, ` +
        "leaving one for the answer. Shorten it or start a new conversation.",
      { prompt_tokens: ids.length, context_length: contextLength },
    );
  }
}

/**
 * @param {Pick<TokenSequence, "run">} sequence  empty
 * @param {import("./protocol.js").SelfCheck} check
 * @param {(logits: Float32Array) => number} choose  greedy
 * @returns {Promise<void>} throws "self-check-failed"
 */
export async function selfCheck(sequence, check, choose) {
  const got = [];
  let ids = check.prompt_ids;
  while (got.length < check.next_ids.length) {
    const id = choose(await sequence.run(ids));
    got.push(id);
    if (id !== check.next_ids[got.length - 1]) {
      throw new SitegenError(
        "self-check-failed",
        "The model gave wrong answers to its test on this device. " +
          "Update your browser, or try another one.",
        { expected: check.next_ids, got },
      );
    }
    ids = [id];
  }
}
