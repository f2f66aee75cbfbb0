/**
 * The choices of one answer: sampling with its history and its random numbers, and on request how
 * probable each chosen token was.
 */

import { scoreToken } from "./logprobs.js";
import { createHistory } from "./penalties.js";
import { createRandom, drawSeed, sample } from "./sampling.js";

/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").TokenLogprobs} TokenLogprobs */

/**
 * @typedef {object} Chooser
 * @property {(logits: Float32Array) => number} choose  the next token, which then is history
 * @property {() => TokenLogprobs[]} logprobs  of the last choice; empty when not asked for
 */

/**
 * @param {GenerateOptions} options
 * @param {number[]} promptIds
 * @param {(id: number) => { token: string, bytes: number[] }} spell
 * @param {(logits: Float32Array) => Float32Array} [masked]  without what may not come
 * @returns {Chooser}
 */
export function createChooser(options, promptIds, spell, masked = (logits) => logits) {
  const random = createRandom(options.seed ?? drawSeed());
  const history = createHistory(promptIds);
  /** @type {ReturnType<typeof scoreToken>[]} */
  let scores = [];
  return {
    choose(logits) {
      const id = sample(masked(logits), options, history, random);
      if (options.logprobs) scores = [scoreToken(logits, id, options.top_logprobs)];
      return history.add(id);
    },
    logprobs: () =>
      scores.map(({ id, logprob, top }) => ({
        ...spell(id),
        logprob,
        top_logprobs: top.map((other) => ({ ...spell(other.id), logprob: other.logprob })),
      })),
  };
}
