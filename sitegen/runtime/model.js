/**
 * A loaded model, as a page's script sees it.
 */

import { ChatCompletions } from "./chat-completions.js";
import { checkGenerateOptions, checkPrompt } from "./options.js";
import { SitegenError, abortedError } from "./protocol.js";

/** @typedef {import("./backend.js").Refusal} Refusal */
/** @typedef {import("./channel.js").Channel} Channel */
/** @typedef {import("./options.js").StreamOptions} StreamOptions */
/** @typedef {import("./protocol.js").Backend} Backend */
/** @typedef {import("./protocol.js").FromWorker} FromWorker */
/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").GenerateResult} GenerateResult */
/** @typedef {import("./protocol.js").Loaded} Loaded */
/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").Prompt} Prompt */
/** @typedef {import("./protocol.js").TokenLogprobs} TokenLogprobs */

/**
 * @typedef {object} Info
 * @property {string} name
 * @property {Backend} backend
 * @property {string} variant
 * @property {string} fingerprint  of the model's files, the variant, the backend and the engine
 * @property {string} reason
 * @property {Refusal[]} fallbacks  variants ahead of this one that were refused or failed
 * @property {import("./protocol.js").Dtype} dtype
 * @property {number} threads
 * @property {number} bytes
 * @property {number} load_ms
 * @property {Loaded["storage"]} storage
 * @property {(GenerateResult & { logprobs: TokenLogprobs[] | null }) | null} last
 *   figures of the last answer; logprobs of the tokens that were read of it, null unless asked for
 */

/** Answers come one after another, in the order they were asked for. */
export class Model {
  #channel;
  #manifest;
  #info;
  /** Settles when the answers asked for so far are complete. @type {Promise<void>} */
  #idle = Promise.resolve();
  /** What is read ahead, and gives way to an answer. @type {Set<AbortController>} */
  #beginnings = new Set();

  /**
   * @param {Channel} channel
   * @param {Manifest} manifest
   * @param {Info} info
   */
  constructor(channel, manifest, info) {
    this.#channel = channel;
    this.#manifest = manifest;
    this.#info = info;
    const { name, fingerprint } = info;
    const answer = this.#answer.bind(this);
    /** OpenAI's interface. */
    this.chat = { completions: new ChatCompletions({ name, fingerprint, manifest, answer }) };
  }

  /** @returns {Info} */
  get info() {
    return { ...this.#info };
  }

  /**
   * Text as it is written. Leaving the loop or aborting the signal stops it, and the model can
   * be used again; after an abort "aborted" is thrown.
   * @param {Prompt} prompt
   * @param {StreamOptions} [options]
   * @returns {AsyncGenerator<string, void, void>}
   */
  async *stream(prompt, options = {}) {
    const { generation, vocab_size } = this.#manifest;
    const checked = checkGenerateOptions(options, generation, vocab_size);
    for await (const message of this.#answer(checkPrompt(prompt), checked, options.signal)) {
      if (message.kind === "piece" && message.text) yield message.text;
    }
  }

  /**
   * @param {Prompt} prompt
   * @param {GenerateOptions} options
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<FromWorker, void, void>}  pieces, then done
   */
  async *#answer(prompt, options, signal) {
    const request = { kind: /** @type {const} */ ("generate"), prompt, options };
    for (const beginning of this.#beginnings) beginning.abort();
    /** @type {TokenLogprobs[]} */
    const logprobs = [];
    const onEnd = (/** @type {FromWorker} */ last) => {
      if (last.kind !== "done") return;
      this.#info.last = { ...last.result, logprobs: options.logprobs ? logprobs : null };
    };
    for await (const message of this.#inTurn(request, signal, onEnd)) {
      if (message.kind === "piece") logprobs.push(...message.logprobs);
      yield message;
    }
  }

  /**
   * @param {Prompt} prompt
   * @param {StreamOptions} [options]
   * @returns {Promise<string>}
   */
  async generate(prompt, options = {}) {
    let text = "";
    for await (const piece of this.stream(prompt, options)) text += piece;
    return text;
  }

  /**
   * Have the beginning of a prompt read before all of it is known: messages that a user's message
   * follows, or a text that goes on. An answer asked for meanwhile does not wait for the rest, and
   * what an earlier answer left is kept instead.
   * @param {Prompt} prompt
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<import("./protocol.js").Prefilled | null>}  null when an answer was asked for meanwhile
   */
  async prefill(prompt, { signal } = {}) {
    const request = { kind: /** @type {const} */ ("prefill"), prompt: checkPrompt(prompt) };
    const beginning = new AbortController();
    const abort = () => beginning.abort();
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    this.#beginnings.add(beginning);
    try {
      for await (const message of this.#inTurn(request, beginning.signal)) {
        if (message.kind === "prefilled") return message.prefilled;
      }
    } catch (error) {
      if (!beginning.signal.aborted || signal?.aborted) throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#beginnings.delete(beginning);
    }
    return null;
  }

  /**
   * A request's replies, once those before it are complete.
   * @param {Parameters<Channel["request"]>[0]} request
   * @param {AbortSignal} [signal]
   * @param {(last: FromWorker) => void} [onEnd]  also called when nobody reads any more
   */
  async *#inTurn(request, signal, onEnd) {
    const before = this.#idle;
    let release = () => {};
    this.#idle = new Promise((resolve) => {
      release = () => before.then(resolve);
    });
    // A reply that nobody reads must not hold up the next answer.
    const end = (/** @type {FromWorker} */ last) => {
      onEnd?.(last);
      release();
    };
    try {
      await settled(before, signal);
      yield* this.#channel.request(request, signal, end);
    } finally {
      release();
    }
  }

  /** Free the memory. Answers under way end with "aborted". */
  async unload() {
    this.#channel.close(new SitegenError("aborted", "The model was unloaded. Load it again."));
  }
}

/**
 * @param {Promise<void>} work
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>} throws "aborted" without waiting for the work
 */
async function settled(work, signal) {
  if (signal?.aborted) throw abortedError();
  await new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(abortedError()), { once: true });
    work.then(() => resolve(undefined));
  });
}
