/**
 * Model after model through engine.js in one page: one build of onnxruntime-web, started once.
 * Without the worker, the loader and the tokenizer, whose tests are elsewhere.
 */

const root = new URL("_sitegen/", import.meta.url).href;
const read = async (path) => new Uint8Array(await (await fetch(root + path)).arrayBuffer());
const { engine } = await (await fetch(`${root}models.json`)).json();
const module = (name) => import(`${root}engine/${engine.hash}/${name}.js`);
const { Engine, gunzip, start: startRuntime } = await module("engine");
const { generate, newFigures, selfCheck } = await module("generate");
const { argmax } = await module("sampling");

let runtime;
let first; // onnxruntime forgets its compiled shaders with its last session, so one stays open

/** @param {"wasm" | "jspi"} buildName */
export async function start(buildName) {
  const build = engine.builds[buildName];
  const binary = await gunzip(await read(build.binary.path), build.binary.decoded_bytes);
  const backend = buildName === "wasm" ? "wasm" : "webgpu";
  runtime = await startRuntime({ build, backend, threads: 1 }, binary, root);
}

async function open(manifest, name, backend) {
  const variant = manifest.variants.find((each) => each.name === name);
  const shards = await Promise.all(variant.weights.shards.map(({ path }) => read(path)));
  const weights = new Uint8Array(await new Blob(shards).arrayBuffer());
  const task = { manifest, variant, backend };
  return { variant, model: await Engine.open(runtime, task, await read(variant.graph.path), weights) };
}

/**
 * A self-check, then `count` tokens after `prompt`, while a second sequence is given the prompt in
 * `parts` and the first few of the tokens. Random weights repeat themselves: of greedy tokens, each
 * is the likeliest that has not been said yet.
 */
export async function answer({ manifest, variant: name, backend, prompt, parts, count }) {
  const { model, variant } = await open(manifest, name, backend);
  const checked = model.newSequence();
  await selfCheck(checked, variant.self_check, argmax);
  checked.dispose();

  const whole = model.newSequence();
  const parted = model.newSequence();
  const found = { ids: [], logits: [], parted: [] };
  const decoder = {
    get ids() {
      return whole.ids;
    },
    rewind: (length) => whole.rewind(length),
    async run(ids) {
      const logits = await whole.run(ids);
      found.logits.push([...logits]);
      if (found.parted.length < 4) {
        let last = [];
        for (const part of found.ids.length === 0 ? parts : [ids]) last = await parted.run(part);
        found.parted.push([...last]);
      }
      return logits;
    },
  };
  const choose = (logits) => {
    for (const id of found.ids) logits[id] = -Infinity;
    return argmax(logits);
  };
  const { context_length } = manifest;
  const limits = { context_length, short_context: null, eos_token_ids: [], max_new_tokens: count };
  for await (const id of generate(decoder, prompt, limits, choose, newFigures())) found.ids.push(id);

  // What was forgotten is said again, by another number of tokens at once.
  found.held = parted.rewind(prompt.length - 5);
  found.rewound = [...(await parted.run(prompt.slice(found.held)))];
  found.kept = [...new Set((whole.cache.tensors ?? []).map(({ location }) => location))];
  whole.dispose();
  parted.dispose();
  first ??= model;
  if (model !== first) await model.session.release();
  return found;
}

/**
 * WebAssembly's memory, in bytes, after each of some rounds: the model is loaded, a sequence grows,
 * forgets, goes on and is given back, and the model is.
 */
export async function soak({ manifest, variant, prompt, rounds }) {
  const bytes = [];
  for (let round = 0; round < rounds; round++) {
    const { model } = await open(manifest, variant, "wasm");
    const sequence = model.newSequence();
    for (let turn = 0; (turn + 1) * prompt.length < manifest.context_length; turn++) {
      await sequence.run(prompt);
      await sequence.run([prompt[0]], 1);
      sequence.rewind(sequence.length - 3); // of convolutions nothing is left, and they begin anew
    }
    sequence.dispose();
    await model.session.release();
    bytes.push(runtime.HEAPU8.length);
  }
  return bytes;
}
