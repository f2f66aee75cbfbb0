/**
 * Guesses at the next tokens, from what was said before: where the last few tokens occurred already,
 * what followed them then may follow again. One run of the model checks all of a guess.
 *
 * A guess is right as far as it is what would have been chosen anyway, token by token and from the
 * same random numbers. So the text is the same with guesses and without, also a sampled one: that a
 * token is chosen which was guessed is exactly as probable as the token, and any other is chosen
 * with the probabilities of all others. Whether a guess is made depends on the tokens alone and never
 * on the clock, for the same seed must give the same text where runs of several tokens round otherwise.
 */

/** As many last tokens are looked for, the longest first. */
const LOOKED_FOR = [3, 2];

const FIRST_LENGTH = 4;
const MOST = 8;

/** The running average of the runs saved by a guess: how much the last one counts, and where it begins. */
const LAST = 0.2;
const FIRST_GAIN = 0.5;
const GAIN_AFTER_PAUSE = 0.1;

/** Tokens without guesses after they did not win; each time twice as many. */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 256;

export class Speculation {
  #length = FIRST_LENGTH;
  #gain = FIRST_GAIN;
  #pause = FIRST_PAUSE;
  /** Tokens there must be before the next guess. */
  #resume = 0;
  #cost;

  /** @param {number} cost  of one more token in a run, as a share of a run of one token */
  constructor(cost) {
    this.#cost = cost;
  }

  /**
   * @param {number[]} ids  all tokens so far
   * @param {number} most  longest guess that there is room for
   * @returns {number[]}  empty where nothing is known
   */
  guess(ids, most) {
    if (ids.length < this.#resume) return [];
    return continuation(ids, Math.min(this.#length, most));
  }

  /**
   * @param {number} guessed  tokens of the last guess
   * @param {number} right
   * @param {number} total  tokens so far
   */
  learn(guessed, right, total) {
    if (guessed === 0) return;
    this.#length = right === guessed ? Math.min(2 * this.#length, MOST) : Math.max(right, 1) + 1;
    this.#gain += LAST * (right - this.#cost * guessed - this.#gain);
    if (this.#gain > FIRST_GAIN) {
      this.#pause = FIRST_PAUSE;
    } else if (this.#gain < 0) {
      this.#resume = total + this.#pause;
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
      this.#gain = GAIN_AFTER_PAUSE;
    }
  }
}

/**
 * What guesses cost a variant. In Chromium int8 weights of 135M parameters took 35 ms for one token,
 * 61 for five and 88 for nine; float32 matrices alone take twice as long for four as for one. int8
 * rounds a run's tokens by the largest of their numbers, so that several at once may give other
 * tokens than one by one: there guesses are made only when asked for. So on a GPU, not yet measured.
 * @param {import("./protocol.js").Variant} variant
 * @param {import("./protocol.js").Backend} backend
 * @returns {{ cost: number, isExact: boolean }}
 */
export function guessing(variant, backend) {
  const isFloat = variant.name === "fp32" && backend === "wasm";
  return { cost: isFloat ? 0.35 : 0.2, isExact: isFloat };
}

/**
 * @param {number[]} ids
 * @param {number} most
 * @returns {number[]} what followed the last tokens when they occurred last
 */
export function continuation(ids, most) {
  for (const count of LOOKED_FOR) {
    const start = ids.length - count;
    for (let at = start - 1; at >= 0; at--) {
      let same = 0;
      while (same < count && ids[at + same] === ids[start + same]) same += 1;
      if (same === count) return ids.slice(at + count, at + count + Math.max(most, 0));
    }
  }
  return [];
}
