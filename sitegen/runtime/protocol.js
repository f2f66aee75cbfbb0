/**
 * What passes between the build, the page and the worker: types and error kinds, no behaviour.
 *
 * The build writes `models.json` (ModelsIndex) and one Manifest a model; the schema beside the
 * exporter (sitegen/models/manifest.schema.json) has the same keys, and a test compares the two.
 *
 * Page ⇄ worker, one worker a model. Every message has a `kind`; a reply carries the `id` of
 * its request. The page ends a worker with terminate(): there is no message for it.
 *
 *     page → worker                      worker → page
 *     load      id, task                 progress  id, progress   (many)
 *                                        loaded    id, loaded
 *     generate  id, prompt, options      piece     id, text, logprobs  (many)
 *                                        done      id, result
 *     prefill   id, prompt               prefilled id, prefilled
 *     stop      id  (of these two)
 *                                        error     id, error      (ends the request)
 */

/**
 * A file named by its content. `path` is relative to `_sitegen/`.
 * @typedef {object} FileRef
 * @property {string} path
 * @property {number} bytes
 * @property {string} sha256
 */

/**
 * @typedef {object} Weights
 * @property {string} name  name of the external data file inside the graph
 * @property {number} bytes
 * @property {FileRef[]} shards  joined in order they are the external file
 */

/**
 * @typedef {object} SelfCheck
 * @property {number[]} prompt_ids
 * @property {number[]} next_ids  greedy tokens that must follow
 * @property {number} tolerance
 */

/**
 * Against the original weights, on a fixed text.
 * @typedef {object} Quality
 * @property {number} positions
 * @property {number} bits_per_weight
 * @property {number} agreement  share of positions at which the likeliest token is the original's
 * @property {number} kl  in nats
 * @property {number} perplexity_ratio
 */

/**
 * @typedef {object} Variant
 * @property {"webgpu-f16" | "webgpu-f32" | "wasm" | "fp32"} name
 * @property {Backend[]} backends
 * @property {"shader-f16"[]} features
 * @property {Dtype} dtype  of the logits and of the KV cache
 * @property {boolean} cache_in_place
 *   keys and values may be given in buffers with room to spare, into which the new ones are written
 * @property {FileRef} graph
 * @property {Weights} weights
 * @property {number} bytes
 * @property {SelfCheck} self_check
 * @property {Quality} quality
 */

/**
 * past_key_values.N.{key,value} and present.N.{key,value}: each (batch, heads, tokens, head_dim).
 * @typedef {object} AttentionCache
 * @property {"attention"} kind
 * @property {number} heads
 * @property {number} head_dim
 */

/**
 * past_convolution.N and present_convolution.N: (batch, length, width), the last inputs, zeros
 * before the first token.
 * @typedef {object} ConvolutionCache
 * @property {"convolution"} kind
 * @property {number} length
 * @property {number} width
 */

/**
 * @typedef {object} TokenizerFiles
 * @property {FileRef} file  tokenizer.json, gzip
 * @property {FileRef | null} config  tokenizer_config.json
 * @property {string | null} chat_template
 * @property {string | null} bos_token
 * @property {string | null} eos_token
 * @property {number[]} eos_token_ids
 */

/**
 * @typedef {object} Licence
 * @property {string | null} id
 * @property {FileRef | null} file
 * @property {FileRef | null} card
 */

/**
 * @typedef {object} GenerationDefaults
 * @property {number} [temperature]
 * @property {number} [top_k]
 * @property {number} [top_p]
 * @property {number} [min_p]
 * @property {number} [repetition_penalty]
 * @property {number} [max_new_tokens]
 */

/**
 * @typedef {object} Manifest
 * @property {3} version
 * @property {string} id
 * @property {string | null} revision
 * @property {string} title
 * @property {string} architecture
 * @property {number} parameters
 * @property {Licence} licence
 * @property {"q4" | "q8" | "fp16" | "fp32"} quantization
 * @property {number} context_length  longest sequence in tokens, prompt and answer together
 * @property {number | null} short_context
 *   a sequence that grows beyond so many tokens is computed again: its keys turn by other angles
 * @property {number} vocab_size
 * @property {(AttentionCache | ConvolutionCache)[]} cache  what each layer keeps between tokens
 * @property {TokenizerFiles} tokenizer
 * @property {GenerationDefaults} generation
 * @property {Variant[]} variants  in order of preference
 */

