import assert from "node:assert/strict";
import test from "node:test";
import { Tensor } from "onnxruntime-common";
import { Sequence, cacheTensors, halfToFloat } from "../../sitegen/runtime/engine.js";
import { readOracle } from "./oracle.js";

const { layers, tensors } = readOracle("cache");

test("the cache's tensors are those that Python names, layer by layer", () => {
  assert.deepEqual(cacheTensors(layers), tensors);
});

for (const dtype of ["float32", "float16"]) {
  test(`a sequence begins with the past of no token, in ${dtype}`, () => {
    const { length, past } = new Sequence({ ort: { Tensor }, cache: cacheTensors(layers), dtype });
    assert.equal(length, 0);
    assert.deepEqual(Object.keys(past), tensors.map((tensor) => tensor.past));
    for (const tensor of tensors) {
      const { type, dims, data } = past[tensor.past];
      assert.deepEqual([type, dims], [dtype, tensor.shape]);
      // Keys and values of nothing, and zeros for a convolution to begin with.
      assert.equal(data.length, tensor.shape.reduce((product, length) => product * length));
      assert.ok(data.every((value) => value === 0));
    }
  });
}

test("half floats: every kind of number", () => {
  const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
  const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, -2, 65504, Infinity, -Infinity, NaN];
  assert.deepEqual([...halfToFloat(bits)], values);
});
