/**
 * One visit: load an engine, ask it, and say what that took. Every engine is a module with
 *
 *     load({ root, weights, threads }) → engine, ready to answer; its library is fetched on import
 *     engine.generate(prompt, count, onToken) → { prompt_tokens, text }
 *
 * where `prompt` is a text or a list of { role, content }, exactly `count` tokens are generated,
 * greedily, and `onToken` is called as soon as the page knows of each.
 */

let longest = 0;
if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: "longtask", buffered: true });
} else {
  longest = null;
}

let engine;

globalThis.bench = {
  /** Milliseconds from the reader's decision to a model that can be asked. */
  async load(name, options) {
    const start = performance.now();
    const { load } = await import(`./${name}.js`);
    engine = await load(options);
    return { load_ms: performance.now() - start, longest_task_ms: takeLongest() };
  },

  /** An answer of `count` tokens: to the first one, and from there to the end. */
  async ask(prompt, count) {
    const start = performance.now();
    let first = 0;
    const answer = await engine.generate(prompt, count, () => (first ||= performance.now()));
    const end = performance.now();
    return {
      ...answer,
      first_token_ms: first - start,
      decode_tokens_per_second: (1000 * (count - 1)) / (end - first),
      longest_task_ms: takeLongest(),
    };
  },

  /** A chat: every message is asked with all that was said before. Answers in order. */
  async chat(messages, count) {
    const said = [];
    const answers = [];
    for (const content of messages) {
      said.push({ role: "user", content });
      const answer = await globalThis.bench.ask(said, count);
      said.push({ role: "assistant", content: answer.text });
      answers.push(answer);
    }
    return answers;
  },
};
document.documentElement.dataset.ready = "yes";

/** The longest task of the main thread since the last call; null where the browser hides it. */
function takeLongest() {
  const taken = longest;
  if (longest !== null) longest = 0;
  return taken;
}
