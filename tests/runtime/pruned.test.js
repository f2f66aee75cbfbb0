import assert from "node:assert/strict";
import test from "node:test";
import { createTextStream } from "../../sitegen/runtime/decode.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { readOracle } from "./oracle.js";

const { texts: TEXTS, families } = readOracle("tokenizers");

for (const { name, tokenizer: json, ids } of readOracle("pruned")) {
  const whole = families.find((family) => family.name === name);
  const tokenizer = createTokenizer(json);

  test(`${name}, pruned: text becomes the ids of the Python library, and text again`, () => {
    for (const [n, expected] of ids.entries()) {
      const found = tokenizer.encode(TEXTS[n]).ids;
      assert.deepEqual(found, expected, JSON.stringify(TEXTS[n]));
      const stream = createTextStream(tokenizer, json);
      const text = found.map((id) => stream.push(id)).join("") + stream.end();
      assert.equal(text, whole.texts[n].decoded ?? TEXTS[n]);
    }
  });
}
