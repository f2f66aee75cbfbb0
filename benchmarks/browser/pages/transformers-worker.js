/**
 * The worker of transformers.js: its bundle for pages, and the onnxruntime-web that it takes from
 * a CDN by default (the asyncify build) from this host. Model files and binary go into the Cache
 * API as they do by default.
 *
 * A chat is the pipeline called with all messages, as in its documentation. It then computes all
 * of them anew; reusing a cache would be the caller's work and responsibility.
 */

import { TextStreamer, env, pipeline } from "/transformers/dist/transformers.min.js";

let generator;

async function load({ root, weights, threads }) {
  env.allowLocalModels = false;
  env.remoteHost = root;
  env.remotePathTemplate = "{model}/";
  const { wasm } = env.backends.onnx;
  const binary = `${root}onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify`;
  wasm.wasmPaths = { mjs: `${binary}.mjs`, wasm: `${binary}.wasm` };
  wasm.numThreads = threads;
  generator = await pipeline("text-generation", "onnx", { device: "wasm", dtype: weights });
}

/** Says of each token that it came; its text is made as well, as a page would need it. */
class Streamer extends TextStreamer {
  promptTokens = 0;

  constructor(tokenizer) {
    super(tokenizer, {
      skip_prompt: true,
      callback_function: () => {}, // it holds text back to the end of a word
      token_callback_function: () => self.postMessage({ kind: "token" }),
    });
  }

  put(value) {
    this.promptTokens ||= value[0].length; // the first that it gets
    super.put(value);
  }
}

async function generate(prompt, count) {
  const streamer = new Streamer(generator.tokenizer);
  const [{ generated_text: generated }] = await generator(prompt, {
    max_new_tokens: count,
    min_new_tokens: count, // never ends early
    do_sample: false,
    return_full_text: false,
    streamer,
  });
  const text = typeof generated === "string" ? generated : generated.at(-1).content;
  return { prompt_tokens: streamer.promptTokens, text };
}

self.onmessage = async ({ data }) => {
  try {
    const { kind, options, prompt, count } = data;
    const result = kind === "load" ? await load(options) : await generate(prompt, count);
    self.postMessage({ kind: "done", result });
  } catch (error) {
    self.postMessage({ kind: "error", message: String(error?.stack ?? error) });
  }
};
