/**
 * A request in OpenAI's shape, checked and turned into what a model is asked.
 */

import { readMessages, readTools } from "./chat-messages.js";
import { BOOLEAN, GENERATE_RULES, badRequest, check, checkGenerateOptions, integer } from "./options.js";
import { toolForm } from "./tool-calls.js";

/** @typedef {import("./options.js").Rule} Rule */
/** @typedef {import("./options.js").StreamOptions} StreamOptions */
/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Tool} Tool */

/**
 * OpenAI's names, and with its meaning the options of `stream`; null counts as absent.
 * @typedef {object} OpenAIParameters
 * @property {any[]} messages
 * @property {string | null} [model]
 * @property {boolean | null} [stream]
 * @property {{ include_usage?: boolean } | null} [stream_options]
 * @property {number | null} [n]
 * @property {number | null} [max_tokens]
 * @property {number | null} [max_completion_tokens]
 * @property {string | string[] | null} [stop]
 * @property {import("./options.js").AskedFormat | null} [response_format]
 * @property {Tool[] | null} [tools]
 * @property {"auto" | "none" | null} [tool_choice]
 * @property {boolean | null} [parallel_tool_calls]
 * @property {string | null} [user]
 */
/** @typedef {OpenAIParameters & { [K in keyof Omit<StreamOptions, "signal" | "stop">]?: StreamOptions[K] | null }} Body */

/**
 * @typedef {object} Request
 * @property {Message[]} messages
 * @property {GenerateOptions} options
 * @property {import("./tool-calls.js").ToolForm | null} toolForm  null: no calls are to be read
 * @property {boolean} stream
 * @property {boolean} includeUsage
 * @property {number} n
 */

const MOST_CHOICES = 16;

/** @type {Record<string, Rule>} */
const REQUEST_RULES = {
  messages: { allowed: "a list of messages, one at least", test: (value) => Array.isArray(value) && value.length > 0 },
  model: { allowed: "the name of this model", test: (value) => typeof value === "string" },
  stream: BOOLEAN,
  stream_options: {
    allowed: "{ include_usage: true } or { include_usage: false }",
    test: (value) =>
      typeof value === "object" &&
      Object.entries(value).every(([key, flag]) => key === "include_usage" && typeof flag === "boolean"),
  },
  n: integer(`a whole number from 1 to ${MOST_CHOICES}`, 1, MOST_CHOICES),
  max_tokens: integer("a whole number above 0", 1),
  max_completion_tokens: integer("a whole number above 0", 1),
  tools: { allowed: "a list of tools, one at least", test: (value) => Array.isArray(value) && value.length > 0 },
  tool_choice: {
    allowed: '"auto" or "none": this engine cannot make a model call a tool',
    test: (value) => ["auto", "none"].includes(value),
  },
  parallel_tool_calls: {
    allowed: "true: how many tools it calls at once is the model's choice",
    test: (value) => value === true,
  },
  user: { allowed: "a text; it changes nothing here", test: (value) => typeof value === "string" },
};

/** @type {Record<string, Rule>} */
const RULES = {
  ...REQUEST_RULES,
  ...GENERATE_RULES,
  stop: {
    allowed: "a text or a list of texts, none of them empty",
    test: (value) => (typeof value === "string" ? value !== "" : GENERATE_RULES.stop.test(value)),
  },
};
delete RULES.signal; // beside the body, as in OpenAI's client

/**
 * @param {Body} body
 * @param {string} name  of the model
 * @param {Manifest} manifest
 * @returns {Request}  throws "bad-request"
 */
export function readRequest(body, name, manifest) {
  /** @type {any} */
  const given = withoutNulls(body);
  check(given, RULES, "chat.completions.create");
  if (given.messages === undefined) throw badRequest("chat.completions.create needs messages.");
  if (given.model !== undefined && given.model !== name) {
    throw badRequest(`This is the model "${name}", not "${given.model}": load that one, or leave model out.`);
  }
  if (given.stream_options && !given.stream) {
    throw badRequest("stream_options belong to a stream: set stream to true, or leave them out.");
  }
  const { stop, seed } = given;
  const n = given.n ?? 1;
  if (seed > Number.MAX_SAFE_INTEGER - (n - 1)) {
    throw badRequest(`seed leaves no room for ${n} choices: take a smaller one.`);
  }
  const options = Object.fromEntries(Object.entries(given).filter(([key]) => Object.hasOwn(GENERATE_RULES, key)));
  if (stop !== undefined) options.stop = [stop].flat();
  const longest = longestAnswer(given);
  if (longest !== undefined) options.max_new_tokens = longest;
  const checked = checkGenerateOptions(options, manifest.generation, manifest.vocab_size);
  const messages = readMessages(given.messages);
  const tools = readToolChoice(given, manifest, messages);
  return {
    messages,
    options: { ...checked, tools: tools?.list ?? null },
    toolForm: tools?.form ?? null,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? !given.stream,
    n,
  };
}

/** @param {Record<string, unknown>} body */
function withoutNulls(body) {
  if (typeof body !== "object" || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
}

/**
 * One limit under three names.
 * @param {any} given
 * @returns {number | undefined}
 */
function longestAnswer(given) {
  const names = ["max_completion_tokens", "max_tokens", "max_new_tokens"].filter((name) => name in given);
  if (new Set(names.map((name) => given[name])).size > 1) {
    throw badRequest(`${names.join(" and ")} say different things: leave one.`);
  }
  return given[names[0]];
}

/**
 * @param {any} given
 * @param {Manifest} manifest
 * @param {Message[]} messages
 * @returns {{ form: import("./tool-calls.js").ToolForm, list: Tool[] } | null}
 */
function readToolChoice({ tools, tool_choice, parallel_tool_calls }, manifest, messages) {
  const speaksOfTools = messages.some(({ role, tool_calls }) => role === "tool" || tool_calls);
  if (tools === undefined && (tool_choice ?? parallel_tool_calls) !== undefined) {
    throw badRequest("tool_choice and parallel_tool_calls belong to tools: give some, or leave these out.");
  }
  if (tools === undefined && !speaksOfTools) return null;
  const form = toolForm(manifest.tokenizer.chat_template);
  return tools === undefined || tool_choice === "none" ? null : { form, list: readTools(tools) };
}
