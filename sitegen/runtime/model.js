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
    /** @type {TokenLogprobs[]} */
    const logprobs = [];
    const before = this.#idle;
    let release = () => {};
    this.#idle = new Promise((resolve) => {
      release = () => before.then(resolve);
    });
    // Also called when nobody reads any more: that must not hold up the next answer.
    const onEnd = (/** @type {FromWorker} */ last) => {
      if (last.kind === "done") {
        this.#info.last = { ...last.result, logprobs: options.logprobs ? logprobs : null };
      }
      release();
    };
    try {
      await settled(before, signal);
      for await (const message of this.#channel.request(request, signal, onEnd)) {
        if (message.kind === "piece") logprobs.push(...message.logprobs);
        yield message;
      }
    } finally {
      release();
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
