/**
 * A graph on WebGPU, through onnxruntime-web: the cache stays in buffers of the graphics card.
 */

/** @typedef {import("onnxruntime-common")} Ort */
/** @typedef {import("onnxruntime-common").Tensor} Tensor */
/** @typedef {import("onnxruntime-common").InferenceSession} InferenceSession */
/** @typedef {import("./protocol.js").LoadTask} LoadTask */
/** @typedef {import("./sequence.js").CacheTensor} CacheTensor */

/** @typedef {any} GPUBuffer */
/** @typedef {any} GPUDevice */

/**
 * @typedef {object} GpuCache
 * @property {Tensor[]} tensors  of the attention layers none where it is in place and has no room
 * @property {GPUBuffer[]} buffers  of those that are in place
 * @property {number} capacity  tokens there is room for
 */

const STORAGE = 0x80;
const COPY = 0x4 | 0x8; // from and to

/**
 * Start onnxruntime-web. A worker can hold one build: its binary is compiled into the module.
 * @param {LoadTask} task
 * @param {Uint8Array<ArrayBuffer>} binary  the gunzipped .wasm
 * @param {string} root  URL of `_sitegen/`
 * @returns {Promise<Ort>}
 */
export async function startOrt({ build, threads }, binary, root) {
  const [glue, entry] = build.modules.map((path) => new URL(path, root).href);
  const ort = await import(entry);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.wasmPaths = { mjs: glue };
  return ort;
}

export class GpuSession {
  /**
   * @param {Ort} ort
   * @param {InferenceSession} session
   * @param {GPUDevice} device
   * @param {LoadTask} task
   * @param {CacheTensor[]} cache
   */
  constructor(ort, session, device, { variant }, cache) {
    this.ort = ort;
    this.session = session;
    this.device = device;
    this.dtype = variant.dtype;
    this.cache = cache;
    this.inPlace = variant.cache_in_place;
    this.canRewind = this.inPlace && cache.every(({ kind }) => kind === "attention");
    /** @type {Promise<unknown>} */
    this.lost = device.lost;
  }

  /**
   * @param {Ort} ort  of `startOrt`
   * @param {LoadTask} task
   * @param {Uint8Array<ArrayBuffer>} graph  ONNX
   * @param {Uint8Array<ArrayBuffer> | Blob} weights  the joined external file
   * @param {CacheTensor[]} cache
   */
  static async open(ort, task, graph, weights, cache) {
    /** @type {Record<string, "cpu" | "gpu-buffer">} */
    const places = { logits: "cpu" };
    for (const { present } of cache) places[present] = "gpu-buffer";
    const session = await ort.InferenceSession.create(graph, {
      executionProviders: ["webgpu"],
      // Errors only: it warns of the shape nodes that it rightly leaves to the CPU.
      logSeverityLevel: 3,
      externalData: [{ path: task.variant.weights.name, data: /** @type {any} */ (weights) }],
      preferredOutputLocation: places,
    });
    const device = await /** @type {any} */ (ort.env).webgpu.device;
    return new GpuSession(ort, session, device, task, cache);
  }

  /** @returns {GpuCache} the cache of no token */
  newCache() {
    return { tensors: this.cache.map(({ shape }) => this.#zeros(shape)), buffers: [], capacity: 0 };
  }

  /**
   * Make room for so many tokens, of which `used` are there.
   * @param {GpuCache} cache
   * @param {number} capacity
   * @param {number} used
   */
  grow(cache, capacity, used) {
    if (!this.inPlace || capacity <= cache.capacity) return;
    const encoder = this.device.createCommandEncoder();
    const old = cache.buffers;
    cache.buffers = [];
    this.cache.forEach(({ kind, shape }, n) => {
      if (kind !== "attention") return;
      const [, heads, , width] = shape;
      const token = width * (this.dtype === "float16" ? 2 : 4);
      const buffer = this.device.createBuffer({ size: heads * capacity * token, usage: STORAGE | COPY });
      for (let head = 0; head < heads && used > 0; head++) {
        const [from, to] = [cache.capacity, capacity].map((tokens) => head * tokens * token);
        encoder.copyBufferToBuffer(old[cache.buffers.length], from, buffer, to, used * token);
      }
      cache.buffers.push(buffer);
      const dims = shape.with(2, capacity);
      cache.tensors[n] = this.ort.Tensor.fromGpuBuffer(buffer, { dataType: this.dtype, dims });
    });
    this.device.queue.submit([encoder.finish()]);
    for (const buffer of old) buffer.destroy();
    cache.capacity = capacity;
  }

  /**
   * Run ids after what the cache holds, which then holds them, too.
   * @param {GpuCache} cache  with room for `total`
   * @param {number[]} ids
   * @param {number} total  tokens afterwards
   * @param {number} keep  of how many of the last positions the logits are wanted
   * @returns {Promise<Float32Array>} (keep * vocab,)
   */
  async run(cache, ids, total, keep) {
    const { Tensor } = this.ort;
    /** @type {Record<string, Tensor>} */
    const feeds = {
      input_ids: new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      attention_mask: new Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
      num_logits_to_keep: new Tensor("int64", BigInt64Array.of(BigInt(keep)), []),
    };
    /** @type {Record<string, Tensor | null>} */
    const fetches = { logits: null };
    this.cache.forEach(({ kind, past, present }, n) => {
      feeds[past] = cache.tensors[n];
      fetches[present] = this.inPlace && kind === "attention" ? cache.tensors[n] : null;
    });
    const found = await this.session.run(feeds, fetches);
    this.cache.forEach(({ present }, n) => {
      if (fetches[present] !== null) return;
      free(cache.tensors[n]);
      cache.tensors[n] = found[present];
    });
    const { data } = /** @type {any} */ (found.logits);
    return this.dtype === "float16" ? halfToFloat(data) : data;
  }

  /** What comes next is written over the tokens that are forgotten. */
  rewind() {}

  /** @param {GpuCache} cache */
  free(cache) {
    if (cache.buffers.length > 0) for (const buffer of cache.buffers) buffer.destroy();
    else for (const tensor of cache.tensors) free(tensor);
    cache.tensors = [];
    cache.buffers = [];
  }

  /** Free the weights; the session is not to be used afterwards. */
  async release() {
    await this.session.release();
  }

  /** @param {number[]} shape */
  #zeros(shape) {
    const { Tensor } = this.ort;
    const size = shape.reduce((product, length) => product * length, 1);
    return this.dtype === "float16"
      ? new Tensor("float16", new Uint16Array(size), shape)
      : new Tensor("float32", new Float32Array(size), shape);
  }
}

/** @param {Tensor} tensor  a GPU buffer that onnxruntime made, or the first, empty one */
function free(tensor) {
  if (tensor.location === "gpu-buffer") tensor.dispose();
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
