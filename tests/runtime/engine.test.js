import assert from "node:assert/strict";
import test from "node:test";
import { Tensor } from "onnxruntime-common";
import { gzipSync } from "node:zlib";
import { Sequence, cacheTensors, gunzip, halfToFloat } from "../../sitegen/runtime/engine.js";
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

/** A session that tells what it was given, with the past by how many tokens it holds. */
function recorder(shortContext) {
  const runs = [];
  const freed = [];
  const state = (tokens) => {
    const tensor = new Tensor("float32", new Float32Array(tokens), [1, 1, tokens, 1]);
    Object.defineProperty(tensor, "location", { value: tokens === 0 ? "cpu" : "gpu-buffer" });
    return Object.assign(tensor, { dispose: () => freed.push(tokens) });
  };
  const session = {
    async run({ input_ids: ids, attention_mask: mask, num_logits_to_keep: keep, "past.0": past }) {
      runs.push({ ids: [...ids.data].map(Number), past: past.dims[2], mask: mask.dims, keep: Number(keep.data[0]) });
      assert.ok(mask.data.every((seen) => seen === 1n));
      return { logits: new Tensor("float32", Float32Array.of(runs.length), [1, 1, 1]), "present.0": state(mask.dims[1]) };
    },
  };
  const cache = [{ past: "past.0", present: "present.0", shape: [1, 1, 0, 1] }];
  return { runs, freed, engine: { ort: { Tensor }, session, cache, shortContext, dtype: "float32" } };
}

test("each run goes on from the past of the one before, whose memory is freed", async () => {
  const { runs, freed, engine } = recorder(null);
  const sequence = new Sequence(engine);
  assert.deepEqual([...(await sequence.run([5, 6, 7]))], [1]);
  assert.deepEqual([...(await sequence.run([8]))], [2]);
  await sequence.run([9, 10]);
  assert.deepEqual(runs, [
    { ids: [5, 6, 7], past: 0, mask: [1, 3], keep: 1 },
    { ids: [8], past: 3, mask: [1, 4], keep: 1 },
    { ids: [9, 10], past: 4, mask: [1, 6], keep: 1 },
  ]);
  assert.equal(sequence.length, 6);
  assert.deepEqual(freed, [3, 4]);
  sequence.dispose();
  assert.deepEqual(freed, [3, 4, 6]);
});

test("a sequence that outgrows its short context is computed again, once", async () => {
  const { runs, freed, engine } = recorder(4);
  const sequence = new Sequence(engine);
  for (const ids of [[5, 6, 7], [8], [9], [10]]) await sequence.run(ids);
  assert.deepEqual(
    runs.map(({ ids, past }) => ({ ids, past })),
    [
      { ids: [5, 6, 7], past: 0 },
      { ids: [8], past: 3 }, // as many as fit
      { ids: [5, 6, 7, 8, 9], past: 0 },
      { ids: [10], past: 5 },
    ],
  );
  assert.deepEqual(freed, [3, 4, 5]);
  assert.deepEqual(runs.at(2).mask, [1, 5]);
});

test("a prompt that is longer than the short context is computed once", async () => {
  const { runs, engine } = recorder(4);
  const sequence = new Sequence(engine);
  await sequence.run([5, 6, 7, 8, 9]);
  await sequence.run([10]);
  assert.deepEqual(runs.map(({ ids }) => ids), [[5, 6, 7, 8, 9], [10]]);
});

test("what was packed comes back, and is refused where it has another length", async () => {
  const text = new TextEncoder().encode("once upon a time");
  const packed = new Uint8Array(gzipSync(text));
  assert.deepEqual(await gunzip(packed), text);
  assert.deepEqual(await gunzip(packed, text.length), text);
  for (const bytes of [text.length - 1, text.length + 1]) {
    await assert.rejects(gunzip(packed, bytes), { kind: "engine-failed" });
  }
});

test("half floats: every kind of number", () => {
  const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
  const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, -2, 65504, Infinity, -Infinity, NaN];
  assert.deepEqual([...halfToFloat(bits)], values);
});