/** @typedef {"webgpu" | "wasm"} Backend */
/** @typedef {"float16" | "float32"} Dtype */
/** @typedef {"wasm" | "jspi" | "asyncify"} BuildName  builds of onnxruntime-web */

/**
 * @typedef {object} Build
 * @property {string[]} modules
 *   relative to `_sitegen/`: the glue of the binary and, for WebGPU, the entry
 * @property {FileRef & { encoding: "gzip", decoded_bytes: number }} binary
 */

/**
 * @typedef {object} EngineIndex
 * @property {string} hash
 * @property {string} onnxruntime_web
 * @property {Record<BuildName, Build>} builds
 */

/**
 * @typedef {object} ModelEntry
 * @property {string} name
 * @property {string} title
 * @property {string | null} licence
 * @property {FileRef} manifest
 * @property {Record<string, number>} bytes  variant name → bytes to download
 */

/**
 * @typedef {object} ModelsIndex
 * @property {1} version
 * @property {string} site
 * @property {EngineIndex} engine
 * @property {ModelEntry[]} models
 */

/**
 * One way to run a model: what `load` sends to a fresh worker.
 * @typedef {object} LoadTask
 * @property {Manifest} manifest
 * @property {Variant} variant
 * @property {Backend} backend
 * @property {Build} build
 * @property {BuildName} buildName
 * @property {number} threads
 */

/**
 * @typedef {object} Loaded
 * @property {number} threads
 * @property {"stored" | "full" | "unavailable"} storage
 *   where the files are now: kept for the next visit, or in memory only and why
 */

/**
 * @typedef {object} Progress
 * @property {"download" | "compile" | "self-check" | "ready"} phase
 * @property {number} loaded_bytes
 * @property {number} total_bytes
 * @property {number} cached_bytes
 * @property {number} files_done
 * @property {number} files_total
 */

/**
 * What chat templates know of a message.
 * @typedef {object} Message
 * @property {string} role
 * @property {string} content
 * @property {{ id: string, type: "function", function: { name: string, arguments: object } }[]} [tool_calls]
 * @property {string} [tool_call_id]
 * @property {string} [name]  of the tool that answers
 */

/** @typedef {{ type: "function", function: { name: string, description?: string, parameters?: object } }} Tool */

/** @typedef {string | Message[]} Prompt  text to continue, or a conversation */

/**
 * Complete options of one generation, as the worker receives them.
 * @typedef {object} GenerateOptions
 * @property {number} max_new_tokens
 * @property {number} temperature  0 takes the most probable token
 * @property {number} top_k  0 keeps all
 * @property {number} top_p  1 keeps all
 * @property {number} min_p  0 keeps all
 * @property {number} repetition_penalty  of the tokens of prompt and answer; 1 changes nothing
 * @property {number} frequency_penalty  for each time that a token came in the answer
 * @property {number} presence_penalty  once for a token of the answer
 * @property {Record<string, number>} logit_bias  token id → what is added to its logit
 * @property {boolean} logprobs
 * @property {number} top_logprobs  how many of the likeliest tokens to tell beside each
 * @property {number | null} seed  null draws one
 * @property {string[]} stop
 * @property {boolean} ignore_eos
 * @property {Tool[] | null} tools  for the chat template; their calls are text
 * @property {boolean | null} speculation  whether tokens are guessed; null: where the text stays the same
 * @property {ResponseFormat | null} response_format  null lets the answer be any text
 * @property {"stop" | "drop_oldest"} context_overflow
 *   of a conversation that leaves no room for its answer: an error, or its oldest turns are left out
 */

/**
 * What an answer is held to: a JSON object, JSON that fits a schema, a text that matches.
 * @typedef {{ type: "json_object" } | { type: "json_schema", schema: any } | { type: "regex", pattern: string }} ResponseFormat
 */

