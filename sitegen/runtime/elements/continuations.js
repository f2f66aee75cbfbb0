/**
 * Which parts of a text the model wrote, kept true while a person edits it. Pure functions.
 *
 * Positions are UTF-16 code units, as text areas count.
 */

/**
 * @typedef {object} Continuation
 * @property {number} id  counts up: the highest is the newest
 * @property {number} start
 * @property {number} end  exclusive
 */

/**
 * @param {string} before
 * @param {string} after
 * @returns {{ start: number, end: number, inserted: number }}
 *   the one replaced stretch of `before`, and how long its replacement is
 */
function difference(before, after) {
  const limit = Math.min(before.length, after.length);
  let start = 0;
  while (start < limit && before[start] === after[start]) start += 1;
  let tail = 0;
  while (tail < limit - start && before[before.length - 1 - tail] === after[after.length - 1 - tail])
    tail += 1;
  return { start, end: before.length - tail, inserted: after.length - tail - start };
}

/**
 * @param {Continuation[]} continuations  in `before`, in order
 * @param {string} before
 * @param {string} after
 * @returns {Continuation[]} in `after`: what was typed inside one splits it, what was deleted is gone
 */
export function afterEdit(continuations, before, after) {
  const { start, end, inserted } = difference(before, after);
  const shift = inserted - (end - start);
  return continuations
    .flatMap(({ id, start: from, end: to }) => [
      { id, start: from, end: Math.min(to, start) },
      { id, start: Math.max(from, end) + shift, end: to + shift },
    ])
    .filter((part) => part.end > part.start);
}

/**
 * Takes the newest continuation out of a text, and leaves what a person wrote since.
 * @param {string} text
 * @param {Continuation[]} continuations
 * @returns {{ text: string, continuations: Continuation[] }}
 */
export function withoutNewest(text, continuations) {
  const newest = Math.max(...continuations.map(({ id }) => id));
  let rest = text;
  let kept = continuations;
  for (const { start, end } of continuations.filter(({ id }) => id === newest).reverse()) {
    const shorter = rest.slice(0, start) + rest.slice(end);
    const length = end - start;
    kept = kept
      .filter((part) => part.start !== start)
      .map((part) =>
        part.start >= end ? { ...part, start: part.start - length, end: part.end - length } : part,
      );
    rest = shorter;
  }
  return { text: rest, continuations: kept };
}
