/**
 * One model in one onnxruntime-web session: ids in, logits out, KV cache in between.
 */

import { SitegenError } from "./protocol.js";

/** @typedef {import("onnxruntime-common")} Ort */
/** @typedef {import("onnxruntime-common").Tensor} Tensor */
/** @typedef {import("onnxruntime-common").InferenceSession} InferenceSession */
/** @typedef {import("./protocol.js").LoadTask} LoadTask */
/** @typedef {import("./protocol.js").Manifest} Manifest */

/**
 * Start the chosen build. A worker can hold one: its binary is compiled into the module.
 * @param {LoadTask} task
 * @param {Uint8Array<ArrayBuffer>} binary  the gunzipped .wasm
 * @param {string} root  URL of `_sitegen/`
 * @returns {Promise<Ort>}
 */
export async function startOrt({ build, threads }, binary, root) {
  const [entry, glue] = build.modules.map((path) => new URL(path, root).href);
  const ort = await import(entry);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.wasmPaths = { mjs: glue };
  return ort;
}

/**
 * @param {Uint8Array<ArrayBuffer>} packed  gzip
 * @param {number} [bytes]  expected length
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function gunzip(packed, bytes) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const unpacked = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bytes !== undefined && unpacked.length !== bytes) {
    throw new SitegenError(
      "engine-failed",
      `The engine unpacked to ${unpacked.length} bytes instead of ${bytes}. ` +
        "The site's owner must publish the site anew.",
    );
  }
  return unpacked;
}

export class Engine {
  /**
   * @param {Ort} ort
   * @param {InferenceSession} session
   * @param {LoadTask} task
   */
  constructor(ort, session, { manifest, variant, backend }) {
    this.ort = ort;
    this.session = session;
    this.cache = cacheTensors(manifest.cache);
    this.shortContext = manifest.short_context;
    this.dtype = variant.dtype;
    /** Settles when the graphics device is gone. @type {Promise<unknown>} */
    this.lost =
      backend === "webgpu"
        ? Promise.resolve(/** @type {any} */ (ort.env).webgpu.device).then(({ lost }) => lost)
        : new Promise(() => {});
  }

  /**
   * @param {Ort} ort
   * @param {LoadTask} task
   * @param {Uint8Array<ArrayBuffer>} graph  ONNX
   * @param {Uint8Array<ArrayBuffer> | Blob} weights  the joined external file
   */
  static async open(ort, task, graph, weights) {
    const { variant, backend, manifest } = task;
    /** @type {Record<string, "cpu" | "gpu-buffer">} */
    const places = { logits: "cpu" };
    for (const { present } of cacheTensors(manifest.cache)) places[present] = "gpu-buffer";
    const session = await ort.InferenceSession.create(graph, {
      executionProviders: [backend],
      // Errors only: on WebGPU it warns of the shape nodes that it rightly leaves to the CPU.
      logSeverityLevel: 3,
      externalData: [{ path: variant.weights.name, data: /** @type {any} */ (weights) }],
      ...(backend === "webgpu" ? { preferredOutputLocation: places } : {}),
    });
    return new Engine(ort, session, task);
  }

  /** An empty sequence. Several may exist; they share nothing but the weights. */
  newSequence() {
    return new Sequence(this);
  }
}

/** A token sequence and its cache; what the layers keep of `length` tokens, the next run uses. */
export class Sequence {
  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
    this.length = 0;
    /** @type {Record<string, Tensor>} */
    this.past = empty(engine);
    /** All tokens so far, while they may be needed again. @type {number[]} */
    this.ids = [];
  }

  /**
   * Append ids.
   * @param {number[]} ids
   * @returns {Promise<Float32Array>} logits (vocab,) after the last id
   */
  async run(ids) {
    const { ort, session, shortContext } = this.engine;
    const total = this.length + ids.length;
    if (shortContext !== null && this.length <= shortContext) {
      this.ids.push(...ids);
      if (this.length > 0 && total > shortContext) {
        this.dispose();
        this.past = empty(this.engine);
        ids = this.ids;
      }
    }
    const feeds = {
      input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      attention_mask: new ort.Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
      num_logits_to_keep: new ort.Tensor("int64", BigInt64Array.of(1n), []),
      ...this.past,
    };
    let outputs;
    try {
      outputs = await session.run(feeds);
    } catch (cause) {
      // The loss is told a moment after the failure.
      const soon = new Promise((resolve) => setTimeout(resolve, 100));
      if ((await Promise.race([this.engine.lost, soon])) === undefined) throw cause;
      throw new SitegenError(
        "device-lost",
        "The graphics card was reset or taken away. Load the model again.",
        { cause: String(cause) },
      );
    }
    this.dispose();
    for (const { past, present } of this.engine.cache) this.past[past] = outputs[present];
    this.length = total;
    const logits = outputs.logits; // (1, 1, vocab)
    return this.engine.dtype === "float16"
      ? halfToFloat(/** @type {any} */ (logits.data))
      : /** @type {Float32Array} */ (logits.data);
  }

  /** Free the cache's GPU buffers; the sequence is not to be used afterwards. */
  dispose() {
    for (const tensor of Object.values(this.past)) {
      if (tensor.location === "gpu-buffer") tensor.dispose();
    }
  }
}

/**
 * The tensors of a graph's cache, layer by layer; shapes with 0 for the tokens so far.
 * @param {Manifest["cache"]} layers
 * @returns {{ past: string, present: string, shape: number[] }[]}
 */
export function cacheTensors(layers) {
  return layers.flatMap((layer, n) => {
    if (layer.kind === "convolution") {
      const shape = [1, layer.length, layer.width];
      return [{ past: `past_convolution.${n}`, present: `present_convolution.${n}`, shape }];
    }
    const shape = [1, layer.heads, 0, layer.head_dim];
    return ["key", "value"].map((kind) => ({
      past: `past_key_values.${n}.${kind}`,
      present: `present.${n}.${kind}`,
      shape,
    }));
  });
}

/**
 * The past of no token.
 * @param {Engine} engine
 */
function empty(engine) {
  return Object.fromEntries(engine.cache.map(({ past, shape }) => [past, zeros(engine, shape)]));
}

/**
 * @param {Engine} engine
 * @param {number[]} shape
 */
function zeros({ ort, dtype }, shape) {
  const size = shape.reduce((product, length) => product * length, 1);
  return dtype === "float16"
    ? new ort.Tensor("float16", new Uint16Array(size), shape)
    : new ort.Tensor("float32", new Float32Array(size), shape);
}

/**
 * @param {Uint16Array | Float32Array} values  bits of float16, or a Float16Array where there is one
 * @returns {Float32Array}
 */
export function halfToFloat(values) {
  if (!(values instanceof Uint16Array)) return Float32Array.from(values);
  const floats = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = values[i] & 0x8000 ? -1 : 1;
    const exponent = (values[i] >> 10) & 0x1f;
    const fraction = values[i] & 0x3ff;
    if (exponent === 0) floats[i] = sign * fraction * 2 ** -24;
    else if (exponent === 31) floats[i] = fraction ? NaN : sign * Infinity;
    else floats[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return floats;
}
