/**
 * The worker's side of the protocol: one model, one request at a time.
 */

import { createChooser } from "./chooser.js";
import { fitPrompt } from "./context.js";
import { Conversation, prefill } from "./conversation.js";
import { createStopMatcher } from "./decode.js";
import { Engine, gunzip, start } from "./engine.js";
import { checkPrompt, generate, newFigures, selfCheck } from "./generate.js";
import { Grammars } from "./grammar.js";
import { loadFiles } from "./loader.js";
import { asSitegenError } from "./protocol.js";
import { argmax } from "./sampling.js";
import { Speculation, guessing } from "./speculation.js";
import { ROOT, openFiles } from "./storage.js";
import { createText } from "./text.js";

/** @typedef {import("./protocol.js").FromWorker} FromWorker */
/** @typedef {import("./protocol.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./protocol.js").LoadTask} LoadTask */
/** @typedef {import("./protocol.js").Progress} Progress */
/** @typedef {import("./protocol.js").Prompt} Prompt */
/** @typedef {import("./protocol.js").TokenLogprobs} TokenLogprobs */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * @typedef {object} Model
 * @property {Engine} engine
 * @property {Conversation} conversation
 * @property {import("./text.js").Text} text
 * @property {LoadTask} task
 * @property {Grammars} [grammars]  once an answer was held to a form
 */

/** @type {Model | null} */
let model = null;

/** The answer being written, and whether it is to end at the next token. */
const running = { id: 0, isStopping: false };

/** @param {FromWorker} message */
const reply = (message) => self.postMessage(message);

self.onmessage = async (/** @type {MessageEvent<ToWorker>} */ { data: message }) => {
  const { id } = message;
  try {
    switch (message.kind) {
      case "load":
        await load(id, message.task);
        break;
      case "generate":
        await answer(id, message.prompt, message.options);
        break;
      case "prefill":
        await begin(id, message.prompt);
        break;
      case "stop":
        running.isStopping ||= id === running.id;
        break;
    }
  } catch (error) {
    const doing = message.kind === "load" ? "starting the model" : "writing the answer";
    reply({ kind: "error", id, error: asSitegenError(error, doing).toRecord() });
  }
};

/**
 * @param {number} id
 * @param {LoadTask} task
 */
async function load(id, task) {
  const { manifest, variant, build } = task;
  /** @type {Progress | undefined} */
  let last;
  /** @param {Progress} progress */
  const onProgress = (progress) => {
    last = progress;
    reply({ kind: "progress", id, progress });
  };
  /** @param {Progress["phase"]} phase */
  const enter = (phase) => last && onProgress({ ...last, phase });

  // This build alone copies a Blob whole; the others read it piece by piece.
  const asBlob = task.buildName !== "asyncify";
  const weights = asBlob ? null : new Uint8Array(variant.weights.bytes);
  let offset = 0;
  const shards = variant.weights.shards.map((ref) => {
    const into = weights?.subarray(offset, (offset += ref.bytes));
    return { ref, into, asBlob };
  });
  const { file, config } = manifest.tokenizer;
  const { contents, storage } = await loadFiles(
    [build.binary, file, ...(config ? [config] : []), variant.graph]
      .map((ref) => /** @type {import("./loader.js").Wanted} */ ({ ref }))
      .concat(shards),
    { root: ROOT, store: await openFiles(), onProgress },
  );
  const bytes = /** @type {Uint8Array<ArrayBuffer>[]} */ (contents.slice(0, contents.length - shards.length));
  const graph = bytes[bytes.length - 1];
  const joined = weights ?? new Blob(contents.slice(bytes.length));

  enter("compile");
  const binary = await gunzip(bytes[0], build.binary.decoded_bytes);
  const engine = await Engine.open(await start(task, binary, ROOT), task, graph, joined);
  const text = createText(parse(await gunzip(bytes[1])), config ? parse(bytes[2]) : {}, manifest.tokenizer);

  enter("self-check");
  const sequence = engine.newSequence();
  try {
    await selfCheck(sequence, variant.self_check, argmax);
  } finally {
    sequence.dispose();
  }

  model = { engine, conversation: new Conversation(() => engine.newSequence()), text, task };
  enter("ready");
  reply({ kind: "loaded", id, loaded: { threads: task.threads, storage } });
}

