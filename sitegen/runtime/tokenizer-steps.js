/**
 * The steps before a tokenizer's model, normalizers and pre-tokenizers, as Python has them.
 */

import { charsmapNormalizer } from "./tokenizer-charsmap.js";
import {
  ByteLevelPreTokenizer,
  MetaspacePreTokenizer,
  NFCNormalizer,
  NFDNormalizer,
  NFKCNormalizer,
  NFKDNormalizer,
  ReplaceNormalizer,
  SplitPreTokenizer,
  StripAccentsNormalizer,
} from "./vendor/tokenizers/tokenizers.js";

/** @typedef {(text: string) => string} Normalize */
/** @typedef {(texts: string[], isFirst: boolean) => string[]} PreTokenize */

/** How GPT-2 splits text; `ByteLevel` does, unless told not to. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** Python's idea of a word, inside a character class. */
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D";
const PUNCTUATION = "\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E";
export const SPACE = "\\p{White_Space}";

/**
 * @param {any} config  `normalizer` of tokenizer.json
 * @returns {Normalize}
 */
export function normalizerOf(config) {
  switch (config?.type) {
    case undefined:
      return (text) => text;
    case "Sequence": {
      /** @type {Normalize[]} */
      const steps = config.normalizers.map(normalizerOf);
      return (text) => steps.reduce((done, step) => step(done), text);
    }
    case "NFC":
      return new NFCNormalizer(config);
    case "NFD":
      return new NFDNormalizer(config);
    case "NFKC":
      return new NFKCNormalizer(config);
    case "NFKD":
      return new NFKDNormalizer(config);
    case "StripAccents":
      return new StripAccentsNormalizer(config);
    case "Replace":
      return new ReplaceNormalizer(config);
    case "Prepend":
      return (text) => (text === "" ? "" : config.prepend + text);
    case "Lowercase":
      return lowercase;
    case "Strip": {
      const left = config.strip_left ? `^${SPACE}+` : "(?!)";
      const right = config.strip_right ? `(?<!${SPACE})${SPACE}+$` : "(?!)";
      const pattern = new RegExp(`${left}|${right}`, "gu");
      return (text) => text.replace(pattern, "");
    }
    case "BertNormalizer":
      return bertNormalizer(config);
    case "Precompiled":
      return charsmapNormalizer(config.precompiled_charsmap);
    default:
      throw new Error(`unknown normalizer ${config.type}`);
  }
}

/**
 * Letter by letter, as Python's library: toLowerCase on the whole minds the sigma of a word's end.
 * @param {string} text
 */
function lowercase(text) {
  return Array.from(text, (letter) => letter.toLowerCase()).join("");
}

/** The blocks that BERT calls Chinese characters. */
const CHINESE =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;

/**
 * @param {any} config
 * @returns {Normalize}
 */
