/**
 * A regular expression as a grammar: JavaScript's syntax with the `u` flag, matched by the whole
 * text. RegExp itself says whether an expression is one, and which characters a class holds.
 */

import { anyCharacter, literal, within } from "./grammar-characters.js";
import { SitegenError } from "./protocol.js";

/** @typedef {import("./grammar-characters.js").Define} Define */
/** @typedef {import("./grammar-characters.js").Range} Range */

const MOST_REPEATS = 100;
const SYNTAX = /[\^$\\.*+?()[\]{}|/-]/;
/** What the atom at `lastIndex` is written with: a class, an escape, or one character. */
const ATOM =
  /\[(?:\\.|[^\]\\])*\]|\\u\{[0-9a-f]+\}|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\c[a-z]|\\p\{[^}]*\}|\\.|[^]/iuy;
const QUANTIFIER = /([*+?]|\{(\d+)(,?)(\d*)\})\??/uy;

/**
 * @param {string} pattern
 * @param {Define} define
 * @param {{ in_json?: boolean }} [options]  in_json: the text stands within a JSON string
 * @returns {string} an expression of the grammar
 * @throws {SitegenError} "bad-request"
 */
export function regexGrammar(pattern, define, { in_json = false } = {}) {
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    throw refused(pattern, error instanceof Error ? error.message : String(error));
  }
  let at = 0;
  /** @param {RegExp} sticky */
  const match = (sticky) => {
    sticky.lastIndex = at;
    const found = sticky.exec(pattern);
    if (found) at = sticky.lastIndex;
    return found;
  };

  /** @type {(isOuter: boolean) => string} */
  const choice = (isOuter) => {
    const parts = [sequence(isOuter)];
    while (pattern[at] === "|") {
      at += 1;
      parts.push(sequence(isOuter));
    }
    return `(${parts.join(" | ")})`;
  };

  /** @type {(isOuter: boolean) => string} */
  const sequence = (isOuter) => {
    const items = [];
    const start = at;
    while (at < pattern.length && pattern[at] !== "|" && pattern[at] !== ")") {
      const isStart = pattern[at] === "^" && at === start;
      const isEnd = pattern[at] === "$" && (at + 1 === pattern.length || pattern[at + 1] === "|");
      if (isOuter && (isStart || isEnd)) at += 1;
      else if (pattern[at] === "(") items.push(repeatedGroup());
      else items.push(character() + quantifier());
    }
    return items.join(" ") || '""';
  };

  const group = () => {
    const opening = /** @type {RegExpExecArray} */ (match(/\((\?:|\?<(?![=!])[^>]*>|\?)?/uy))[0];
    if (opening === "(?") throw refused(pattern, "it looks ahead or behind, or sets flags");
    const inner = choice(false);
    at += 1;
    return inner;
  };

  const repeatedGroup = () => {
    const start = at;
    const inner = group();
    const source = pattern.slice(start, at);
    const count = quantifier();
    if (/[*+]|,\}/.test(count) && new RegExp(`^${source}$`, "u").test("")) {
      throw refused(pattern, `"${source}${count}" repeats without end what may be empty`);
    }
    return inner + count;
  };

  const character = () => {
    if (pattern[at] === "^" || pattern[at] === "$") {
      throw refused(pattern, `"${pattern[at]}" can only stand at an end of it`);
    }
    const atom = /** @type {RegExpExecArray} */ (match(ATOM))[0];
    if (/^\\(?:[bBk]|[1-9])/.test(atom)) {
      throw refused(pattern, `"${atom}" depends on the text around it`);
    }
    const ranges = rangesOf(atom);
    const expression = in_json ? inJson(ranges, define) : anyCharacter(ranges, define);
    if (expression === null) throw refused(pattern, `"${atom}" matches no character that can be written`);
    return expression;
  };

  const quantifier = () => {
    const found = match(QUANTIFIER);
    if (!found) return "";
    const [, sign, least, comma, most] = found;
    if (Math.max(Number(least ?? 0), Number(most ?? 0)) > MOST_REPEATS) {
      throw refused(pattern, `"${sign}" repeats more than ${MOST_REPEATS} times`);
    }
    return least === undefined ? sign : `{${least}${comma}${most}}`;
  };

  return choice(true);
}

/**
 * Characters as a JSON string holds them.
 * @param {Range[]} ranges
 * @param {Define} define
 * @returns {string | null}
 */
function inJson(ranges, define) {
  const special = [...Array.from({ length: 32 }, (_, code) => code), 0x22, 0x5c];
  const parts = special
    .filter((code) => within(ranges, code, code).length > 0)
    .map((code) => literal(JSON.stringify(String.fromCharCode(code)).slice(1, -1)));
  const plain = [[0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]].flatMap(([a, b]) => within(ranges, a, b));
  const others = anyCharacter(plain, define);
  if (others !== null) parts.unshift(others);
  return parts.length > 1 ? `(${parts.join(" | ")})` : (parts[0] ?? null);
}

/**
 * @param {string} atom  of a regular expression
 * @returns {Range[]} the characters it matches, in order; halves of surrogate pairs are none
 */
function rangesOf(atom) {
  if (!/^[[\\.]/.test(atom) || (atom[0] === "\\" && SYNTAX.test(atom[1]))) {
    const code = /** @type {number} */ (atom.replace(/^\\/, "").codePointAt(0));
    return [[code, code]];
  }
  /** @type {Range[]} */
  const ranges = [];
  const run = new RegExp(`(?:${atom})+`, "gu");
  for (const [text] of allCharacters().matchAll(run)) {
    const first = /** @type {number} */ (text.codePointAt(0));
    const [last] = [...text.slice(-2)].slice(-1);
    const range = /** @type {Range} */ ([first, last.codePointAt(0)]);
    // The one gap of the text, where half characters would be.
    if (first < 0xd800 && range[1] > 0xdfff) ranges.push([first, 0xd7ff], [0xe000, range[1]]);
    else ranges.push(range);
  }
  return ranges;
}

/** Every character, in order of its code point. */
function allCharacters() {
  const parts = [];
  for (let start = 0; start <= 0x10ffff; start += 0x400) {
    if (start >= 0xd800 && start <= 0xdfff) continue;
    parts.push(String.fromCodePoint(...Array.from({ length: 0x400 }, (_, i) => start + i)));
  }
  return parts.join("");
}

/**
 * @param {string} pattern
 * @param {string} reason
 */
function refused(pattern, reason) {
  const shown = pattern.length > 80 ? `${pattern.slice(0, 79)}…` : pattern;
  return new SitegenError(
    "bad-request",
    `An answer cannot be held to the regular expression ${shown}: ${reason.replace(/\.$/, "")}.`,
    { pattern, reason },
  );
}
