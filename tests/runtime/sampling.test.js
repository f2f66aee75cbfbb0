import assert from "node:assert/strict";
import test from "node:test";
import { argmax, createRandom, distribution, sample } from "../../sitegen/runtime/sampling.js";
import { readOracle } from "./oracle.js";

const oracle = readOracle("sampling");

test("kept tokens and probabilities equal those of transformers", () => {
  for (const { logits, ids, probabilities, ...options } of oracle.cases) {
    const got = distribution(Float32Array.from(logits), options);
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
  assert.equal(sample(logits, { temperature: 0, top_k: 2, top_p: 0.5 }, never), 1);
});

test("draws follow the probabilities", () => {
  const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4], Math.log);
  const random = createRandom(7);
  const counts = [0, 0, 0, 0];
  const draws = 20000;
  for (let i = 0; i < draws; i++) {
    counts[sample(logits, { temperature: 1, top_k: 0, top_p: 1 }, random)] += 1;
  }
  // Four standard deviations of a binomial with p = 0.4: a fixed seed, so it holds or it does not.
  const allowed = 4 * Math.sqrt(draws * 0.4 * 0.6);
  [0.1, 0.2, 0.3, 0.4].forEach((p, id) => {
    assert.ok(Math.abs(counts[id] - p * draws) < allowed, `${id}: ${counts[id]}`);
  });
});

test("the same seed draws the same tokens, another seed others", () => {
  const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const draw = (seed) => {
    const random = createRandom(seed);
    return Array.from({ length: 30 }, () =>
      sample(logits, { temperature: 1.5, top_k: 0, top_p: 1 }, random),
    );
  };
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3), draw(4));
});
