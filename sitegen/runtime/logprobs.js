/**
 * How probable the model found what was said: natural logarithms, of its own distribution, before
 * bias, penalties, temperature and all that drops tokens.
 */

/** Stands for the logarithm of 0, which JSON cannot hold; OpenAI's value. */
const NEVER = -9999;

/**
 * @typedef {object} Score
 * @property {number} id
 * @property {number} logprob
 */

/**
 * @param {Float32Array} logits  (vocab,), as the model gave them
 * @param {number} id  the token that was chosen
 * @param {number} top  how many of the likeliest to tell, the chosen one among them if it is
 * @returns {Score & { top: Score[] }}  likeliest first, the lower id of equal ones
 */
export function scoreToken(logits, id, top) {
  /** @type {number[]} */
  const best = []; // ids, likeliest first
  let most = -Infinity;
  for (let each = 0; each < logits.length; each++) {
    const logit = logits[each];
    if (logit > most) most = logit;
    if (best.length === top && !(top > 0 && logit > logits[best[top - 1]])) continue;
    let at = best.length === top ? top - 1 : best.length;
    for (; at > 0 && logit > logits[best[at - 1]]; at--) best[at] = best[at - 1];
    best[at] = each;
  }
  let sum = 0;
  for (let each = 0; each < logits.length; each++) sum += Math.exp(logits[each] - most);
  const total = most + Math.log(sum);
  const score = (/** @type {number} */ each) => ({
    id: each,
    logprob: Math.max(NEVER, logits[each] - total),
  });
  return { ...score(id), top: best.map(score) };
}
