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
