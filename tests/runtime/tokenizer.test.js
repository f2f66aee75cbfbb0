import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { readOracle } from "./oracle.js";

const { texts: TEXTS, long: LONG, families } = readOracle("tokenizers");

for (const { name, tokenizer: json, texts, long } of families) {
  const tokenizer = createTokenizer(json);

  test(`${name}: text becomes the ids of the Python library`, () => {
    for (const [n, { ids, plain = ids }] of texts.entries()) {
      assert.deepEqual(tokenizer.encode(TEXTS[n]).ids, ids, JSON.stringify(TEXTS[n]));
      const without = tokenizer.encode(TEXTS[n], { add_special_tokens: false });
      assert.deepEqual(without.ids, plain, JSON.stringify(TEXTS[n]));
    }
  });

  test(`${name}: so does a text of a hundred thousand letters without a space`, () => {
    for (const [n, { count, sha256 }] of long.entries()) {
      const { piece, times } = LONG[n];
      const { ids } = tokenizer.encode(piece.repeat(times));
      assert.equal(ids.length, count, JSON.stringify(piece));
      assert.equal(createHash("sha256").update(ids.join(",")).digest("hex"), sha256);
    }
  });

  test(`${name}: half a surrogate pair is U+FFFD`, () => {
    for (const text of ["\ud83e", "a\udd8a b", "\udd8a\ud83e", "🦊\ud83e🦊"]) {
      assert.deepEqual(tokenizer.encode(text).ids, tokenizer.encode(text.toWellFormed()).ids);
    }
  });
}

/** A tokenizer.json of single letters, so that ids tell where a text was cut. */
function letters(pre_tokenizer, options = {}) {
  const vocab = Object.fromEntries(["<unk>", "▁", "a", "b", "ab", "ba"].map((token, id) => [token, id]));
  const model = { type: "BPE", vocab, merges: [["a", "b"], ["b", "a"]], unk_token: "<unk>" };
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer,
    post_processor: null,
    decoder: null,
    model: { ...model, fuse_unk: true },
    ...options,
  };
}

test("splits keep or drop what they cut at, as asked", () => {
  const cuts = (behavior, invert = false) => {
    const pre_tokenizer = { type: "Split", pattern: { String: "a" }, behavior, invert };
    return createTokenizer(letters(pre_tokenizer)).encode("aabab").ids;
  };
  assert.deepEqual(cuts("Isolated"), [2, 2, 3, 2, 3]);
  assert.deepEqual(cuts("Removed"), [3, 3]);
  assert.deepEqual(cuts("Removed", true), [2, 2, 2]);
  assert.deepEqual(cuts("Contiguous"), [2, 2, 3, 2, 3]);
  assert.deepEqual(cuts("MergedWithPrevious"), [2, 2, 5, 3]);
  assert.deepEqual(cuts("MergedWithNext"), [2, 4, 4]);
});

test("unknown characters are fused inside of a word only", () => {
  const tokenizer = createTokenizer(letters({ type: "WhitespaceSplit" }));
  assert.deepEqual(tokenizer.encode("xy zz a").ids, [0, 0, 2]);
});

test("a Metaspace that puts no space in front takes none away", () => {
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: true };
  const tokenizer = createTokenizer(letters(metaspace, { decoder: metaspace }));
  assert.deepEqual(tokenizer.encode(" a").ids, [1, 2]);
  assert.equal(tokenizer.decode([1, 2]), " a");
});
