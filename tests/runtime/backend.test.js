import assert from "node:assert/strict";
import test from "node:test";
import { choose, chooseThreads, noBackendError } from "../../sitegen/runtime/backend.js";

const variant = (name, backends, features = []) => ({ name, backends, features });
const QUANTIZED = {
  variants: [
    variant("webgpu-f16", ["webgpu"], ["shader-f16"]),
    variant("webgpu-f32", ["webgpu"]),
    variant("wasm", ["wasm"]),
  ],
};
const EXACT = { variants: [variant("fp32", ["webgpu", "wasm"])] };
const PLAIN = { gpu: null, gpuReason: "this browser has no WebGPU", hasJspi: false };
const CARD = { ...PLAIN, gpu: { features: ["shader-f16"], is_software: false } };
const LINUX = { ...CARD, gpu: { features: [], is_software: false }, hasJspi: true };
const SOFTWARE = { ...CARD, gpu: { features: [], is_software: true }, hasJspi: true };

for (const [what, manifest, browser, wanted, expected] of [
  ["a card with shader-f16", QUANTIZED, CARD, "auto", ["webgpu-f16 asyncify", "webgpu-f32 asyncify", "wasm wasm"]],
  ["a card without shader-f16", QUANTIZED, LINUX, "auto", ["webgpu-f32 jspi", "wasm wasm"]],
  ["no WebGPU", QUANTIZED, PLAIN, "auto", ["wasm wasm"]],
  ["WebGPU in software", QUANTIZED, SOFTWARE, "auto", ["wasm wasm"]],
  ["WebGPU in software, asked for", QUANTIZED, SOFTWARE, "webgpu", ["webgpu-f32 jspi"]],
  ["wasm asked for", QUANTIZED, CARD, "wasm", ["wasm wasm"]],
  ["one variant, two backends", EXACT, LINUX, "auto", ["fp32 jspi", "fp32 wasm"]],
  ["webgpu asked for, not there", QUANTIZED, PLAIN, "webgpu", []],
]) {
  test(`${what}: ${expected.join(", ") || "nothing"}`, () => {
    const { candidates } = choose(manifest, browser, wanted);
    assert.deepEqual(candidates.map((c) => `${c.variant.name} ${c.buildName}`), expected);
  });
}

test("a candidate knows why those before it were refused, and nothing of those behind", () => {
  const [first] = choose(QUANTIZED, LINUX, "webgpu").candidates;
  assert.deepEqual(first.refusals, [{ variant: "webgpu-f16", reason: "no shader-f16" }]);
});

test("nothing left: the sentence names every reason", () => {
  const error = noBackendError(choose(EXACT, PLAIN, "webgpu").refusals);
  assert.equal(error.kind, "no-backend");
  assert.match(error.message, /fp32: this browser has no WebGPU; fp32: webgpu was asked for/);
});

test("threads: half the cores, at most 4, one without isolation", () => {
  const threads = (cores, isIsolated, wanted) => chooseThreads({ cores, isIsolated }, wanted);
  assert.deepEqual([1, 2, 3, 8, 64].map((cores) => threads(cores, true)), [1, 1, 2, 4, 4]);
  assert.equal(threads(8, false), 1);
  assert.equal(threads(8, false, 4), 1);
  assert.equal(threads(2, true, 2), 2);
});
