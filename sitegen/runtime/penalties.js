/**
 * Logits changed by the caller's wishes and by what was said before, ahead of sampling.
 *
 * Order and meaning are those of Hugging Face transformers where it has them: first logit_bias
 * (its sequence_bias, of single tokens), then repetition_penalty, once for each token of prompt
 * and answer. frequency_penalty and presence_penalty follow; they are OpenAI's and look at the
 * answer alone. Each step rounds to float32, as PyTorch does: greedy choices are the same.
 */

/**
 * @typedef {object} PenaltyOptions
 * @property {Record<string, number>} logit_bias  token id → added to its logit
 * @property {number} repetition_penalty  1 changes nothing
 * @property {number} frequency_penalty  0 changes nothing
 * @property {number} presence_penalty  0 changes nothing
 */

/**
 * @typedef {object} History
 * @property {ReadonlySet<number>} seen  tokens of the prompt and of the answer
 * @property {ReadonlyMap<number, number>} counts  token of the answer → how often it came
 */

/**
 * @param {number[]} promptIds
 * @returns {History & { add: (id: number) => number }}  `add` takes a token of the answer and gives it back
 */
export function createHistory(promptIds) {
  const seen = new Set(promptIds);
  /** @type {Map<number, number>} */
  const counts = new Map();
  return {
    seen,
    counts,
    add(id) {
      seen.add(id);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      return id;
    },
  };
}

/**
 * @param {Float32Array} logits  (vocab,); left as they are
 * @param {PenaltyOptions} options
 * @param {History} history
 * @returns {Float32Array}  (vocab,); `logits` itself where nothing changes
 */
export function penalize(logits, options, history) {
  const { repetition_penalty, frequency_penalty, presence_penalty } = options;
  const biases = Object.entries(options.logit_bias);
  const repeats = repetition_penalty !== 1;
  const counts = frequency_penalty !== 0 || presence_penalty !== 0;
  if (biases.length === 0 && !repeats && !counts) return logits;
  const scores = logits.slice();
  for (const [id, bias] of biases) scores[Number(id)] += Math.fround(bias);
  if (repeats) {
    const penalty = Math.fround(repetition_penalty);
    for (const id of history.seen) scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
  }
  if (counts) {
    const [each, once] = [Math.fround(frequency_penalty), Math.fround(presence_penalty)];
    for (const [id, count] of history.counts) {
      scores[id] -= Math.fround(count * each);
      scores[id] -= once;
    }
  }
  return scores;
}
