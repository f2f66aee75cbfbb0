import assert from "node:assert/strict";
import test from "node:test";
import { createHistory } from "../../sitegen/runtime/penalties.js";
import { argmax, createRandom, distribution, sample } from "../../sitegen/runtime/sampling.js";
import { readOracle } from "./oracle.js";

const oracle = readOracle("sampling");

/** Options that change nothing; temperature 1. */
const NEUTRAL = {
  ...{ temperature: 1, top_k: 0, top_p: 1, min_p: 0, logit_bias: {} },
  ...{ repetition_penalty: 1, frequency_penalty: 0, presence_penalty: 0 },
};
const NOTHING = createHistory([]);

test("kept tokens and probabilities equal those of transformers", () => {
  for (const { logits, ids, probabilities, ...options } of oracle.cases) {
    const got = distribution(Float32Array.from(logits), { ...NEUTRAL, ...options });
    const name = JSON.stringify({ vocab: logits.length, ...options });
    assert.deepEqual(got.ids, ids, name);
    got.probabilities.forEach((p, i) => {
      assert.ok(Math.abs(p - probabilities[i]) <= 1e-6 * probabilities[i] + 1e-12, name);
    });
  }
});

test("the random numbers of a seed are those of xoshiro128**", () => {
  for (const { seed, outputs } of oracle.random) {
    const random = createRandom(seed);
    assert.deepEqual(outputs.map(() => random() * 2 ** 32), outputs, `seed ${seed}`);
  }
});

test("temperature 0 takes the largest logit, the lowest id of equal ones", () => {
  const logits = Float32Array.of(-1, 3, 3, 2);
  assert.equal(argmax(logits), 1);
  const never = () => assert.fail("greedy needs no random number");
  assert.equal(sample(logits, { ...NEUTRAL, temperature: 0, top_k: 2, top_p: 0.5 }, NOTHING, never), 1);
});

test("the same seed draws the same tokens, another seed others", () => {
  const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const draw = (seed) => {
    const random = createRandom(seed);
    return Array.from({ length: 30 }, () =>
      sample(logits, { ...NEUTRAL, temperature: 1.5 }, NOTHING, random),
    );
  };
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3), draw(4));
});

test("another backend's rounding changes no draw but those at a border", () => {
  const logits = Float32Array.from({ length: 400 }, (_, id) => ((id * 37) % 50) / 10);
  const rounded = logits.map((logit, id) => logit + ((id * 7) % 3) * 1e-6);
  for (const options of [NEUTRAL, { ...NEUTRAL, min_p: 0.23 }]) {
    const draw = (from) => {
      const random = createRandom(1);
      return Array.from({ length: 500 }, () => sample(from, options, NOTHING, random));
    };
    const [one, other] = [draw(logits), draw(rounded)];
    const changed = one.filter((id, n) => id !== other[n]).length;
    assert.ok(changed <= 2, `${changed} of 500 with ${JSON.stringify(options)}`);
  }
});

test("a token that cannot come is never drawn", () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity, 1);
  assert.deepEqual(distribution(logits, NEUTRAL).ids, [3, 1]);
  const almostOne = () => 1 - 2 ** -32;
  assert.equal(sample(Float32Array.of(0, 0, 0, -Infinity), NEUTRAL, NOTHING, almostOne), 2);
});

/**
 * What chi-square exceeds once in a thousand times, by degrees of freedom. Seeds are fixed: a case
 * holds or it does not.
 */
const CHI_SQUARE = [0, 10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124];
const DRAWS = 5000;

/** Pearson's statistic of counts against probabilities. */
function chiSquare(counts, probabilities) {
  return probabilities.reduce((sum, p, i) => sum + (counts[i] - DRAWS * p) ** 2 / (DRAWS * p), 0);
}

test("draws follow the probabilities of transformers, by chi-square", () => {
  const processed = readOracle("processors");
  const cases = processed.filter(({ ids, logits }) => ids?.length > 1 && logits.length === 9);
  assert.ok(cases.length >= 16, `${cases.length} cases`);
  for (const [number, { options, prompt, answer, logits, ids, probabilities }] of cases.entries()) {
    const history = createHistory(prompt);
    answer.forEach(history.add);
    // Cells of few expected draws are joined with the next, as the statistic asks for.
    const cells = probabilities.map((p, i) => ({ p, ids: [ids[i]] }));
    while (cells.length > 1 && cells.at(-1).p * DRAWS < 5) {
      const { p, ids: rare } = cells.pop();
      cells.at(-1).p += p;
      cells.at(-1).ids.push(...rare);
    }
    if (cells.length === 1) continue;
    for (const seed of [number, number + 1000]) {
      const random = createRandom(seed);
      const drawn = new Map();
      for (let i = 0; i < DRAWS; i++) {
        const id = sample(Float32Array.from(logits), options, history, random);
        drawn.set(id, (drawn.get(id) ?? 0) + 1);
      }
      for (const id of drawn.keys()) assert.ok(ids.includes(id), `${id} was to be left out`);
      const counts = cells.map((cell) => cell.ids.reduce((sum, id) => sum + (drawn.get(id) ?? 0), 0));
      const got = chiSquare(counts, cells.map(({ p }) => p));
      assert.ok(got < CHI_SQUARE[cells.length - 1], JSON.stringify({ options, seed, got, counts }));
    }
  }
});

test("the chi-square test finds a source that is a little off", () => {
  const probabilities = [0.4, 0.3, 0.2, 0.1];
  const logits = Float32Array.from(probabilities, Math.log);
  for (const [bend, fails] of [[0.05, true], [0, false]]) {
    const random = createRandom(5);
    const counts = [0, 0, 0, 0];
    const bent = () => random() * (1 - bend);
    for (let i = 0; i < DRAWS; i++) counts[sample(logits, NEUTRAL, NOTHING, bent)] += 1;
    assert.equal(chiSquare(counts, probabilities) > CHI_SQUARE[3], fails);
  }
});