function bertNormalizer(config) {
  const stripsAccents = config.strip_accents ?? config.lowercase;
  const space = new RegExp(SPACE, "gu");
  return (text) => {
    if (config.clean_text) {
      text = text.replace(/(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu, "").replace(space, " ");
    }
    if (config.handle_chinese_chars) text = text.replace(CHINESE, " $& ");
    if (stripsAccents) text = text.normalize("NFD").replace(/\p{Mn}/gu, "");
    return config.lowercase ? lowercase(text) : text;
  };
}

/**
 * @param {any} config  `pre_tokenizer` of tokenizer.json
 * @returns {PreTokenize}
 */
export function preTokenizerOf(config) {
  switch (config?.type) {
    case undefined:
      return (texts) => texts;
    case "Sequence": {
      /** @type {PreTokenize[]} */
      const steps = config.pretokenizers.map(preTokenizerOf);
      return (texts, isFirst) => steps.reduce((done, step) => step(done, isFirst), texts);
    }
    case "ByteLevel":
      return byteLevel(config);
    case "Metaspace":
      return metaspace(config);
    case "Split":
      return split(sourceOf(config.pattern), config.behavior, config.invert);
    case "Punctuation":
      return split(`[${PUNCTUATION}]`, config.behavior ?? "Isolated");
    case "Digits":
      return split(config.individual_digits ? "\\p{N}" : "\\p{N}+", "Isolated");
    case "WhitespaceSplit":
      return split(`${SPACE}+`, "Removed");
    case "Whitespace":
      return split(`[${WORD}]+|[^${WORD}${SPACE}]+`, "Removed", true);
    case "BertPreTokenizer":
      return split(`[^${SPACE}${PUNCTUATION}]+|[${PUNCTUATION}]`, "Removed", true);
    default:
      throw new Error(`unknown pre-tokenizer ${config.type}`);
  }
}

/**
 * @param {any} config
 * @returns {PreTokenize}
 */
function byteLevel({ add_prefix_space, use_regex = true }) {
  const toBytes = new ByteLevelPreTokenizer(
    /** @type {any} */ ({ type: "ByteLevel", add_prefix_space: false, use_regex: false }),
  );
  const splits = use_regex ? split(GPT2, "Isolated") : null;
  return (texts) => {
    if (add_prefix_space) texts = texts.map((text) => (text.startsWith(" ") ? text : ` ${text}`));
    return toBytes.pre_tokenize(splits ? splits(texts, false) : texts);
  };
}

/**
 * @param {any} config
 * @returns {PreTokenize}
 */
function metaspace(config) {
  const { replacement, prepend_scheme = "always", split: splits = true } = config;
  const replace = new MetaspacePreTokenizer({ ...config, prepend_scheme: "never" });
  const cut = splits ? split(escaped(replacement), "MergedWithNext") : null;
  return (texts, isFirst) => {
    const prepended = texts.map((text, n) => {
      const [piece] = replace.pre_tokenize_text(text);
      const isWanted = prepend_scheme === "always" || (prepend_scheme === "first" && isFirst && n === 0);
      return isWanted && !piece.startsWith(replacement) ? replacement + piece : piece;
    });
    return cut ? cut(prepended, false) : prepended;
  };
}

/**
 * @param {{ Regex?: string, String?: string }} pattern
 * @returns {string} an Oniguruma pattern
 */
function sourceOf({ Regex, String: literal }) {
  return Regex ?? escaped(literal ?? "");
}

/** @param {string} literal */
export function escaped(literal) {
  return literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/**
 * Cut at each match of an Oniguruma pattern.
 * @param {string} source
 * @param {string} behavior  Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext
 * @param {boolean} [invert]  the pattern matches what lies between the cuts
 * @returns {PreTokenize}
 */
function split(source, behavior, invert = false) {
  const config = { type: "Split", pattern: { Regex: folded(source) }, behavior: "Isolated", invert: false };
  const pattern = /** @type {RegExp} */ (new SplitPreTokenizer(/** @type {any} */ (config)).pattern);
  return (texts) =>
    texts.flatMap((text) => merged(matches(text, pattern, invert), behavior)).filter((text) => text !== "");
}

/** Letters beyond ASCII that are one of ASCII's in another case. @type {Record<string, string>} */
const OTHER_CASES = { s: "[sſ]", k: "[k\u212A]" };

/**
 * In `(?i:…)` the library knows the cases of ASCII alone: "'ſ" is "'s" as well.
 * @param {string} source  an Oniguruma pattern
 */
function folded(source) {
  return source.replace(/\(\?i:[^()\\]*\)/g, (group) =>
    group.replace(/[sk]/gi, (letter) => OTHER_CASES[letter.toLowerCase()]),
  );
}

/** @typedef {{ text: string, isCut: boolean }} Piece  `isCut`: what was looked for */

/**
 * @param {string} text
 * @param {RegExp} pattern
 * @param {boolean} invert
 * @returns {Piece[]}
 */
function matches(text, pattern, invert) {
  /** @type {Piece[]} */
  const pieces = [];
  let done = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    // Oniguruma finds nothing right after another match, nor V8's "" inside of a surrogate pair.
    const isInPair = (text.codePointAt(index - 1) ?? 0) > 0xffff;
    if (match === "" && ((index === done && pieces.length > 0) || isInPair)) continue;
    if (done < index) pieces.push({ text: text.slice(done, index), isCut: invert });
    pieces.push({ text: match, isCut: !invert });
    done = index + match.length;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), isCut: invert });
  return pieces;
}

/**
 * tokenizers/src/tokenizer/normalizer.rs, NormalizedString::split
 * @param {Piece[]} pieces
 * @param {string} behavior
 * @returns {string[]}
 */
function merged(pieces, behavior) {
  if (behavior === "Isolated") return pieces.map(({ text }) => text);
  if (behavior === "Removed") return pieces.filter(({ isCut }) => !isCut).map(({ text }) => text);
  /** @type {string[]} */
  const texts = [];
  /** @type {Piece | undefined} */
  let before;
  for (const piece of pieces) {
    const joins =
      before !== undefined &&
      (behavior === "Contiguous"
        ? piece.isCut === before.isCut
        : behavior === "MergedWithPrevious"
          ? piece.isCut && !before.isCut
          : !piece.isCut && before.isCut);
    if (joins) texts[texts.length - 1] += piece.text;
    else texts.push(piece.text);
    before = piece;
  }
  return texts;
}
