/**
 * From logits to the next token: pure functions, the same text for the same seed.
 *
 * Order and meaning are those of Hugging Face transformers: bias and penalties (penalties.js),
 * then temperature, top_k, top_p and min_p. Temperature 0 takes the largest of the first.
 * Equal logits: the lower id comes first, also where transformers leaves the order open.
 */

import { penalize } from "./penalties.js";

/** @typedef {import("./penalties.js").History} History */
/** @typedef {import("./penalties.js").PenaltyOptions} PenaltyOptions */

/**
 * @typedef {object} WarpOptions
 * @property {number} temperature
 * @property {number} top_k  0 keeps all
 * @property {number} top_p  1 keeps all
 * @property {number} min_p  0 keeps all
 */

/**
 * A uniform source on [0, 1) with 32 bits of resolution: xoshiro128** (Blackman and Vigna,
 * 2018), its state filled by splitmix32 from the low and the high half of the seed.
 * @param {number} seed  integer, 0 … 2^53 - 1
 * @returns {() => number}
 */
export function createRandom(seed) {
  let state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b)) >>> 0;
  const next32 = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const s = Uint32Array.of(next32(), next32(), next32(), next32());
  return () => {
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result / 2 ** 32;
  };
}

/** @returns {number} a seed nobody chose */
export function drawSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/**
 * @param {Float32Array} logits  (vocab,)
 * @returns {number} id of the largest, the lowest such id
 */
export function argmax(logits) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

/**
 * The tokens that may follow and their probabilities, most probable first.
 * @param {Float32Array} logits  (vocab,)
 * @param {WarpOptions} options  temperature > 0
 * @returns {{ ids: number[], probabilities: number[] }}  (kept,)
 */
export function distribution(logits, options) {
  const { ids, weights } = keep(logits, options);
  ids.sort((a, b) => weights[b] - weights[a] || a - b);
  const kept = ids.reduce((sum, id) => sum + weights[id], 0);
  return { ids, probabilities: ids.map((id) => weights[id] / kept) };
}

/**
 * @param {Float32Array} logits  (vocab,)
 * @param {WarpOptions} options  temperature > 0
 * @returns {{ ids: number[], weights: Float64Array }}  (kept,) by rising id, and (vocab,): the
 *   weight of the likeliest is 1
 */
function keep(logits, { temperature, top_k, top_p, min_p }) {
  // As in transformers, tokens equal to the k-th largest stay too.
  // What may not come at all has -Infinity, and is never kept.
  const kth = top_k > 0 && top_k < logits.length ? kthLargest(logits, top_k) : -Infinity;
  const least = Math.max(kth, -Number.MAX_VALUE);
  const most = logits[argmax(logits)];
  const weights = new Float64Array(logits.length); // exp of the logit, relative to the largest
  let total = 0;
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] < least) continue;
    weights[id] = Math.exp((logits[id] - most) / temperature);
    total += weights[id];
    count += 1;
  }

  // Transformers sums from the least probable up and drops while the sum is ≤ 1 - top_p. All
  // tokens below `floor` together weigh less than that: they go without being sorted. So do those
  // that min_p drops afterwards: the largest weighs 1.
  const cut = top_p < 1 ? (1 - top_p) * total : 0;
  const floor = Math.max(cut / count, min_p);
  let dropped = 0;
  const ids = [];
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] < least) continue;
    if (weights[id] < floor) dropped += weights[id];
    else if (weights[id] > 0) ids.push(id);
  }
  if (cut === 0) return { ids, weights }; // a whole vocabulary takes long to sort
  ids.sort((a, b) => weights[b] - weights[a] || a - b);
  while (ids.length > 1 && dropped + weights[ids[ids.length - 1]] <= cut) {
    dropped += weights[/** @type {number} */ (ids.pop())];
  }
  return { ids: ids.sort((a, b) => a - b), weights };
}

/**
 * Tokens divide the random number's range in the order of their ids: where two are nearly equal,
 * another backend's rounding does not exchange them.
 * @param {Float32Array} logits  (vocab,)
 * @param {WarpOptions & PenaltyOptions} options
 * @param {History} history
 * @param {() => number} random  uniform on [0, 1); not called at temperature 0
 * @returns {number} the next token
 */
export function sample(logits, options, history, random) {
  const scores = penalize(logits, options, history);
  if (options.temperature === 0) return argmax(scores);
  const { ids, weights } = keep(scores, options);
  let left = random() * ids.reduce((sum, id) => sum + weights[id], 0);
  for (const id of ids) {
    left -= weights[id];
    if (left < 0) return id;
  }
  return ids[ids.length - 1]; // subtracting rounds otherwise than adding
}

/**
 * Quickselect on a copy: linear on average.
 * @param {Float32Array} values
 * @param {number} k  1 … values.length
 * @returns {number}
 */
function kthLargest(values, k) {
  const v = values.slice();
  let low = 0;
  let high = v.length - 1;
  while (low < high) {
    const pivot = v[(low + high) >> 1];
    let i = low;
    let j = high;
    while (i <= j) {
      while (v[i] > pivot) i += 1;
      while (v[j] < pivot) j -= 1;
      if (i <= j) {
        [v[i], v[j]] = [v[j], v[i]];
        i += 1;
        j -= 1;
      }
    }
    if (k - 1 <= j) high = j;
    else if (k - 1 >= i) low = i;
    else break;
  }
  return v[k - 1];
}
