import assert from "node:assert/strict";
import test from "node:test";
import { generate, newFigures } from "../../sitegen/runtime/generate.js";
import { argmax, createRandom, sample } from "../../sitegen/runtime/sampling.js";
import { Speculation, continuation } from "../../sitegen/runtime/speculation.js";

/**
 * A model whose next token depends on the last two, by a table of logits.
 * @param {{ vocab: number, seed: number, spread: number }} kind
 */
function model({ vocab, seed, spread }) {
  const random = createRandom(seed);
  const table = Array.from({ length: vocab * vocab }, () =>
    Float32Array.from({ length: vocab }, () => spread * random()),
  );
  return (ids) => table[vocab * (ids.at(-2) ?? 0) + ids.at(-1)];
}

/** A sequence of it, that tells how many tokens each run had. */
function sequence(logitsAfter, { canRewind = true } = {}) {
  return {
    ids: [],
    runs: [],
    async run(ids, keep = 1) {
      const rows = [];
      for (const id of ids) {
        this.ids.push(id);
        rows.push(...logitsAfter(this.ids));
      }
      this.runs.push(ids.length);
      return Float32Array.from(rows.slice(-keep * logitsAfter([0]).length));
    },
    rewind(length) {
      if (length < this.ids.length) this.ids.length = canRewind ? length : 0;
      return this.ids.length;
    },
  };
}

const LIMITS = { context_length: 400, short_context: null, eos_token_ids: [0], max_new_tokens: 120 };
const SAMPLING = {
  ...{ temperature: 1, top_k: 0, top_p: 1, min_p: 0, logit_bias: {} },
  ...{ repetition_penalty: 1, frequency_penalty: 0, presence_penalty: 0 },
};

async function answer(logitsAfter, prompt, choose, speculation, { limits = LIMITS, ...kind } = {}) {
  const held = sequence(logitsAfter, kind);
  const figures = newFigures();
  const ids = [];
  for await (const id of generate(held, prompt, limits, choose, figures, { speculation })) ids.push(id);
  return { ids, figures, runs: held.runs, held: held.ids };
}

const prompts = (vocab, seed, count) => {
  const random = createRandom(seed);
  const id = () => Math.floor(vocab * random());
  return Array.from({ length: count }, () => Array.from({ length: 2 + id() }, id));
};

test("the greedy tokens are the same with guesses and without, for 200 prompts, in fewer runs", async () => {
  const [runs, plainRuns, guessed] = [[], [], []];
  for (const [n, prompt] of prompts(40, 1, 200).entries()) {
    const logitsAfter = model({ vocab: 40, seed: n, spread: 1 });
    const plain = await answer(logitsAfter, prompt, argmax, null);
    const found = await answer(logitsAfter, prompt, argmax, new Speculation(0.1));
    assert.deepEqual(found.ids, plain.ids);
    const { completion_tokens, finish_reason } = plain.figures;
    assert.deepEqual(
      [found.figures.completion_tokens, found.figures.finish_reason],
      [completion_tokens, finish_reason],
    );
    runs.push(found.runs.length);
    plainRuns.push(plain.runs.length);
    guessed.push(found.figures.guessed_tokens);
    assert.equal(plain.figures.guessed_tokens, 0);
    // Every token that was given out took a run or was guessed, but for those of the last guess.
    assert.ok(found.runs.length + found.figures.guessed_tokens >= completion_tokens);
  }
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  assert.ok(sum(guessed) > 1000);
  assert.ok(sum(runs) < 0.6 * sum(plainRuns));
});

test("the same seed gives the same text with guesses and without, and draws as often", async () => {
  let guessed = 0;
  const limits = { ...LIMITS, eos_token_ids: [] };
  for (const [n, prompt] of prompts(12, 2, 100).entries()) {
    const logitsAfter = model({ vocab: 12, seed: n, spread: 8 });
    const draws = [0, 0];
    const found = [];
    for (const [which, speculation] of [null, new Speculation(0.1)].entries()) {
      const random = createRandom(n);
      const counted = () => {
        draws[which] += 1;
        return random();
      };
      const choose = (logits) => sample(logits, SAMPLING, { seen: new Set(), counts: new Map() }, counted);
      found.push(await answer(logitsAfter, prompt, choose, speculation, { limits }));
    }
    assert.deepEqual(found[1].ids, found[0].ids);
    assert.equal(draws[1], draws[0]);
    guessed += found[1].figures.guessed_tokens;
  }
  assert.ok(guessed > 500, `${guessed} right guesses`);
});

test("guessed tokens come as often as they are probable: chi-square over three tokens", async () => {
  const vocab = 4;
  const logitsAfter = model({ vocab, seed: 5, spread: 2 });
  const prompt = [1, 2, 3, 1, 2, 1, 2]; // 3, 1, 2 is guessed
  const limits = { ...LIMITS, eos_token_ids: [], max_new_tokens: 3 };
  const rounds = 20000;
  const counts = new Float64Array(vocab ** 3);
  const random = createRandom(11);
  const choose = (logits) => sample(logits, SAMPLING, { seen: new Set(), counts: new Map() }, random);
  let guessed = 0;
  for (let n = 0; n < rounds; n++) {
    const { ids, figures } = await answer(logitsAfter, prompt, choose, new Speculation(0.1), { limits });
    counts[ids[0] * vocab ** 2 + ids[1] * vocab + ids[2]] += 1;
    guessed += figures.guessed_tokens;
  }
  assert.ok(guessed > rounds / 20);
  const probabilities = (logits) => {
    const weights = [...logits].map(Math.exp);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  };
  let statistic = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    const ids = [Math.floor(cell / vocab ** 2), Math.floor(cell / vocab) % vocab, cell % vocab];
    let expected = rounds;
    for (const [n, id] of ids.entries()) {
      expected *= probabilities(logitsAfter([...prompt, ...ids.slice(0, n)]))[id];
    }
    statistic += (counts[cell] - expected) ** 2 / expected;
  }
  assert.ok(statistic < 103.4, `chi-square of ${statistic} with 63 degrees of freedom`); // p = 0.001
});