/**
 * How probable the model found a token: the shape of OpenAI's `logprobs.content`.
 * @typedef {object} TokenScore
 * @property {string} token  U+FFFD where it is a part of a character
 * @property {number[]} bytes
 * @property {number} logprob  natural, of the model's own distribution
 */

/** @typedef {TokenScore & { top_logprobs: TokenScore[] }} TokenLogprobs  likeliest first */

/**
 * @typedef {object} GenerateResult
 * @property {number} dropped_messages  of the conversation, which are left out of the prompt
 * @property {number} prompt_tokens
 * @property {number} cached_tokens  of the prompt, those that were known from before and not run
 * @property {number} completion_tokens
 * @property {number} guessed_tokens  of these, the guessed ones that were checked several in one run
 * @property {number} prefill_ms
 * @property {number} decode_ms
 * @property {number | null} tokens_per_second  of the decode; null when nothing was decoded
 * @property {"stop" | "length" | "aborted"} finish_reason
 */

/**
 * @typedef {object} Prefilled
 * @property {number} prompt_tokens  of the beginning that is the same whatever follows it
 * @property {number} held_tokens  of these, what the model holds now
 * @property {number} prefill_ms
 */

/**
 * @typedef {{ kind: "load", id: number, task: LoadTask }
 *   | { kind: "generate", id: number, prompt: Prompt, options: GenerateOptions }
 *   | { kind: "prefill", id: number, prompt: Prompt }
 *   | { kind: "stop", id: number }} ToWorker
 */

/**
 * @typedef {{ kind: "progress", id: number, progress: Progress }
 *   | { kind: "loaded", id: number, loaded: Loaded }
 *   | { kind: "piece", id: number, text: string, logprobs: TokenLogprobs[] }
 *   | { kind: "done", id: number, result: GenerateResult }
 *   | { kind: "prefilled", id: number, prefilled: Prefilled }
 *   | { kind: "error", id: number, error: ErrorRecord }} FromWorker
 */

/** @typedef {{ kind: ErrorKind, message: string, detail: Record<string, unknown> }} ErrorRecord */

/** @typedef {(typeof ERROR_KINDS)[number]} ErrorKind */

export const ERROR_KINDS = /** @type {const} */ ([
  "unknown-model",
  "download-failed",
  "wrong-length",
  "wrong-hash",
  "offline",
  "insecure-context",
  "no-backend",
  "self-check-failed",
  "out-of-memory",
  "device-lost",
  "context-full",
  "bad-request",
  "aborted",
  "engine-failed",
]);

/** What went wrong, in a sentence for the reader of the page, with a kind for its script. */
export class SitegenError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   * @param {Record<string, unknown>} [detail]
   */
  constructor(kind, message, detail = {}) {
    super(message);
    this.name = "SitegenError";
    this.kind = kind;
    this.detail = detail;
  }

  /** @returns {ErrorRecord} what postMessage can carry */
  toRecord() {
    return { kind: this.kind, message: this.message, detail: this.detail };
  }

  /** @param {ErrorRecord} record */
  static fromRecord(record) {
    return new SitegenError(record.kind, record.message, record.detail);
  }
}

/** @returns {SitegenError} */
export function abortedError() {
  return new SitegenError("aborted", "Stopped, as you asked.");
}

/**
 * A failure of code that is not ours, given a kind.
 * @param {unknown} cause
 * @param {string} doing  what was being done: "starting the model"
 * @returns {SitegenError}
 */
export function asSitegenError(cause, doing) {
  if (cause instanceof SitegenError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/out of memory|bad_alloc|allocation fail|\bOOM\b|memory access out of bounds/i.test(text)) {
    return new SitegenError(
      "out-of-memory",
      `There was not enough memory for ${doing}. Close other tabs, then reload the page.`,
      { cause: text },
    );
  }
  return new SitegenError(
    "engine-failed",
    `Something failed while ${doing}: ${text}. Reload the page; if it happens again, tell the site's owner.`,
    { cause: text },
  );
}
