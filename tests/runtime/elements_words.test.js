import assert from "node:assert/strict";
import test from "node:test";
import { SitegenError } from "../../sitegen/runtime/protocol.js";
import {
  explain,
  parameters,
  place,
  size,
  sizeOf,
  speed,
  timeLeft,
  wholeSentences,
} from "../../sitegen/runtime/elements/words.js";

test("sizes have the unit a reader expects and no false precision", () => {
  assert.deepEqual([1, 400_000, 3_800_000, 9_960_000, 31_200_000, 1_240_000_000].map(size), [
    "1 KB",
    "400 KB",
    "3.8 MB",
    "10 MB",
    "31 MB",
    "1.24 GB",
  ]);
  assert.equal(sizeOf(12_400_000, 31_200_000), "12 of 31 MB");
  assert.equal(sizeOf(0, 3_800_000), "0.0 of 3.8 MB");
  assert.equal(sizeOf(143_000_000, 1_240_000_000), "0.14 of 1.24 GB");
});

test("parameters are counted in words", () => {
  assert.deepEqual([512, 8_300_000, 134_515_008, 1_240_000_000].map(parameters), [
    "512",
    "8.3 million",
    "135 million",
    "1.2 billion",
  ]);
});

test("the time left is rounded, and silent when nothing is known", () => {
  assert.deepEqual([1, 18, 54, 70, 3000, 9000, Infinity].map(timeLeft), [
    "a moment left",
    "about 20 seconds left",
    "about 55 seconds left",
    "about 1 minute left",
    "about 50 minutes left",
    "more than an hour left",
    "",
  ]);
});

test("a speed is shown only when there is one", () => {
  assert.deepEqual([null, undefined, 0, 3.14, 24.3].map(speed), ["", "", "", "3.1 tokens/s", "24 tokens/s"]);
});

test("where a model runs is said in words", () => {
  assert.equal(place("webgpu"), "your graphics processor (WebGPU)");
  assert.equal(place("wasm"), "your processor (WebAssembly)");
  assert.equal(place("wasm", 1), "your processor (WebAssembly, 1 thread)");
  assert.equal(place("wasm", 4), "your processor (WebAssembly, 4 threads)");
});

test("an interrupted download can go on, and says that nothing is lost", () => {
  const error = new SitegenError("download-failed", "The host answered 503.");
  const { title, text, canRetry } = explain(error, true);
  assert.equal(title, "The download stopped");
  assert.equal(text, "The host answered 503. What has arrived is kept.");
  assert.equal(canRetry, true);
  assert.equal(explain(error).text, "The host answered 503.");
});

test("what another try cannot mend offers none", () => {
  for (const kind of ["no-backend", "insecure-context", "unknown-model", "bad-request"]) {
    assert.equal(explain(new SitegenError(kind, "No.")).canRetry, false, kind);
  }
});

test("an error of unknown origin is still explained", () => {
  assert.deepEqual(explain(new TypeError("x is undefined")), {
    kind: "engine-failed",
    title: "The model stopped working",
    text: "x is undefined",
    canRetry: true,
  });
  assert.equal(explain("broken").text, "broken");
});

test("only whole sentences are spoken", () => {
  assert.deepEqual(wholeSentences("The fox ran. It st"), ["The fox ran. ", "It st"]);
  assert.deepEqual(wholeSentences("version 1.5 of"), ["", "version 1.5 of"]);
  assert.deepEqual(wholeSentences('"Run!" she said. "Now'), ['"Run!" she said. ', '"Now']);
  assert.deepEqual(wholeSentences("她走了。他"), ["她走了。", "他"]);
  assert.deepEqual(wholeSentences("One\nTwo"), ["One\n", "Two"]);
});
