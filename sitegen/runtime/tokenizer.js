/**
 * Text to token ids as the Python library `tokenizers` makes them.
 *
 * The models and the translation of regular expressions are @huggingface/tokenizers'; its
 * pre-tokenizers are given in the form it gets right. The rest is here, because it differs there:
 * the flags of added tokens, Unicode's white space, digits and letter cases, how splits behave,
 * Unigram's bytes. The build refuses what neither knows (sitegen/models/tokenizer.py).
 */

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
  Tokenizer,
} from "./vendor/tokenizers/tokenizers.js";

/** @typedef {(text: string) => string} Normalize */
/** @typedef {(texts: string[], isFirst: boolean) => string[]} PreTokenize */
/** @typedef {(ids: number[]) => number[]} PostProcess */

/**
 * @typedef {object} AddedToken
 * @property {string} content
 * @property {number} id
 * @property {boolean} [single_word]
 * @property {boolean} [lstrip]
 * @property {boolean} [rstrip]
 * @property {boolean} [normalized]
 */

/** A part of a text: an added token, or what lies between two. @typedef {number | string} Section */

/** How GPT-2 splits text; `ByteLevel` does, unless told not to. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** Python's idea of a word, inside a character class. */
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D";
const PUNCTUATION = "\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E";
const SPACE = "\\p{White_Space}";

/** A code point that is half a pair says nothing; Python's texts cannot hold it. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * @param {any} json  tokenizer.json
 * @returns {Tokenizer & { encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] } }}
 */
export function createTokenizer(json) {
  // It builds the model; the steps before and after the model are ours.
  const tokenizer = new Tokenizer(
    { ...json, normalizer: null, pre_tokenizer: null, post_processor: null, decoder: decoderOf(json.decoder) },
    {},
  );
  const normalize = normalizerOf(json.normalizer);
  const preTokenize = preTokenizerOf(json.pre_tokenizer);
  const postProcess = postProcessorOf(json.post_processor);
  const encodeWord = modelOf(tokenizer, json.model);

  /** @type {AddedToken[]} */
  const added = json.added_tokens.filter((/** @type {AddedToken} */ token) => token.content !== "");
  const raw = splitter(added.filter((token) => !token.normalized));
  const normalized = splitter(
    added
      .filter((token) => token.normalized)
      .map((token) => ({ ...token, content: normalize(token.content) })),
  );

  /**
   * @param {string} text
   * @param {boolean} isFirst  the text begins here
   * @returns {number[]}
   */
  const encodeSection = (text, isFirst) => {
    const ids = [];
    for (const section of normalized(normalize(text))) {
      if (typeof section === "number") ids.push(section);
      else for (const word of preTokenize([section], isFirst)) for (const id of encodeWord(word)) ids.push(id);
      isFirst = false;
    }
    return ids;
  };

  return Object.assign(tokenizer, {
    encode(/** @type {string} */ text, { add_special_tokens = true } = {}) {
      /** @type {number[][]} */
      const parts = [];
      for (const section of raw(text.replace(LONE_SURROGATE, "\ufffd"))) {
        parts.push(typeof section === "number" ? [section] : encodeSection(section, parts.length === 0));
      }
      const ids = parts.flat();
      return { ids: add_special_tokens ? postProcess(ids) : ids };
    },
  });
}

/**
 * Cut added tokens out of a text, the longest at each place, with the white space they take.
 * tokenizers/src/tokenizer/added_vocabulary.rs, find_matches
 * @param {AddedToken[]} tokens
 * @returns {(text: string) => Section[]}
 */
