/**
 * transformers.js as its documentation advises for pages: the pipeline in a worker of the page's
 * own, so that the page stays free; answers streamed to the page, here token by token.
 */

export async function load(options) {
  const worker = new Worker(new URL("transformers-worker.js", import.meta.url), { type: "module" });
  const call = (message, onToken = () => {}) =>
    new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => {
        if (data.kind === "token") onToken();
        else if (data.kind === "done") resolve(data.result);
        else reject(new Error(data.message));
      };
      worker.postMessage(message);
    });
  await call({ kind: "load", options });
  return {
    generate: (prompt, count, onToken) => call({ kind: "generate", prompt, count }, onToken),
  };
}
