import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { normalizerOf } from "../../sitegen/runtime/tokenizer-steps.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { readOracle } from "./oracle.js";

const { texts: TEXTS, long: LONG, families } = readOracle("tokenizers");
const COMPILED = readOracle("charsmaps");

for (const { name, tokenizer: json, texts, long } of [...families, ...COMPILED]) {
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

for (const { name, tokenizer: json, normalized } of COMPILED) {
  test(`${name}: its compiled map changes letters with marks as the Python library does`, () => {
    const { normalizers } = json.normalizer;
    const normalize = normalizerOf(normalizers.find(({ type }) => type === "Precompiled"));
    for (const [text, expected] of normalized) assert.equal(normalize(text), expected, JSON.stringify(text));
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

test("a pattern may match nothing, between two letters", () => {
  const cuts = (Regex, behavior = "Isolated") => {
    const pre_tokenizer = { type: "Split", pattern: { Regex }, behavior, invert: false };
    return createTokenizer(letters(pre_tokenizer)).encode("abab").ids;
  };
  assert.deepEqual(cuts("(?=b)"), [2, 5, 3]);
  assert.deepEqual(cuts("a?"), [2, 3, 2, 3]);
  assert.deepEqual(cuts("a?", "MergedWithPrevious"), [2, 5, 3]);
  assert.deepEqual(cuts("", "Removed"), [2, 3, 2, 3]);
  const pre_tokenizer = { type: "Split", pattern: { Regex: "$" }, behavior: "Isolated", invert: false };
  assert.deepEqual(createTokenizer(letters(pre_tokenizer)).encode("a🦊b").ids, [2, 0, 3]);
});

test("where case does not count, ſ is an s", () => {
  const vocab = { "<unk>": 0, "'": 1, a: 2, s: 3, ſ: 4, sa: 5, ſa: 6 };
  const model = { type: "BPE", vocab, merges: [["s", "a"], ["ſ", "a"]], unk_token: "<unk>" };
  const pre_tokenizer = { type: "Split", pattern: { Regex: "(?i:'s|'t)" }, behavior: "Isolated", invert: false };
  const { encode } = createTokenizer(letters(pre_tokenizer, { model }));
  assert.deepEqual(encode("sa'sa").ids, [5, 1, 3, 2]);
  assert.deepEqual(encode("ſa'ſa").ids, [6, 1, 4, 2]);
});

test("a word that looks like an added token is none", () => {
  const flags = { single_word: true, lstrip: false, rstrip: false, normalized: false, special: true };
  const pre_tokenizer = { type: "Split", pattern: { String: "ab" }, behavior: "Isolated", invert: false };
  const vocab = { "<unk>": 0, "▁": 1, a: 2, b: 3 };
  const model = { type: "BPE", vocab, merges: [], unk_token: "<unk>", ignore_merges: true };
  const added_tokens = [{ id: 4, content: "ab", ...flags }];
  const { encode } = createTokenizer(letters(pre_tokenizer, { model, added_tokens }));
  assert.deepEqual(encode("ab.aab").ids, [4, 0, 2, 2, 3]);
});

test("white space is taken by one added token, not by two", () => {
  const flags = { single_word: false, lstrip: true, rstrip: true, normalized: false, special: true };
  const { encode } = createTokenizer(letters(null, { added_tokens: [{ id: 6, content: "\n", ...flags }] }));
  assert.deepEqual(encode("a \n\n \nb").ids, [2, 6, 3]);
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
