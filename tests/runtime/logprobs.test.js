import assert from "node:assert/strict";
import test from "node:test";
import { createChooser } from "../../sitegen/runtime/chooser.js";
import { createSpelling, createTextStream } from "../../sitegen/runtime/decode.js";
import { scoreToken } from "../../sitegen/runtime/logprobs.js";
import { checkGenerateOptions } from "../../sitegen/runtime/options.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { readOracle } from "./oracle.js";

test("logprobs are the log-softmax of the model's own logits, likeliest first", () => {
  for (const { logits, logprobs } of readOracle("processors")) {
    const expected = logprobs.map(([id, logprob]) => ({ id, logprob }));
    const chosen = expected.pop();
    const { top, ...got } = scoreToken(Float32Array.from(logits), chosen.id, expected.length);
    for (const [mine, theirs] of [[got, chosen], ...top.map((each, n) => [each, expected[n]])]) {
      assert.equal(mine.id, theirs.id);
      assert.ok(Math.abs(mine.logprob - theirs.logprob) < 1e-9, JSON.stringify({ mine, theirs }));
    }
    assert.equal(top.length, expected.length);
  }
});

test("as many of the likeliest as asked for, none or all, and -9999 for what cannot come", () => {
  const logits = Float32Array.of(1, 2, -Infinity, 2);
  const ids = (top) => scoreToken(logits, 0, top).top.map(({ id }) => id);
  assert.deepEqual([ids(0), ids(1), ids(3), ids(20)], [[], [1], [1, 3, 0], [1, 3, 0, 2]]);
  assert.equal(scoreToken(logits, 2, 0).logprob, -9999);
});

test("a choice tells the model's own probabilities, whatever bias and temperature made of them", () => {
  const options = { logprobs: true, top_logprobs: 2, temperature: 0, logit_bias: { 1: 100 } };
  const spell = (id) => ({ token: "abc"[id], bytes: [97 + id] });
  const logits = Float32Array.from([0.5, 0.2, 0.3], Math.log);
  const { choose, logprobs } = createChooser(checkGenerateOptions(options, {}), [0], spell);
  assert.deepEqual(logprobs(), []);
  assert.equal(choose(logits), 1);
  const [{ top_logprobs, ...chosen }, ...others] = logprobs();
  assert.deepEqual(others, []);
  const found = [chosen, ...top_logprobs].map(({ token, bytes, logprob }) => [token, bytes, Math.exp(logprob).toFixed(6)]);
  assert.deepEqual(found, [["b", [98], "0.200000"], ["a", [97], "0.500000"], ["c", [99], "0.300000"]]);
  const silent = createChooser(checkGenerateOptions({}, {}), [0], spell);
  silent.choose(logits);
  assert.deepEqual(silent.logprobs(), []);
});

test("top_logprobs without logprobs: what to set", () => {
  assert.throws(() => checkGenerateOptions({ top_logprobs: 2 }, {}), {
    kind: "bad-request",
    message: "top_logprobs adds to logprobs: set logprobs to true, too.",
  });
});

const { texts: TEXTS, families } = readOracle("tokenizers");
for (const { name, tokenizer: json, texts } of families) {
  test(`${name}: the bytes of tokens are those of the text they stand for`, () => {
    const tokenizer = createTokenizer(json);
    const spell = createSpelling(tokenizer, json);
    const special = new Set(json.added_tokens.filter((token) => token.special).map(({ id }) => id));
    for (const [n, { ids }] of texts.entries()) {
      const plain = ids.filter((id) => !special.has(id));
      const bytes = plain.flatMap((id) => spell(id).bytes);
      const stream = createTextStream(tokenizer, json);
      const text = plain.map(stream.push).join("") + stream.end();
      const joined = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      assert.equal(joined.trimStart(), text.trimStart(), TEXTS[n]);
    }
    for (const id of special) {
      const { token, bytes } = spell(id);
      assert.equal(token, tokenizer.id_to_token(id));
      assert.deepEqual(bytes, [...new TextEncoder().encode(token)]);
    }
  });
}

test("half a character is U+FFFD with its bytes; a number above the vocabulary is nothing", () => {
  const json = families.find(({ name }) => name === "gpt2").tokenizer;
  const tokenizer = createTokenizer(json);
  const spell = createSpelling(tokenizer, json);
  const [first] = tokenizer.encode("🧬").ids;
  assert.equal(spell(first).token, "\ufffd");
  assert.equal(spell(first).bytes[0], new TextEncoder().encode("🧬")[0]);
  assert.deepEqual(spell(10 ** 6), { token: "", bytes: [] });
});
