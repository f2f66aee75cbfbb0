/**
 * wllama: always in a worker of its own, weights in OPFS, read from there piece by piece.
 * Settings other than its defaults, all in its favour or needed to compare:
 *
 *   n_gpu_layers 0  WebAssembly, as the others
 *   n_parallel 1    one chat; by default it keeps room for four
 *   n_ctx 1024      its default; all that is asked here fits
 *   cache_prompt    what a chat has in common with the turn before is not computed again
 *   top_k 1         greedy without sorting the vocabulary
 */

import { Wllama } from "/wllama/esm/index.js";

export async function load({ root, weights, threads }) {
  const logger = Object.fromEntries(["debug", "log", "warn", "error"].map((on) => [on, () => {}]));
  const wllama = new Wllama({ default: `${root}wllama/esm/wasm/wllama.wasm` }, { logger });
  await wllama.loadModelFromUrl(`${root}gguf/model-${weights}.gguf`, {
    log_level: 4, // errors; its suppressNativeLog ends with an exception in 3.8.1
    n_threads: threads,
    n_gpu_layers: 0,
    n_parallel: 1,
    n_ctx: 1024,
  });
  return {
    async generate(prompt, count, onToken) {
      const options = {
        max_tokens: count,
        temperature: 0,
        top_k: 1,
        ignore_eos: true,
        cache_prompt: true,
        stream: true,
      };
      const isText = typeof prompt === "string";
      const chunks = isText
        ? await wllama.createCompletion({ prompt, ...options })
        : await wllama.createChatCompletion({ messages: prompt, ...options });
      let text = "";
      let last;
      for await (const chunk of chunks) {
        const [choice] = chunk.choices;
        const piece = (isText ? choice?.text : choice?.delta.content) ?? "";
        if (piece) onToken();
        text += piece;
        last = chunk;
      }
      const { cache_n, prompt_n } = last.timings;
      return { prompt_tokens: cache_n + prompt_n, reused_tokens: cache_n, text };
    },
  };
}
