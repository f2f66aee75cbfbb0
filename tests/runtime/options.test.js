import assert from "node:assert/strict";
import test from "node:test";
import { checkGenerateOptions, checkLoadOptions } from "../../sitegen/runtime/options.js";

const circle = {};
circle.self = circle;

for (const [value, shown] of [
  [10n, "10"],
  [NaN, "NaN"],
  [() => {}, "function"],
  [circle, "object"],
]) {
  test(`a wrong value is shown whatever it is: ${shown}`, () => {
    assert.throws(() => checkGenerateOptions({ max_new_tokens: value }, {}), {
      kind: "bad-request",
      message: `max_new_tokens must be a whole number above 0, not ${shown}.`,
    });
  });
}

test("an option that is undefined is as if it were not there", () => {
  assert.equal(checkLoadOptions({ backend: undefined }).backend, "auto");
  assert.equal(checkGenerateOptions({ temperature: undefined }, { temperature: 0.7 }).temperature, 0.7);
});

test("the model's own defaults stand where the page says nothing", () => {
  const defaults = { min_p: 0.1, repetition_penalty: 1.2 };
  const { min_p, repetition_penalty, logit_bias } = checkGenerateOptions({ min_p: 0 }, defaults);
  assert.deepEqual({ min_p, repetition_penalty, logit_bias }, { min_p: 0, repetition_penalty: 1.2, logit_bias: {} });
});

for (const [options, message] of [
  [{ min_p: 1.5 }, "min_p must be a number from 0 to 1, not 1.5."],
  [{ repetition_penalty: 0 }, "repetition_penalty must be a number above 0, not 0."],
  [{ presence_penalty: -3 }, "presence_penalty must be a number from -2 to 2, not -3."],
  [
    { logit_bias: { the: 1 } },
    'logit_bias must be an object of token ids and numbers from -100 to 100, like { 42: -100 }, not {"the":1}.',
  ],
  [{ logit_bias: { 7: 1, 10: 1 } }, "logit_bias names token 10, and the last token of this model is 9."],
]) {
  test(`refused: ${message}`, () => {
    assert.throws(() => checkGenerateOptions(options, {}, 10), { kind: "bad-request", message });
  });
}

for (const logit_bias of [[1], { 1: Infinity }, { 1: "2" }, { "01": 1 }, { 1: 101 }, "1", null]) {
  test(`no logit_bias: ${JSON.stringify(logit_bias)}`, () => {
    assert.throws(() => checkGenerateOptions({ logit_bias }, {}), { kind: "bad-request" });
  });
}

test("a schema that is no JSON is refused in a sentence", () => {
  /** @type {any} */
  const endless = {};
  endless.properties = endless;
  for (const schema of [endless, () => true]) {
    const response_format = { type: "json_schema", json_schema: { schema } };
    assert.throws(() => checkGenerateOptions({ response_format }, {}), { kind: "bad-request", message: /^response_format must be/ });
  }
});
