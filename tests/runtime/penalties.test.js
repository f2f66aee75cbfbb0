import assert from "node:assert/strict";
import test from "node:test";
import { createHistory, penalize } from "../../sitegen/runtime/penalties.js";
import { distribution, sample } from "../../sitegen/runtime/sampling.js";
import { readOracle } from "./oracle.js";

const cases = readOracle("processors").map(({ prompt, answer, logits, ...rest }) => {
  const history = createHistory(prompt);
  answer.forEach(history.add);
  return { history, logits: Float32Array.from(logits), ...rest };
});
const never = () => assert.fail("greedy needs no random number");

test("penalties and bias change scores bit for bit as transformers does, and greedy follows", () => {
  const greedy = cases.filter(({ options }) => options.temperature === 0);
  assert.ok(greedy.length >= 20);
  for (const { options, history, logits, scores } of greedy) {
    const before = logits.slice();
    assert.deepEqual(penalize(logits, options, history), Float32Array.from(scores), JSON.stringify(options));
    assert.deepEqual(logits, before, "the logits stay as they were");
    const best = scores.indexOf(Math.max(...scores));
    assert.equal(sample(logits, options, history, never), best);
  }
});

test("all options together, in the order of transformers, keep its tokens and probabilities", () => {
  for (const { options, history, logits, ids, probabilities } of cases) {
    if (options.temperature === 0) continue;
    const got = distribution(penalize(logits, options, history), options);
    assert.deepEqual(got.ids, ids, JSON.stringify(options));
    got.probabilities.forEach((p, i) => {
      // PyTorch rounds to float32 at each step.
      assert.ok(Math.abs(p - probabilities[i]) <= 1e-5 * probabilities[i], JSON.stringify(options));
    });
  }
});

test("a history counts the answer, and has seen the prompt too", () => {
  const history = createHistory([3, 4]);
  assert.deepEqual([5, 4, 5].map(history.add), [5, 4, 5]);
  assert.deepEqual([...history.seen].sort(), [3, 4, 5]);
  assert.deepEqual([...history.counts], [[5, 2], [4, 1]]);
});

test("without penalties the logits are not copied", () => {
  const { history } = cases[0];
  const options = { logit_bias: {}, repetition_penalty: 1, frequency_penalty: 0, presence_penalty: 0 };
  const logits = Float32Array.of(1, 2);
  assert.equal(penalize(logits, options, history), logits);
});
