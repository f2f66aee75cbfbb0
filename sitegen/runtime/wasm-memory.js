/**
 * Numbers and texts in the memory of onnxruntime's WebAssembly module, which has 32-bit addresses.
 */

/**
 * The module's memory now: it may have grown, in another thread, too.
 * @param {any} module
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function heap(module) {
  module.getValue(0, "i8"); // renews the view
  return module.HEAPU8;
}

/**
 * @param {any} module
 * @param {number} bytes
 */
export function allocate(module, bytes) {
  const at = module._malloc(bytes);
  if (at === 0) throw new Error(`out of memory: no ${bytes} bytes in a row are left`);
  return at >>> 0;
}

/**
 * Texts, one after the other, and where each begins.
 * @param {any} module
 * @param {string[]} texts
 * @returns {{ at: number, count: number }}  `at` is to be freed
 */
export function names(module, texts) {
  const sizes = texts.map((each) => module.lengthBytesUTF8(each) + 1);
  const at = allocate(module, 4 * texts.length + sizes.reduce((sum, size) => sum + size, 0));
  let end = at + 4 * texts.length;
  texts.forEach((each, n) => {
    module.setValue(at + 4 * n, end, "i32");
    module.stringToUTF8(each, end, sizes[n]);
    end += sizes[n];
  });
  return { at, count: texts.length };
}

/**
 * 32-bit numbers in memory that the caller's `stackRestore` takes back.
 * @param {any} module
 * @param {number[]} values
 */
export function onStack(module, values) {
  const at = module.stackAlloc(4 * values.length);
  values.forEach((value, n) => module.setValue(at + 4 * n, value, "i32"));
  return at;
}

/**
 * @param {any} module
 * @param {number} at
 * @param {number} count
 * @returns {number[]}
 */
export function read(module, at, count) {
  return Array.from({ length: count }, (_, n) => module.getValue(at + 4 * n, "i32") >>> 0);
}

/**
 * @param {any} module
 * @param {number} status
 */
export function check(module, status) {
  if (status === 0) return;
  const stack = module.stackSave();
  const at = onStack(module, [0, 0]); // code, message
  module._OrtGetLastError(at, at + 4);
  const [, message] = read(module, at, 2);
  module.stackRestore(stack);
  throw new Error(message ? module.UTF8ToString(message) : "onnxruntime failed without a word");
}
