/**
 * What a page may ask for, checked before anything starts.
 */

import { SitegenError } from "./protocol.js";

/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").GenerationDefaults} GenerationDefaults */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Prompt} Prompt */
/** @typedef {import("./protocol.js").Progress} Progress */

/**
 * @typedef {object} LoadOptions
 * @property {"auto" | "webgpu" | "wasm"} [backend]
 * @property {number} [threads]  of the CPU backend
 * @property {AbortSignal} [signal]
 * @property {(progress: Progress) => void} [onProgress]
 */

/**
 * OpenAI's, and { type: "regex", pattern }.
 * @typedef {{ type: "text" | "json_object" } | { type: "json_schema", json_schema: { schema: unknown } } | { type: "regex", pattern: string }} AskedFormat
 */

/** @typedef {Partial<Omit<GenerateOptions, "tools" | "response_format">> & { response_format?: AskedFormat, signal?: AbortSignal }} StreamOptions */

/** @typedef {{ allowed: string, test: (value: any) => boolean }} Rule */

/** @type {(allowed: string, least: number, most?: number) => Rule} */
export const integer = (allowed, least, most = Number.MAX_SAFE_INTEGER) => ({
  allowed,
  test: (value) => Number.isSafeInteger(value) && value >= least && value <= most,
});

/** @type {Rule} */
const SIGNAL = { allowed: "an AbortSignal", test: (value) => value instanceof AbortSignal };

/** @type {Rule} */
export const BOOLEAN = { allowed: "true or false", test: (value) => typeof value === "boolean" };

/** @type {Rule} */
const FROM_MINUS_2_TO_2 = {
  allowed: "a number from -2 to 2",
  test: (value) => Number.isFinite(value) && Math.abs(value) <= 2,
};

/** @type {Record<string, Rule>} */
const LOAD_RULES = {
  backend: {
    allowed: '"auto", "webgpu" or "wasm"',
    test: (value) => ["auto", "webgpu", "wasm"].includes(value),
  },
  threads: integer("a whole number from 1 to 64", 1, 64),
  signal: SIGNAL,
  onProgress: { allowed: "a function", test: (value) => typeof value === "function" },
};

/** @type {Record<string, Rule>} */
export const GENERATE_RULES = {
  max_new_tokens: integer("a whole number above 0", 1),
  temperature: {
    allowed: "a number, 0 or more",
    test: (value) => Number.isFinite(value) && value >= 0,
  },
  top_k: integer("a whole number, 0 or more (0 keeps all)", 0),
  top_p: {
    allowed: "a number above 0 and at most 1",
    test: (value) => Number.isFinite(value) && value > 0 && value <= 1,
  },
  min_p: {
    allowed: "a number from 0 to 1",
    test: (value) => Number.isFinite(value) && value >= 0 && value <= 1,
  },
  repetition_penalty: {
    allowed: "a number above 0",
    test: (value) => Number.isFinite(value) && value > 0,
  },
  frequency_penalty: FROM_MINUS_2_TO_2,
  presence_penalty: FROM_MINUS_2_TO_2,
  logit_bias: {
    allowed: "an object of token ids and numbers from -100 to 100, like { 42: -100 }",
    test: (value) =>
      Object.prototype.toString.call(value) === "[object Object]" &&
      Object.entries(value).every(
        ([id, bias]) => /^(0|[1-9]\d{0,14})$/.test(id) && Number.isFinite(bias) && Math.abs(bias) <= 100,
      ),
  },
  logprobs: BOOLEAN,
  top_logprobs: integer("a whole number from 0 to 20", 0, 20),
  seed: integer("a whole number from 0 to 2^53 - 1", 0),
  stop: {
    allowed: "a list of texts, none of them empty",
    test: (value) =>
      Array.isArray(value) && value.every((text) => typeof text === "string" && text !== ""),
  },
  ignore_eos: BOOLEAN,
  speculation: BOOLEAN,
  response_format: {
    allowed:
      'an object with the type "text", "json_object", "json_schema" (and json_schema: { schema }) or "regex" (and a pattern)',
    test: (value) => formatOf(value) !== undefined,
  },
  context_overflow: {
    allowed: '"stop" or "drop_oldest"',
    test: (value) => ["stop", "drop_oldest"].includes(value),
  },
  signal: SIGNAL,
};

/**
 * @param {LoadOptions} options
 * @returns {LoadOptions & { backend: "auto" | "webgpu" | "wasm" }}
 */
