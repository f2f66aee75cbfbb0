/**
 * The shape of OpenAI's `chat.completions.create` over a loaded model, streaming and not.
 * What it takes of that interface means the same here; the rest is refused (chat-request.js).
 */

import { readRequest } from "./chat-request.js";
import { createToolReader } from "./tool-calls.js";

/** @typedef {import("./chat-request.js").Body} Body */
/** @typedef {import("./chat-request.js").Request} Request */
/** @typedef {import("./protocol.js").FromWorker} FromWorker */
/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").TokenLogprobs} TokenLogprobs */
/** @typedef {import("./tool-calls.js").ToolCall} ToolCall */

/**
 * What completions need of a model.
 * @typedef {object} Answering
 * @property {string} name
 * @property {string} fingerprint
 * @property {Manifest} manifest
 * @property {(prompt: Message[], options: GenerateOptions, signal?: AbortSignal) => AsyncIterable<FromWorker>} answer
 *   pieces, then done
 *
 * @typedef {{ content: TokenLogprobs[], refusal: null }} Logprobs
 * @typedef {"stop" | "length" | "tool_calls"} FinishReason
 *
 * @typedef {object} Usage  of all choices; the prompt counts once, and as the first one found it
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} total_tokens
 * @property {{ cached_tokens: number }} prompt_tokens_details
 *
 * @typedef {{ id: string, created: number, model: string, system_fingerprint: string }} Head
 *
 * @typedef {object} Choice
 * @property {number} index
 * @property {{ role: "assistant", content: string | null, refusal: null, tool_calls?: ToolCall[] }} message
 * @property {Logprobs | null} logprobs
 * @property {FinishReason} finish_reason
 *
 * @typedef {Head & { object: "chat.completion", choices: Choice[], usage: Usage }} ChatCompletion
 *
 * @typedef {{ role?: "assistant", content?: string, tool_calls?: (ToolCall & { index: number })[] }} Delta
 *
 * @typedef {object} ChunkChoice
 * @property {number} index
 * @property {Delta} delta
 * @property {Logprobs | null} logprobs
 * @property {FinishReason | null} finish_reason
 *
 * @typedef {Head & { object: "chat.completion.chunk", choices: ChunkChoice[], usage?: Usage | null }} ChatCompletionChunk
 */

export class ChatCompletions {
  #model;

  /** @param {Answering} model */
  constructor(model) {
    this.#model = model;
  }

  /**
   * Wrong parameters are refused here; what fails later, while the answer is read.
   * @overload
   * @param {Body & { stream: true }} body
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<AsyncGenerator<ChatCompletionChunk, void, void>>}
   */
  /**
   * @overload
   * @param {Body & { stream?: false | null }} body
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<ChatCompletion>}
   */
  /**
   * @param {Body} body
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<ChatCompletion | AsyncGenerator<ChatCompletionChunk, void, void>>}
   */
  async create(body, { signal } = {}) {
    const { name, fingerprint, manifest } = this.#model;
    const request = readRequest(body, name, manifest);
    const head = {
      id: `chatcmpl-${hex(16)}`,
      created: Math.floor(Date.now() / 1000),
      model: name,
      system_fingerprint: fingerprint,
    };
    const chunks = this.#chunks(head, request, signal);
    return request.stream ? chunks : collect(head, request, chunks);
  }

  /**
   * Choices one after another, with the seeds that follow the request's.
   * @param {Head} head
   * @param {Request} request
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<ChatCompletionChunk, void, void>}
   */
  async *#chunks(head, request, signal) {
    const { messages, options, includeUsage } = request;
    const toolNames = options.tools?.map((tool) => tool.function.name) ?? [];
    const usage = newUsage();
    /** @type {(choices: ChunkChoice[], usage?: Usage | null) => ChatCompletionChunk} */
    const chunk = (choices, used = null) => ({
      ...head,
      object: "chat.completion.chunk",
      choices,
      ...(includeUsage ? { usage: used } : {}),
    });
    for (let index = 0; index < request.n; index++) {
      /** @type {(delta: Delta, logprobs?: TokenLogprobs[], finish_reason?: FinishReason | null) => ChatCompletionChunk} */
      const part = (delta, logprobs = [], finish_reason = null) => {
        const told = options.logprobs && logprobs.length > 0 ? { content: logprobs, refusal: null } : null;
        return chunk([{ index, delta, logprobs: told, finish_reason }]);
      };
      yield part({ role: "assistant", content: "" });
      const calls = request.toolForm && createToolReader(request.toolForm, toolNames);
      const seed = options.seed === null ? null : options.seed + index;
      for await (const message of this.#model.answer(messages, { ...options, seed }, signal)) {
        if (message.kind === "piece") {
          const content = calls ? calls.push(message.text) : message.text;
          if (content || message.logprobs.length > 0) yield part({ content }, message.logprobs);
        }
        if (message.kind !== "done") continue;
        const { text, calls: called } = calls?.end() ?? { text: "", calls: [] };
        if (text) yield part({ content: text });
        if (called.length > 0) yield part({ tool_calls: called.map((call, n) => ({ index: n, ...call })) });
        const { prompt_tokens, cached_tokens, completion_tokens, finish_reason } = message.result;
        usage.prompt_tokens = prompt_tokens;
        if (index === 0) usage.prompt_tokens_details = { cached_tokens };
        usage.completion_tokens += completion_tokens;
        usage.total_tokens = prompt_tokens + usage.completion_tokens;
        const ended = finish_reason === "length" ? "length" : "stop";
        yield part({}, [], called.length > 0 && ended === "stop" ? "tool_calls" : ended);
      }
    }
    if (includeUsage) yield chunk([], usage);
  }
}

/**
 * What a stream of chunks says, at once.
 * @param {Head} head
 * @param {Request} request
 * @param {AsyncIterable<ChatCompletionChunk>} chunks  with usage
 * @returns {Promise<ChatCompletion>}
 */
async function collect(head, request, chunks) {
  /** @type {Choice[]} */
  const choices = [];
  let usage = newUsage();
  for await (const chunk of chunks) {
    if (chunk.usage) usage = chunk.usage;
    for (const { index, delta, logprobs, finish_reason } of chunk.choices) {
      choices[index] ??= {
        index,
        message: { role: "assistant", content: "", refusal: null },
        logprobs: request.options.logprobs ? { content: [], refusal: null } : null,
        finish_reason: "stop",
      };
      const choice = choices[index];
      choice.message.content += delta.content ?? "";
      for (const { index: _, ...call } of delta.tool_calls ?? []) (choice.message.tool_calls ??= []).push(call);
      choice.logprobs?.content.push(...(logprobs?.content ?? []));
      if (finish_reason) choice.finish_reason = finish_reason;
    }
  }
  for (const { message } of choices) {
    if (message.tool_calls && message.content?.trim() === "") message.content = null;
  }
  return { ...head, object: "chat.completion", choices, usage };
}

/** @returns {Usage} */
function newUsage() {
  return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } };
}

/** @param {number} count  of random bytes */
function hex(count) {
  const bytes = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
