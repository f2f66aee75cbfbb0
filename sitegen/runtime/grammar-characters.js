/**
 * Characters as xgrammar is given them. Its classes are right for ASCII only (0.1.27), so a byte of
 * any other character is written as two: U+000E or U+000F for its half, and one from "@" on. The
 * vocabulary is spelled so, and so is every grammar; texts with these two control characters of
 * their own are never allowed.
 */

/** Code points from the first to the last, both included. @typedef {[number, number]} Range */

/** Makes a rule of a body, or finds it, and gives its name. @typedef {(body: string) => string} Define */

const HALVES = "\u000e\u000f";
const encoder = new TextEncoder();

/**
 * @param {Uint8Array} bytes  of a token
 * @returns {string}  empty where no grammar allows it
 */
export function spelled(bytes) {
  if (bytes.includes(0x0e) || bytes.includes(0x0f)) return "";
  let text = "";
  for (const byte of bytes) {
    text += byte < 0x80 ? String.fromCharCode(byte) : HALVES[(byte >> 6) & 1] + String.fromCharCode(0x40 | (byte & 0x3f));
  }
  return text;
}

/**
 * @param {string} text
 * @returns {string} an expression that is the text
 */
export function literal(text) {
  return `"${Array.from(spelled(encoder.encode(text)), (c) => escaped(c.charCodeAt(0))).join("")}"`;
}

/**
 * @param {Range[]} ranges  in order
 * @param {Define} define
 * @returns {string | null} an expression that is any of the characters; null where there are none
 */
export function anyCharacter(ranges, define) {
  const parts = [];
  const ascii = [...within(ranges, 0, 0x0d), ...within(ranges, 0x10, 0x7f)];
  if (ascii.length > 0) parts.push(byteClass(ascii));
  /** @type {[number, number][]} */
  const bySize = [[0x80, 0x7ff], [0x800, 0xd7ff], [0xe000, 0xffff], [0x10000, 0x10ffff]];
  const sequences = bySize.flatMap(([first, last]) => within(ranges, first, last).flatMap(byteRanges));
  if (sequences.length > 0) {
    const bodies = sequences.map((bytes) =>
      bytes
        .map(([a, b]) => `"${escaped(0x0e | ((a >> 6) & 1))}" ${byteClass([[0x40 | (a & 0x3f), 0x40 | (b & 0x3f)]])}`)
        .join(" "),
    );
    parts.push(define(bodies.join(" | ")));
  }
  return parts.length > 1 ? `(${parts.join(" | ")})` : (parts[0] ?? null);
}

/**
 * @param {Range[]} ranges
 * @param {number} first
 * @param {number} last
 * @returns {Range[]} what of them lies between
 */
export function within(ranges, first, last) {
  return ranges
    .map(([a, b]) => /** @type {Range} */ ([Math.max(a, first), Math.min(b, last)]))
    .filter(([a, b]) => a <= b);
}

/** @param {Range[]} ranges  of ASCII */
function byteClass(ranges) {
  return `[${ranges.map(([a, b]) => `${escaped(a)}-${escaped(b)}`).join("")}]`;
}

/** @param {number} code */
function escaped(code) {
  return `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/**
 * @param {Range} range  of characters whose UTF-8 is of one length
 * @returns {Range[][]} sequences of bytes, each from one to another, that are all of them
 */
function byteRanges([first, last]) {
  for (let bits = 6; bits <= 18; bits += 6) {
    const low = (1 << bits) - 1;
    if ((first | low) === (last | low) || (first & ~low) === (last & ~low)) break;
    if ((first & low) !== 0) return [...byteRanges([first, first | low]), ...byteRanges([(first | low) + 1, last])];
    if ((last & low) !== low) return [...byteRanges([first, (last & ~low) - 1]), ...byteRanges([last & ~low, last])];
  }
  const [a, b] = [first, last].map((code) => encoder.encode(String.fromCodePoint(code)));
  return [Array.from(a, (byte, i) => /** @type {Range} */ ([byte, b[i]]))];
}