export function checkLoadOptions(options) {
  check(options, LOAD_RULES);
  return { ...options, backend: options.backend ?? "auto" };
}

/**
 * @param {StreamOptions} options
 * @param {GenerationDefaults} defaults  of the model
 * @param {number} [vocabSize]  of the model
 * @returns {GenerateOptions}  without the signal: it cannot be posted to a worker
 */
export function checkGenerateOptions(options, defaults, vocabSize = Infinity) {
  check(options, GENERATE_RULES);
  if (options.top_logprobs && !options.logprobs) {
    throw badRequest("top_logprobs adds to logprobs: set logprobs to true, too.", { option: "top_logprobs" });
  }
  const response_format = options.response_format === undefined ? null : formatOf(options.response_format);
  if (response_format && options.ignore_eos) {
    throw badRequest("An answer that is held to a form ends with it: leave ignore_eos out.", { option: "ignore_eos" });
  }
  for (const id of Object.keys(options.logit_bias ?? {})) {
    if (Number(id) < vocabSize) continue;
    throw badRequest(`logit_bias names token ${id}, and the last token of this model is ${vocabSize - 1}.`, {
      option: "logit_bias",
    });
  }
  return {
    max_new_tokens: options.max_new_tokens ?? defaults.max_new_tokens ?? 256,
    temperature: options.temperature ?? defaults.temperature ?? 0,
    top_k: options.top_k ?? defaults.top_k ?? 0,
    top_p: options.top_p ?? defaults.top_p ?? 1,
    min_p: options.min_p ?? defaults.min_p ?? 0,
    repetition_penalty: options.repetition_penalty ?? defaults.repetition_penalty ?? 1,
    frequency_penalty: options.frequency_penalty ?? 0,
    presence_penalty: options.presence_penalty ?? 0,
    logit_bias: { ...options.logit_bias },
    logprobs: options.logprobs ?? false,
    top_logprobs: options.top_logprobs ?? 0,
    seed: options.seed ?? null,
    stop: options.stop ?? [],
    ignore_eos: options.ignore_eos ?? false,
    tools: null,
    response_format: response_format ?? null,
    context_overflow: options.context_overflow ?? "stop",
    speculation: options.speculation ?? null,
  };
}

/**
 * @param {any} value  as a page writes it: OpenAI's `response_format`, or { type: "regex", pattern }
 * @returns {import("./protocol.js").ResponseFormat | null | undefined}  undefined where it is none
 */
function formatOf(value) {
  switch (value?.type) {
    case "text":
      return null;
    case "json_object":
      return { type: "json_object" };
    case "json_schema": {
      const schema = plain(value.json_schema?.schema);
      return schema === undefined ? undefined : { type: "json_schema", schema };
    }
    case "regex":
      return typeof value.pattern === "string" ? { type: "regex", pattern: value.pattern } : undefined;
  }
  return undefined;
}

/**
 * @param {unknown} value
 * @returns {unknown} as JSON has it; undefined where it is none
 */
function plain(value) {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return undefined; // a function, or it holds itself
  }
}

/**
 * @param {Prompt} prompt
 * @returns {Prompt}
 */
export function checkPrompt(prompt) {
  if (typeof prompt === "string") return prompt;
  const isConversation =
    Array.isArray(prompt) &&
    prompt.length > 0 &&
    prompt.every((m) => typeof m?.role === "string" && typeof m?.content === "string");
  if (isConversation) return prompt.map(({ role, content }) => ({ role, content }));
  throw badRequest("The prompt must be a text, or a list of { role, content } with both as texts.");
}

/**
 * @param {Record<string, any>} options
 * @param {Record<string, Rule>} rules
 * @param {string} [owner]  whose the names are, where they are no options of an answer
 */
export function check(options, rules, owner) {
  if (typeof options !== "object" || options === null) {
    throw badRequest("The options must be an object.");
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(rules, name)) {
      const names = `${Object.keys(rules).join(", ")}.`;
      throw badRequest(
        owner ? `${owner} takes no "${name}". It takes: ${names}` : `There is no option "${name}". Options are: ${names}`,
        { option: name },
      );
    }
    if (value === undefined) continue;
    if (!rules[name].test(value)) {
      throw badRequest(`${name} must be ${rules[name].allowed}, not ${show(value)}.`, { option: name });
    }
  }
}

/** @param {unknown} value */
function show(value) {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value; // it holds itself
  }
}

/**
 * @param {string} message
 * @param {Record<string, unknown>} [detail]
 */
export function badRequest(message, detail) {
  return new SitegenError("bad-request", message, detail);
}
