/**
 * A prompt that fits the context: where the author wants it, the oldest turns are left out.
 */

import { SitegenError } from "./protocol.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Prompt} Prompt */

/**
 * @typedef {object} ContextOptions
 * @property {number} context_length
 * @property {number} max_new_tokens
 * @property {"stop" | "drop_oldest"} context_overflow
 */

/** An answer needs this share of the context at most before turns are dropped for it. */
const ANSWER = 1 / 4;

/**
 * Once turns must go, what stays takes this share of the context: if each turn dropped one, each
 * would have to be read anew from there on.
 */
const KEPT = 1 / 2;

/**
 * Under "drop_oldest", a conversation that leaves no room for its answer loses whole turns, a
 * user's message with all that follows it up to the next; never what stands before the first of
 * them, nor the last. It may still be too long.
 * @param {Prompt} prompt
 * @param {(prompt: Prompt) => number[]} encode
 * @param {ContextOptions} options
 * @returns {{ promptIds: number[], dropped_messages: number }}
 */
export function fitPrompt(prompt, encode, { context_length, max_new_tokens, context_overflow }) {
  const whole = encode(prompt);
  const room = Math.min(max_new_tokens, Math.floor(context_length * ANSWER));
  if (context_overflow === "stop" || whole.length + room <= context_length) {
    return { promptIds: whole, dropped_messages: 0 };
  }
  if (typeof prompt === "string") {
    throw new SitegenError(
      "bad-request",
      'context_overflow: "drop_oldest" drops turns, and a text has none: give a list of messages.',
    );
  }
  const turns = prompt.flatMap(({ role }, n) => (role === "user" ? [n] : []));
  const first = turns[0] ?? 0;
  /** @param {number} count  of turns */
  const without = (count) => {
    const dropped_messages = (turns[count] ?? first) - first;
    const kept = prompt.toSpliced(first, dropped_messages);
    return { promptIds: encode(kept), dropped_messages };
  };
  const most = Math.max(turns.length - 1, 0);
  for (const limit of [Math.min(context_length * KEPT, context_length - room), context_length - room]) {
    if (without(most).promptIds.length > limit) continue;
    let [few, enough] = [0, most];
    while (enough - few > 1) {
      const middle = (few + enough) >> 1;
      if (without(middle).promptIds.length > limit) few = middle;
      else enough = middle;
    }
    return without(enough);
  }
  return without(most);
}