function splitter(tokens) {
  if (tokens.length === 0) return (text) => (text === "" ? [] : [text]);
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escaped).join("|"), "gu");
  const endsWord = new RegExp(`[${WORD}]$`, "u");
  const startsWord = new RegExp(`^[${WORD}]`, "u");
  const spaceAfter = new RegExp(`${SPACE}*`, "uy");
  return (text) => {
    /** @type {Section[]} */
    const sections = [];
    let done = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = /** @type {AddedToken} */ (byContent.get(content));
      let [start, end] = [index, index + content.length];
      // Two UTF-16 units are the most that one character takes.
      const isInWord =
        endsWord.test(text.slice(Math.max(start - 2, 0), start)) || startsWord.test(text.slice(end, end + 2));
      if (token.single_word && isInWord) continue;
      if (token.lstrip) start = Math.max(done, trimmedLength(text, start));
      if (token.rstrip) {
        spaceAfter.lastIndex = end;
        end += spaceAfter.exec(text)?.[0].length ?? 0;
      }
      if (done < start) sections.push(text.slice(done, start));
      sections.push(token.id);
      done = end;
    }
    if (done < text.length) sections.push(text.slice(done));
    return sections;
  };
}

/**
 * @param {string} text
 * @param {number} end
 * @returns {number} where the white space before `end` begins
 */
function trimmedLength(text, end) {
  const isSpace = new RegExp(SPACE, "u");
  while (end > 0 && isSpace.test(text[end - 1])) end -= 1;
  return end;
}

/**
 * @param {any} config  `normalizer` of tokenizer.json
 * @returns {Normalize}
 */
function normalizerOf(config) {
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
function preTokenizerOf(config) {
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
function escaped(literal) {
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
  const config = { type: "Split", pattern: { Regex: source }, behavior: "Isolated", invert: false };
  const pattern = /** @type {RegExp} */ (new SplitPreTokenizer(/** @type {any} */ (config)).pattern);
  return (texts) => texts.flatMap((text) => merged(matches(text, pattern, invert), behavior));
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
    if (match === "") continue;
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

/**
 * @param {any} config  `post_processor` of tokenizer.json
 * @returns {PostProcess}
 */
function postProcessorOf(config) {
  switch (config?.type) {
    case undefined:
    case "ByteLevel":
      return (ids) => ids;
    case "Sequence": {
      /** @type {PostProcess[]} */
      const steps = config.processors.map(postProcessorOf);
      return (ids) => steps.reduce((done, step) => step(done), ids);
    }
    case "BertProcessing":
    case "RobertaProcessing":
      return (ids) => [config.cls[1], ...ids, config.sep[1]];
    case "TemplateProcessing":
      return (ids) =>
        config.single.flatMap((/** @type {any} */ part) =>
          part.SpecialToken ? config.special_tokens[part.SpecialToken.id].ids : ids,
        );
    default:
      throw new Error(`unknown post-processor ${config.type}`);
  }
}

/**
 * One word at a time: unknown characters are fused inside of a word, not across words.
 * @param {Tokenizer} tokenizer
 * @param {any} config  `model` of tokenizer.json
 * @returns {(word: string) => number[]}
 */
function modelOf(tokenizer, config) {
  const model = /** @type {any} */ (tokenizer.model);
  /** @type {Map<string, number>} */
  const ids = model.tokens_to_ids;
  /** @type {number} */
  const unknown = model.unk_token_id;
  if (config.type !== "Unigram") {
    return (word) => model([word]).map((/** @type {string} */ token) => ids.get(token) ?? unknown);
  }
  const encoder = new TextEncoder();
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    config.byte_fallback ? ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`) : undefined,
  );
  return (word) => {
    /** @type {number[]} */
    const found = [];
    let wasUnknown = false;
    for (const token of model.tokenize(word)) {
      const id = ids.get(token);
      const spelled = id === undefined ? Array.from(encoder.encode(token), (byte) => bytes[byte]) : [id];
      const isUnknown = spelled.includes(undefined);
      if (!isUnknown) found.push(.../** @type {number[]} */ (spelled));
      else if (!wasUnknown) found.push(unknown);
      wasUnknown = isUnknown;
    }
    return found;
  };
}

/**
 * @param {any} config  `decoder` of tokenizer.json
 * @returns {any} one that the library reads as Python's does
 */
function decoderOf(config) {
  // The library drops the first space whether or not one is put there.
  return config?.type === "Metaspace" && config.prepend_scheme === "never"
    ? { type: "Replace", pattern: { String: config.replacement }, content: " " }
    : config;
}