test("each token is asked for once and in order, so that history and grammars may count along", async () => {
  const logitsAfter = model({ vocab: 30, seed: 3, spread: 1 });
  const said = [];
  const choose = (logits) => {
    // As a repetition penalty would: what was said twice is not said again.
    const scores = logits.slice();
    for (const id of new Set(said)) if (said.filter((each) => each === id).length > 1) scores[id] = -1;
    said.push(argmax(scores));
    return said.at(-1);
  };
  const limits = { ...LIMITS, max_new_tokens: 30, eos_token_ids: [] };
  const prompt = [5, 6, 7, 8, 5, 6];
  const plain = (await answer(logitsAfter, prompt, choose, null, { limits })).ids;
  assert.deepEqual(said.splice(0), plain);
  const found = (await answer(logitsAfter, prompt, choose, new Speculation(0.1), { limits })).ids;
  assert.deepEqual(found, plain);
  assert.deepEqual(said, plain);
});

test("what was guessed wrong is forgotten, and the end of the context is not guessed beyond", async () => {
  const logitsAfter = model({ vocab: 8, seed: 7, spread: 1 });
  for (const context_length of [20, 21, 22, 23, 24]) {
    const limits = { ...LIMITS, context_length, eos_token_ids: [] };
    const prompt = [1, 2, 3, 1, 2, 3, 1, 2];
    const plain = await answer(logitsAfter, prompt, argmax, null, { limits });
    const found = await answer(logitsAfter, prompt, argmax, new Speculation(0.1), { limits });
    assert.deepEqual(found.ids, plain.ids);
    assert.equal(found.figures.finish_reason, "length");
    assert.ok(found.held.length <= context_length);
    assert.deepEqual(found.held, [...prompt, ...found.ids].slice(0, found.held.length));
  }
});

test("a guess does not outgrow the short context", async () => {
  const logitsAfter = model({ vocab: 2, seed: 4, spread: 1 });
  const held = sequence(logitsAfter);
  const sizes = [];
  const { run } = held;
  held.run = function (ids, keep) {
    sizes.push([this.ids.length, this.ids.length + ids.length]);
    return run.call(this, ids, keep);
  };
  const limits = { ...LIMITS, short_context: 30, eos_token_ids: [], max_new_tokens: 60 };
  const figures = newFigures();
  const aids = { speculation: new Speculation(0.1) };
  for await (const id of generate(held, [1, 0, 1, 0], limits, argmax, figures, aids)) assert.ok(id < 2);
  assert.ok(figures.guessed_tokens > 20);
  const across = sizes.filter(([before, after]) => before < 30 && after > 30);
  assert.deepEqual(across, []);
});

test("where nothing can be undone the tokens are still right", async () => {
  const logitsAfter = model({ vocab: 20, seed: 9, spread: 1 });
  const prompt = [3, 4, 5, 3, 4];
  const limits = { ...LIMITS, eos_token_ids: [] };
  const plain = await answer(logitsAfter, prompt, argmax, null, { limits });
  const found = await answer(logitsAfter, prompt, argmax, new Speculation(0.1), { limits, canRewind: false });
  assert.deepEqual(found.ids, plain.ids);
});

test("what followed when the last tokens occurred last: of three, else of two", () => {
  assert.deepEqual(continuation([1, 2, 3, 9, 8, 1, 2, 3], 4), [9, 8, 1, 2]);
  assert.deepEqual(continuation([1, 2, 3, 9, 1, 2, 3, 7, 1, 2, 3], 2), [7, 1]);
  assert.deepEqual(continuation([2, 3, 9, 5, 4, 2, 3], 2), [9, 5]);
  assert.deepEqual(continuation([3, 9, 5, 4, 3], 2), []);
  assert.deepEqual(continuation([1, 1, 1], 3), [1]);
  assert.deepEqual(continuation([1, 2, 3, 9, 1, 2, 3], 0), []);
  assert.deepEqual(continuation([1], 4), []);
});

test("guesses that are right grow longer; those that do not win pause, longer each time, and return", () => {
  const good = new Speculation(0.1);
  const ids = Array.from({ length: 600 }, (_, n) => n % 10);
  const lengths = [100, 110, 120].map((total) => {
    const { length } = good.guess(ids.slice(0, total), Infinity);
    good.learn(length, length, total);
    return length;
  });
  assert.deepEqual(lengths, [4, 8, 8]);

  const bad = new Speculation(0.1);
  const tries = [];
  for (let total = 20; total < 600; total++) {
    const { length } = bad.guess(ids.slice(0, total), Infinity);
    if (length > 0) tries.push(total);
    bad.learn(length, 0, total);
  }
  assert.ok(tries.length < 20, `${tries.length} vain guesses`);
  assert.ok(tries.at(-1) > 200);
  const gaps = tries.slice(1).map((total, n) => total - tries[n]).filter((gap) => gap > 1);
  assert.deepEqual(gaps, gaps.toSorted((a, b) => a - b));
  assert.ok(gaps.length >= 3 && gaps[0] >= 16);
});