/**
 * @param {number} id
 * @param {Prompt} prompt
 * @param {GenerateOptions} options
 */
async function answer(id, prompt, options) {
  const { engine, conversation, text, task } = /** @type {Model} */ (model);
  const { manifest } = task;
  Object.assign(running, { id, isStopping: false });
  const { context_length, short_context } = manifest;
  const { max_new_tokens, context_overflow } = options;
  const fit = { context_length, max_new_tokens, context_overflow };
  const { promptIds, dropped_messages } = fitPrompt(prompt, (each) => text.encode(each, options.tools), fit);
  const limits = {
    context_length,
    short_context,
    eos_token_ids: options.ignore_eos ? [] : manifest.tokenizer.eos_token_ids,
    max_new_tokens,
  };
  const held = options.response_format && (await grammars().start(options.response_format));
  const chooser = createChooser(options, promptIds, text.spell, held ? (logits) => held.masked(logits) : undefined);
  const figures = newFigures();
  const stops = createStopMatcher(options.stop);
  const decoded = held?.text ?? text.decodeAfter(prompt, promptIds, options.tools);
  /** @type {(piece: string, logprobs?: TokenLogprobs[]) => void} */
  const show = (piece, logprobs = []) => {
    if (piece || logprobs.length > 0) reply({ kind: "piece", id, text: piece, logprobs });
  };
  const { cost, isExact } = guessing(task.variant, task.backend);
  const guesses = engine.session.canRewind && (options.speculation ?? isExact);
  const aids = { isStopped: isStopping, speculation: guesses ? new Speculation(cost) : null };
  try {
    conversation.isAnswered = true;
    for await (const token of generate(conversation, promptIds, limits, chooser.choose, figures, aids)) {
      show(stops.push(decoded.push(token)), chooser.logprobs());
      await held?.accept(token);
      if (stops.isStopped || held?.isComplete) break;
      if (await isStopping()) break;
    }
    show(stops.push(decoded.end()) + stops.end());
  } finally {
    running.id = 0;
    held?.dispose();
  }
  if (stops.isStopped || held?.isComplete) figures.finish_reason = "stop";
  reply({ kind: "done", id, result: { ...figures, prompt_tokens: promptIds.length, dropped_messages } });
}

/**
 * @param {number} id
 * @param {Prompt} prompt
 */
async function begin(id, prompt) {
  const { conversation, text, task } = /** @type {Model} */ (model);
  const { context_length, short_context } = task.manifest;
  Object.assign(running, { id, isStopping: false });
  try {
    const ids = text.encodeBeginning(prompt);
    checkPrompt(ids, context_length);
    const start = performance.now();
    const held_tokens = await prefill(conversation, ids, short_context, isStopping);
    const prefill_ms = performance.now() - start;
    reply({ kind: "prefilled", id, prefilled: { prompt_tokens: ids.length, held_tokens, prefill_ms } });
  } finally {
    running.id = 0;
  }
}

/** @returns {Grammars} of the model */
function grammars() {
  const loaded = /** @type {Model} */ (model);
  const { vocab_size, tokenizer } = loaded.task.manifest;
  return (loaded.grammars ??= new Grammars(loaded.text.vocabulary(vocab_size), tokenizer.eos_token_ids));
}

const channel = new MessageChannel();
/**
 * Lets a waiting "stop" message in; unlike setTimeout a channel adds no delay.
 * @returns {Promise<boolean>}
 */
function isStopping() {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve(running.isStopping);
    channel.port2.postMessage(null);
  });
}

/** @param {Uint8Array} bytes  JSON */
function parse(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}
