import assert from "node:assert/strict";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { gunzip } from "../../sitegen/runtime/engine.js";
import { halfToFloat } from "../../sitegen/runtime/gpu-session.js";
import { Sequence, cacheTensors, room } from "../../sitegen/runtime/sequence.js";
import { readOracle } from "./oracle.js";

const { layers, tensors } = readOracle("cache");

test("the cache's tensors are those that Python names, layer by layer", () => {
  assert.deepEqual(
    cacheTensors(layers).map(({ past, present, shape }) => ({ past, present, shape })),
    tensors,
  );
});

/** A session that tells what it was given; its cache is an array of the tokens in it. */
function recorder({ canRewind = true } = {}) {
  const runs = [];
  const session = {
    canRewind,
    caches: 0,
    newCache: () => {
      session.caches += 1;
      return { tokens: [], room: 0 };
    },
    grow: (cache, capacity, used) => {
      assert.equal(used, cache.tokens.length);
      cache.room = capacity;
    },
    run: (cache, ids, total, keep) => {
      runs.push({ ids, past: cache.tokens.length, room: cache.room, keep });
      cache.tokens.push(...ids);
      assert.equal(cache.tokens.length, total);
      return Float32Array.of(runs.length);
    },
    rewind: (cache, length) => cache.tokens.splice(length),
    free: (cache) => {
      session.caches -= 1;
      cache.tokens = null;
    },
    lost: new Promise(() => {}),
  };
  return { runs, session };
}

const sequenceOf = (session, short_context = null, context_length = 1000) =>
  new Sequence(session, { context_length, short_context });

test("each run goes on from the past of the one before", async () => {
  const { runs, session } = recorder();
  const sequence = sequenceOf(session);
  assert.deepEqual([...(await sequence.run([5, 6, 7]))], [1]);
  assert.deepEqual([...(await sequence.run([8], 1))], [2]);
  await sequence.run([9, 10], 2);
  assert.deepEqual(runs, [
    { ids: [5, 6, 7], past: 0, room: 256, keep: 1 },
    { ids: [8], past: 3, room: 256, keep: 1 },
    { ids: [9, 10], past: 4, room: 256, keep: 2 },
  ]);
  assert.deepEqual([sequence.length, sequence.ids], [6, [5, 6, 7, 8, 9, 10]]);
  sequence.dispose();
  assert.equal(session.caches, 0);
});

test("a sequence that outgrows its short context is computed again, once", async () => {
  const { runs, session } = recorder();
  const sequence = sequenceOf(session, 4);
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
  assert.deepEqual(sequence.ids, [5, 6, 7, 8, 9, 10]);
  assert.equal(session.caches, 1);
});

test("a prompt that is longer than the short context is computed once", async () => {
  const { runs, session } = recorder();
  const sequence = sequenceOf(session, 4);
  await sequence.run([5, 6, 7, 8, 9]);
  await sequence.run([10]);
  assert.deepEqual(runs.map(({ ids }) => ids), [[5, 6, 7, 8, 9], [10]]);
});

test("a sequence forgets its end, and all of it where that cannot be undone", async () => {
  for (const [canRewind, short, length, held] of [
    [true, null, 3, 3],
    [true, null, 9, 6],
    [true, null, 0, 0],
    [false, null, 3, 0],
    [true, 8, 3, 3],
    [true, 5, 3, 0], // its keys were turned the long way
    [true, 2, 3, 3],
  ]) {
    const { runs, session } = recorder({ canRewind });
    const sequence = sequenceOf(session, short);
    await sequence.run([1, 2, 3, 4, 5, 6]);
    assert.equal(sequence.rewind(length), held);
    assert.deepEqual(sequence.ids, [1, 2, 3, 4, 5, 6].slice(0, held));
    await sequence.run([7]);
    assert.deepEqual([runs.at(-1).ids, runs.at(-1).past], [[7], held]);
    assert.equal(session.caches, 1);
  }
});

test("what a failed run appended is not held", async () => {
  const { session } = recorder();
  const sequence = sequenceOf(session);
  await sequence.run([1, 2]);
  const { run } = session;
  session.run = () => {
    throw new Error("no memory");
  };
  await assert.rejects(sequence.run([3]), /no memory/);
  session.run = run;
  await sequence.run([4]);
  assert.deepEqual(sequence.ids, [1, 2, 4]);
});

test("room doubles, within the context", () => {
  assert.deepEqual([1, 256, 257, 600, 900].map((tokens) => room(tokens, 1000)), [256, 256, 512, 1000, 1000]);
  assert.equal(room(100, 128), 128);
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
