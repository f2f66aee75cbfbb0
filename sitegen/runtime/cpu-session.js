/**
 * A graph on the CPU: onnxruntime's WebAssembly module, driven without its JavaScript.
 *
 * That JavaScript copies every tensor into the module's memory and out again, at each token: of a
 * long conversation the whole cache. Here the cache stays in that memory, and where the graph allows
 * it (`cache_in_place`) the layers write what is new behind what is old: nothing is copied.
 * The functions called are those that it calls itself, of the version that is pinned:
 * https://github.com/microsoft/onnxruntime/blob/v1.30.0/onnxruntime/wasm/api.h
 */

import { allocate, check, heap, names, onStack, read } from "./wasm-memory.js";

/** @typedef {import("./protocol.js").LoadTask} LoadTask */
/** @typedef {import("./sequence.js").CacheTensor} CacheTensor */

const FLOAT32 = 1;
const INT64 = 7;
const ON_CPU = 1;
const EVERY_OPTIMIZATION = 99;
const ERRORS = 3; // the least severity that is logged

/**
 * @typedef {object} Held  one tensor of a cache
 * @property {number} value  OrtValue
 * @property {number} bytes  where its numbers are, when this side allocated them; else 0
 */

/**
 * @typedef {object} CpuCache
 * @property {Held[]} held
 * @property {number} capacity  tokens there is room for
 */

/**
 * Start the module. A worker can hold one.
 * @param {LoadTask} task
 * @param {Uint8Array<ArrayBuffer>} binary  the gunzipped .wasm
 * @param {string} root  URL of `_sitegen/`
 * @returns {Promise<any>} Emscripten's module
 */
export async function startModule({ build, threads }, binary, root) {
  const { default: start } = await import(new URL(build.modules[0], root).href);
  // Compiled here, because the module would keep the binary.
  const compiled = await WebAssembly.compile(binary);
  const module = await new Promise((resolve, reject) => {
    /** @type {(imports: any, done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void) => void} */
    const instantiateWasm = (imports, done) => {
      WebAssembly.instantiate(compiled, imports).then((instance) => done(instance, compiled), reject);
    };
    start({ numThreads: threads, instantiateWasm }).then(resolve, reject);
  });
  check(module, module._OrtInit(threads, ERRORS));
  return module;
}

export class CpuSession {
  /**
   * @param {any} module
   * @param {number} session
   * @param {LoadTask} task
   * @param {CacheTensor[]} cache
   */
  constructor(module, session, { variant }, cache) {
    this.module = module;
    this.session = session;
    this.cache = cache;
    this.inPlace = variant.cache_in_place;
    this.canRewind = cache.every(({ kind }) => kind === "attention");
    const fed = ["input_ids", "attention_mask", "num_logits_to_keep"];
    this.inputs = names(module, [...fed, ...cache.map(({ past }) => past)]);
    this.outputs = names(module, ["logits", ...cache.map(({ present }) => present)]);
    this.options = module._OrtCreateRunOptions(ERRORS, 0, false, 0);
    /** Settles when the device is gone: a CPU never is. @type {Promise<unknown>} */
    this.lost = new Promise(() => {});
  }

  /**
   * @param {any} module  of `startModule`
   * @param {LoadTask} task
   * @param {Uint8Array<ArrayBuffer>} graph  ONNX
   * @param {Uint8Array<ArrayBuffer> | Blob} weights  the joined external file
   * @param {CacheTensor[]} cache
   */
  static async open(module, task, graph, weights, cache) {
    const options = module._OrtCreateSessionOptions(EVERY_OPTIMIZATION, false, false, 0, false, 0, 0, ERRORS, 0, 0);
    const at = allocate(module, graph.length);
    heap(module).set(graph, at);
    const { name } = task.variant.weights;
    module.mountExternalData(name, weights instanceof Blob ? readable(weights) : weights);
    try {
      const session = await module._OrtCreateSession(at, graph.length, options);
      if (!session) check(module, 1);
      return new CpuSession(module, session, task, cache);
    } finally {
      module.unmountExternalData();
      module._free(at);
      module._OrtReleaseSessionOptions(options);
    }
  }

