/** sitegen as an author's own script uses it: the built site's engine, by its public interface. */

export async function load({ root, threads }) {
  const sitegen = await import(`${root}sitegen/_sitegen/sitegen.js`);
  const [{ name }] = await sitegen.models();
  // Its own choice where there is no graphics card, and here nowhere else.
  const model = await sitegen.load(name, { backend: "wasm", threads });
  return {
    threads: model.info.threads,
    async generate(prompt, count, onToken) {
      const options = { max_new_tokens: count, ignore_eos: true, temperature: 0 };
      let text = "";
      for await (const piece of model.stream(prompt, options)) {
        text += piece;
        onToken();
      }
      return { prompt_tokens: model.info.last.prompt_tokens, text };
    },
  };
}
