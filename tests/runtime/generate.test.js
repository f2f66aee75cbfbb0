import assert from "node:assert/strict";
import test from "node:test";
import { generate, newFigures, selfCheck } from "../../sitegen/runtime/generate.js";
import { argmax } from "../../sitegen/runtime/sampling.js";

const VOCAB = 50;

/** A model that counts: after token n comes n + 1. Keeps what it was given. */
function counter() {
  const calls = [];
  return {
    calls,
    ids: [],
    rewind(length) {
      this.ids.length = length;
      return length;
    },
    async run(ids) {
      calls.push(ids);
      this.ids.push(...ids);
      const logits = new Float32Array(VOCAB);
      logits[(ids.at(-1) + 1) % VOCAB] = 1;
      return logits;
    },
  };
}

async function run(promptIds, limits) {
  const figures = newFigures();
  const model = counter();
  const all = { context_length: 100, short_context: null, eos_token_ids: [], max_new_tokens: 5, ...limits };
  const ids = [];
  for await (const id of generate(model, promptIds, all, argmax, figures)) ids.push(id);
  return { ids, figures, calls: model.calls };
}

test("the prompt is computed in one run, then a token a run", async () => {
  const { ids, calls, figures } = await run([1, 2, 3], {});
  assert.deepEqual(ids, [4, 5, 6, 7, 8]);
  assert.deepEqual(calls, [[1, 2, 3], [4], [5], [6], [7]]);
  assert.equal(figures.finish_reason, "length");
  assert.equal(figures.completion_tokens, 5);
});

test("an end token ends and is not given out", async () => {
  const { ids, figures } = await run([1, 2, 3], { eos_token_ids: [30, 6] });
  assert.deepEqual(ids, [4, 5]);
  assert.equal(figures.finish_reason, "stop");
  assert.equal(figures.completion_tokens, 2);
});

test("the context ends an answer", async () => {
  const { ids, figures } = await run([1, 2, 3], { context_length: 5 });
  assert.deepEqual(ids, [4, 5]);
  assert.equal(figures.finish_reason, "length");
});

test("a prompt that leaves no room, or is empty, is refused before anything runs", async () => {
  const limits = { context_length: 3 };
  await assert.rejects(run([1, 2, 3], limits), {
    kind: "context-full",
    message: /3 tokens long and this model takes 2 at most/,
  });
  await assert.rejects(run([], limits), { kind: "bad-request" });
});

test("a self-check compares every token", async () => {
  const check = { prompt_ids: [7, 8], next_ids: [9, 10, 11], tolerance: 0 };
  await selfCheck(counter(), check, argmax);
  const wrong = { ...check, next_ids: [9, 10, 12] };
  await assert.rejects(selfCheck(counter(), wrong, argmax), (error) => {
    assert.equal(error.kind, "self-check-failed");
    assert.deepEqual(error.detail, { expected: [9, 10, 12], got: [9, 10, 11] });
    return true;
  });
});