  /** @returns {CpuCache} the cache of no token */
  newCache() {
    return { held: this.cache.map((tensor) => this.#zeros(tensor, 0)), capacity: 0 };
  }

  /**
   * Make room for so many tokens, of which `used` are there.
   * @param {CpuCache} cache
   * @param {number} capacity
   * @param {number} used
   */
  grow(cache, capacity, used) {
    if (!this.inPlace || capacity <= cache.capacity) return;
    for (let n = 0; n < cache.held.length; n++) {
      const tensor = this.cache[n];
      if (tensor.kind !== "attention") continue;
      const old = cache.held[n];
      const grown = this.#zeros(tensor, capacity);
      const { bytes, dims } = this.#numbers(old.value); // another room, where growing failed half-way
      if (used > 0) copyHeads(heap(this.module), tensor, [bytes, dims[2]], [grown.bytes, capacity], used);
      this.#release(old);
      cache.held[n] = grown;
    }
    cache.capacity = capacity;
  }

  /**
   * Run ids after what the cache holds, which then holds them, too.
   * @param {CpuCache} cache  with room for `total`
   * @param {number[]} ids
   * @param {number} total  tokens afterwards
   * @param {number} keep  of how many of the last positions the logits are wanted
   * @returns {Float32Array} (keep * vocab,)
   */
  run(cache, ids, total, keep) {
    const { module } = this;
    const stack = module.stackSave();
    const fed = [
      this.#integers(BigInt64Array.from(ids, BigInt), [1, ids.length]),
      this.#integers(new BigInt64Array(total).fill(1n), [1, total]),
      this.#integers(BigInt64Array.of(BigInt(keep)), []),
    ];
    try {
      const before = cache.held.map(({ value }) => value);
      const stays = this.cache.map(({ kind }) => this.inPlace && kind === "attention");
      const given = onStack(module, [...fed.map(({ value }) => value), ...before]);
      const made = onStack(module, [0, ...before.map((value, n) => (stays[n] ? value : 0))]);
      const { session, inputs: from, outputs: to, options } = this;
      check(module, module._OrtRun(session, from.at, given, from.count, to.at, to.count, made, options));
      const [logits, ...after] = read(module, made, to.count);
      after.forEach((value, n) => {
        if (stays[n]) return;
        this.#release(cache.held[n]);
        cache.held[n] = { value, bytes: 0 };
      });
      const { data } = this.#numbers(logits);
      const found = new Float32Array(data.slice().buffer);
      module._OrtReleaseTensor(logits);
      return found;
    } finally {
      module.stackRestore(stack);
      for (const each of fed) this.#release(each);
    }
  }

  /**
   * Forget all but the first `length` tokens.
   * @param {CpuCache} cache
   * @param {number} length
   */
  rewind(cache, length) {
    if (this.inPlace) return; // what comes next is written over them
    for (let n = 0; n < cache.held.length; n++) {
      const old = cache.held[n];
      const { bytes, dims } = this.#numbers(old.value);
      const cut = this.#zeros(this.cache[n], length);
      copyHeads(heap(this.module), this.cache[n], [bytes, dims[2]], [cut.bytes, length], length);
      this.#release(old);
      cache.held[n] = cut;
    }
  }

  /** @param {CpuCache} cache */
  free(cache) {
    for (const held of cache.held) this.#release(held);
    cache.held = [];
  }

  /** Free the weights; the session is not to be used afterwards. */
  release() {
    const { module } = this;
    module._OrtReleaseSession(this.session);
    module._OrtReleaseRunOptions(this.options);
    for (const { at } of [this.inputs, this.outputs]) module._free(at);
  }

  /**
   * @param {CacheTensor} tensor
   * @param {number} tokens
   * @returns {Held}
   */
  #zeros(tensor, tokens) {
    const dims = tensor.kind === "attention" ? tensor.shape.with(2, tokens) : tensor.shape;
    const size = 4 * dims.reduce((product, length) => product * length, 1);
    const bytes = size === 0 ? 0 : allocate(this.module, size);
    heap(this.module).fill(0, bytes, bytes + size);
    return { value: this.#tensor(FLOAT32, bytes, size, dims), bytes };
  }

  /**
   * @param {BigInt64Array<ArrayBuffer>} values
   * @param {number[]} dims
   * @returns {Held}
   */
  #integers(values, dims) {
    const bytes = allocate(this.module, values.byteLength);
    heap(this.module).set(new Uint8Array(values.buffer), bytes);
    return { value: this.#tensor(INT64, bytes, values.byteLength, dims), bytes };
  }

  /**
   * @param {number} type
   * @param {number} bytes
   * @param {number} size
   * @param {number[]} dims
   */
  #tensor(type, bytes, size, dims) {
    const { module } = this;
    const stack = module.stackSave();
    const value = module._OrtCreateTensor(type, bytes, size, onStack(module, dims), dims.length, ON_CPU);
    module.stackRestore(stack);
    if (!value) check(module, 1);
    return value;
  }

  /** @param {number} value  OrtValue of float32 */
  #numbers(value) {
    const { module } = this;
    const stack = module.stackSave();
    const at = onStack(module, [0, 0, 0, 0]); // type, data, dims, their count
    check(module, module._OrtGetTensorData(value, at, at + 4, at + 8, at + 12));
    const [, bytes, shape, rank] = read(module, at, 4);
    const dims = read(module, shape, rank);
    module._OrtFree(shape);
    module.stackRestore(stack);
    const size = 4 * dims.reduce((product, length) => product * length, 1);
    return { bytes, dims, data: heap(module).subarray(bytes, bytes + size) };
  }

  /** @param {Held} held */
  #release({ value, bytes }) {
    this.module._OrtReleaseTensor(value);
    if (bytes) this.module._free(bytes);
  }
}

/**
 * What the module asks of the Uint8Array that it expects: a Blob is read tensor by tensor, and no
 * second copy of the weights is made. Workers alone can.
 * @param {Blob} blob
 */
function readable(blob) {
  const reader = new FileReaderSync();
  return {
    byteLength: blob.size,
    subarray: (/** @type {number} */ start, /** @type {number} */ end) =>
      new Uint8Array(reader.readAsArrayBuffer(blob.slice(start, end))),
  };
}

/**
 * Copy the first `used` tokens of each head from one buffer to another.
 * @param {Uint8Array} memory
 * @param {CacheTensor} tensor
 * @param {[number, number]} from  where it begins, and its tokens a head
 * @param {[number, number]} to
 * @param {number} used
 */
function copyHeads(memory, { shape: [, heads, , width] }, [from, fromTokens], [to, toTokens], used) {
  const token = 4 * width;
  for (let head = 0; head < heads; head++) {
    const start = from + head * fromTokens * token;
    memory.copyWithin(to + head * toTokens * token, start, start + used * token);
  }
}
