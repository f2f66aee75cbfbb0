/**
 * Text to tokens: the model's own tokenizer and chat template. Decoding is in decode.js.
 */

import { commonLength } from "./conversation.js";
import { createSpelling, createTextStream, createVocabulary } from "./decode.js";
import { SitegenError } from "./protocol.js";
import { compileTemplate } from "./template.js";
import { TOOL_MARKS } from "./tool-calls.js";
import { createTokenizer } from "./tokenizer.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Prompt} Prompt */
/** @typedef {import("./protocol.js").Tool} Tool */
/** @typedef {import("./decode.js").TextStream} TextStream */

/** Names a chat template may use for the tokenizer's special tokens, as in transformers. */
const SPECIAL_TOKENS = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/** Two that no tokenizer begins alike, not even with what stands before them. */
const CONTINUATIONS = ["Who", "7"];

/**
 * @typedef {object} Text
 * @property {(prompt: Prompt, tools?: Tool[] | null) => number[]} encode
 * @property {(prompt: Prompt) => number[]} encodeBeginning
 *   of a prompt that goes on with a user's message or with more text, what does not depend on it
 * @property {(prompt: Prompt, promptIds: number[], tools?: Tool[] | null) => TextStream} decodeAfter
 *   text of the answer: continues a plain text, starts anew after a conversation; the marks of
 *   tool calls are text where there are tools
 * @property {(id: number) => { token: string, bytes: number[] }} spell  one token by itself
 * @property {(size: number) => Uint8Array[] | null} vocabulary  as of createVocabulary
 */

/**
 * @param {any} tokenizerJson
 * @param {any} tokenizerConfig  {} when the model has none
 * @param {import("./protocol.js").TokenizerFiles} files
 * @returns {Text}
 */
export function createText(tokenizerJson, tokenizerConfig, files) {
  const tokenizer = createTokenizer(tokenizerJson);
  const template = files.chat_template === null ? null : compileTemplate(files.chat_template);
  const variables = templateVariables(tokenizerConfig, files);
  /** @type {Text["encode"]} */
  const encode = (prompt, tools = null) => {
    if (typeof prompt === "string") return tokenizer.encode(prompt).ids;
    const text = renderChat(template, prompt, { ...variables, ...toolVariables(tools) });
    return tokenizer.encode(text, { add_special_tokens: false }).ids;
  };
  return {
    encode,
    encodeBeginning(prompt) {
      const [one, other] = CONTINUATIONS.map((content) =>
        encode(typeof prompt === "string" ? prompt + content : [...prompt, { role: "user", content }]),
      );
      return one.slice(0, commonLength(one, other));
    },
    spell: createSpelling(tokenizer, tokenizerJson),
    vocabulary: (size) => createVocabulary(tokenizer, tokenizerJson, size),
    decodeAfter(prompt, promptIds, tools = null) {
      const before = typeof prompt === "string" ? promptIds : [];
      return createTextStream(tokenizer, tokenizerJson, before, tools ? TOOL_MARKS : []);
    },
  };
}

/**
 * SmolLM3's template knows them by a name of its own.
 * @param {Tool[] | null} tools
 */
function toolVariables(tools) {
  return tools ? { tools, xml_tools: tools } : { tools };
}

/**
 * What transformers passes to every chat template.
 * @param {any} tokenizerConfig
 * @param {import("./protocol.js").TokenizerFiles} files
 * @returns {Record<string, unknown>}
 */
export function templateVariables(tokenizerConfig, files) {
  /** @type {Record<string, unknown>} */
  const variables = { tools: null, documents: null };
  for (const name of SPECIAL_TOKENS) {
    const token = tokenizerConfig[name]?.content ?? tokenizerConfig[name];
    if (typeof token === "string") variables[name] = token;
  }
  if (files.bos_token !== null) variables.bos_token = files.bos_token;
  if (files.eos_token !== null) variables.eos_token = files.eos_token;
  return variables;
}

/**
 * @param {((variables: Record<string, unknown>) => string) | null} template
 * @param {Message[]} messages
 * @param {Record<string, unknown>} variables
 * @returns {string}
 */
export function renderChat(template, messages, variables) {
  if (template === null) {
    throw new SitegenError(
      "bad-request",
      "This model continues a text and has no chat template: give it a string, not a list of messages.",
    );
  }
  try {
    return template({ ...variables, messages, add_generation_prompt: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SitegenError(
      "bad-request",
      `The model's chat template refused this conversation: ${reason}`,
      { reason },
    );
  }
}
