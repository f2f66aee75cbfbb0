/**
 * Text to token ids as the Python library `tokenizers` makes them.
 *
 * The models and the translation of regular expressions are @huggingface/tokenizers'; its
 * pre-tokenizers are given in the form it gets right. The rest is here, because it differs there:
 * the flags of added tokens, Unicode's white space, digits and letter cases, how splits behave,
 * Unigram's bytes. The build refuses what neither knows (sitegen/models/tokens/tokenizer.py).
 */

import { SPACE, WORD, escaped, normalizerOf, preTokenizerOf } from "./tokenizer-steps.js";
import { Tokenizer } from "./vendor/tokenizers/tokenizers.js";

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
      if (start === end) continue; // white space that the token before has taken
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
    // The library adds the added tokens to the pieces, where a word could be taken for one.
    for (const token of ids.keys()) if (!Object.hasOwn(config.vocab, token)) ids.delete(token);
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
