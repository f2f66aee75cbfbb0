import assert from "node:assert/strict";
import test from "node:test";
import { createStopMatcher, createTextStream } from "../../sitegen/runtime/decode.js";
import { createRandom } from "../../sitegen/runtime/sampling.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { readOracle } from "./oracle.js";

const { texts: TEXTS, families } = readOracle("tokenizers");
const COMPILED = readOracle("charsmaps");

/** tokenizer.json of a family. */
const jsonOf = (name) => families.find((family) => family.name === name).tokenizer;

for (const { name, tokenizer: json, texts, sequences } of [...families, ...COMPILED]) {
  const tokenizer = createTokenizer(json);

  test(`${name}: tokens decoded one by one give the text of all`, () => {
    const whole = texts.map(({ ids, decoded }, n) => ({ ids, decoded: decoded ?? TEXTS[n] }));
    for (const { ids, decoded } of [...whole, ...sequences]) {
      const { text, states } = decodeOneByOne(createTextStream(tokenizer, json), ids);
      assert.equal(text, decoded, JSON.stringify(ids));
      for (const state of states) assert.ok(decoded.startsWith(state), "what was shown stays");
    }
  });

  test(`${name}: an answer that continues a text keeps the space between them`, () => {
    for (const { before, ids, continued } of sequences) {
      const { text } = decodeOneByOne(createTextStream(tokenizer, json, before), ids);
      assert.equal(text, continued, JSON.stringify({ before, ids }));
    }
  });
}

function decodeOneByOne(stream, ids) {
  let text = "";
  const states = [];
  for (const id of ids) {
    text += stream.push(id);
    states.push(text);
  }
  return { text: text + stream.end(), states };
}

test("a character of several tokens is shown when it is whole", () => {
  const json = jsonOf("gpt2");
  const tokenizer = createTokenizer(json);
  const ids = tokenizer.encode("🧬").ids;
  assert.ok(ids.length >= 3, "the oracle's vocabulary must not hold it whole");
  const stream = createTextStream(tokenizer, json);
  const pieces = ids.map((id) => stream.push(id));
  assert.deepEqual(pieces, [...ids.slice(1).map(() => ""), "🧬"]);
});

test("a decoder that is not read byte by byte waits for a whole character, too", () => {
  const json = structuredClone(jsonOf("llama2"));
  const plain = createTokenizer(json);
  const ids = plain.encode("a🧬", { add_special_tokens: false }).ids;
  const bytes = ids.filter((id) => plain.id_to_token(id).startsWith("<0x"));
  assert.equal(bytes.length, 4, "the oracle's vocabulary must not hold it whole");
  json.decoder.decoders.push({ type: "Replace", pattern: { String: "zzz" }, content: "" });
  const stream = createTextStream(createTokenizer(json), json, ids.slice(0, -4));
  assert.deepEqual(bytes.map(stream.push), ["", "", "", "🧬"]);
});

test("half a character at the end becomes U+FFFD", () => {
  const json = jsonOf("gpt2");
  const tokenizer = createTokenizer(json);
  const stream = createTextStream(tokenizer, json);
  assert.equal(stream.push(tokenizer.encode("🧬").ids[0]), "");
  assert.equal(stream.end(), "\ufffd");
});

test("decoding is linear: the last of many tokens costs what the first did", () => {
  const json = jsonOf("metaspace");
  const tokenizer = createTokenizer(json);
  let longest = 0;
  const counted = Object.create(tokenizer, {
    decode: {
      value: (ids, options) => {
        longest = Math.max(longest, ids.length);
        return tokenizer.decode(ids, options);
      },
    },
  });
  const stream = createTextStream(counted, json);
  for (let i = 0; i < 500; i++) stream.push(10 + (i % 200));
  assert.ok(longest < 10, `decoded ${longest} tokens at once`);
});

/** What a stop string means, without streaming. */
function cutAtStop(text, stops) {
  const starts = stops.map((stop) => text.indexOf(stop)).filter((start) => start >= 0);
  return starts.length > 0 ? text.slice(0, Math.min(...starts)) : text;
}

test("stop strings are found however the text is cut, and nothing shown is taken back", () => {
  const random = createRandom(11);
  const draw = (n) => Math.floor(random() * n);
  const word = (length) => Array.from({ length }, () => "ab🦊"[draw(3)] ?? "c").join("");
  for (let round = 0; round < 3000; round++) {
    const text = word(draw(30));
    const stops = Array.from({ length: draw(4) }, () => word(1 + draw(5)));
    const matcher = createStopMatcher(stops);
    let shown = "";
    for (let at = 0; at < text.length && !matcher.isStopped; ) {
      const size = 1 + draw(4);
      shown += matcher.push(text.slice(at, at + size));
      at += size;
      const whole = cutAtStop(text, stops);
      // Two stop strings may overlap across a cut: the one complete first ends the text.
      if (!matcher.isStopped) assert.ok(text.startsWith(shown));
      else assert.ok(whole.startsWith(shown) || shown.startsWith(whole));
    }
    shown += matcher.end();
    for (const stop of stops) assert.ok(!shown.includes(stop), JSON.stringify({ text, stops, shown }));
    if (!stops.some((stop) => text.includes(stop))) assert.equal(shown, text);
  }
});

test("only text that may still become a stop string is held back", () => {
  const matcher = createStopMatcher(["\n\nUser:"]);
  assert.equal(matcher.push("Hello.\n"), "Hello.");
  assert.equal(matcher.push("\nUs"), "");
  assert.equal(matcher.push("ual"), "\n\nUsual");
  assert.equal(matcher.push("\n\nUser: hi"), "");
  assert.equal(matcher.isStopped, true);
  assert.equal(matcher.end(), "");
});
