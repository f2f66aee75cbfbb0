import assert from "node:assert/strict";
import test from "node:test";
import { createVocabulary } from "../../sitegen/runtime/decode.js";
import { Grammars, grammarOf } from "../../sitegen/runtime/grammar.js";
import { createRandom } from "../../sitegen/runtime/sampling.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { fits } from "./json-schema.js";
import { readOracle } from "./oracle.js";

// A worker has one; without it the library takes Node for a CommonJS module.
globalThis.location ??= new URL(import.meta.url);

const { families } = readOracle("tokenizers");
/** A model's tokens: of a byte-level BPE, of SentencePiece with byte fallback, of Metaspace alone. */
const TOKENIZERS = [0, 10, 15].map((index) => {
  const { name, tokenizer: json } = families[index];
  const tokenizer = createTokenizer(json);
  const size = 1 + Math.max(...tokenizer.get_vocab().values());
  const eos = json.added_tokens.find(({ special }) => special).id;
  return { name, eos, vocabulary: createVocabulary(tokenizer, json, size) };
});

const SCHEMAS = {
  "an object": { type: "object" },
  anything: {},
  "members that must and may be there": {
    type: "object",
    properties: {
      first: { type: "string" },
      "se\"cond\n": { type: "integer", minimum: -17, maximum: 1234 },
      third: { enum: ["x", 1, null, { a: [1.5] }] },
      fourth: { type: "array", items: { type: "number" }, minItems: 1, maxItems: 3 },
    },
    required: ["se\"cond\n"],
  },
  "members that may all be missing": {
    properties: { a: { type: "boolean" }, b: { type: "null" }, c: { const: "c" } },
    additionalProperties: false,
  },
  "a tree": {
    type: "object",
    properties: { v: { type: "integer" }, kids: { type: "array", items: { $ref: "#" }, maxItems: 2 } },
    required: ["v", "kids"],
  },
  "types and references": {
    $defs: { short: { type: "string", minLength: 2, maxLength: 5, title: "short" } },
    type: "array",
    items: { anyOf: [{ $ref: "#/$defs/short" }, { type: ["null", "number"], minimum: 0 }] },
    minItems: 2,
  },
  "a pattern with what JSON escapes": { type: "string", pattern: "^[^a-z]{3,9}\\n?(\"|\\\\)$" },
  "a map": { type: "object", additionalProperties: { type: "integer", maximum: -3 } },
};

const PATTERNS = [
  "\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])",
  "^(yes|no|maybe( not)?)$",
  "(a+)*b|(?:c?d|d+)+e",
  "\\p{Lu}\\p{L}{0,10}( \\p{L}+)*[.!?]",
  "(?<name>[^\\s\\]x-z-]{1,3}?)\\u{1F600}?\\x41{2,3}",
  "|.{3}",
];

/** Draw uniformly among the allowed tokens, an end more often the longer the answer is. */
async function draw({ vocabulary, eos }, grammars, format, random) {
  const constraint = await grammars.start(format);
  const stream = constraint.text;
  let text = "";
  try {
    for (let step = 0; step < 150 && !constraint.isComplete; step++) {
      const allowed = [...vocabulary.keys()].filter((id) => constraint.allows(id));
      const others = allowed.filter((id) => id !== eos);
      if (others.length < allowed.length && random() < 0.3) return text + stream.end();
      assert.ok(others.every((id) => vocabulary[id].length > 0), "no special token");
      const closing = others.filter((id) => /^["\]},]/.test(new TextDecoder().decode(vocabulary[id])));
      const from = closing.length > 0 && random() < step / 40 ? closing : others;
      const id = from[Math.floor(random() * from.length)];
      text += stream.push(id);
      await constraint.accept(id);
    }
    return constraint.isComplete ? text + stream.end() : null;
  } finally {
    constraint.dispose();
  }
}

/** The tiny vocabularies do not have every character. */
function tooSmall(error) {
  if (!/vocabulary is too small/.test(error.message)) throw error;
}

for (const model of TOKENIZERS) {
  const grammars = new Grammars(model.vocabulary, [model.eos]);

  for (const [name, schema] of Object.entries(SCHEMAS)) {
    test(`${model.name}, ${name}: whatever is drawn fits`, async (t) => {
      const random = createRandom(1);
      let finished = 0;
      for (let n = 0; n < 15; n++) {
        const text = await draw(model, grammars, { type: "json_schema", schema }, random).catch(tooSmall);
        if (text === undefined) return t.skip("this vocabulary has no such characters");
        if (text === null) continue;
        finished += 1;
        assert.ok(fits(JSON.parse(text), schema, schema), text);
      }
      assert.ok(finished > 2, `${finished} finished`);
    });
  }

  for (const pattern of PATTERNS) {
    test(`${model.name}, ${pattern}: whatever is drawn matches`, async (t) => {
      const random = createRandom(2);
      let finished = 0;
      for (let n = 0; n < 15; n++) {
        const text = await draw(model, grammars, { type: "regex", pattern }, random).catch(tooSmall);
        if (text === undefined) return t.skip("this vocabulary has no such characters");
        if (text === null) continue;
        finished += 1;
        assert.match(text, new RegExp(`^(?:${pattern})$`, "u"));
      }
      assert.ok(finished > 2, `${finished} finished`);
    });
  }
}

const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

/** Whether a model whose tokens are single bytes can write the text, and end there. */
async function canWrite(grammars, format, text) {
  const constraint = await grammars.start(format);
  try {
    for (const byte of new TextEncoder().encode(text)) {
      if (!constraint.allows(byte)) return false;
      await constraint.accept(byte);
    }
    return constraint.allows(256);
  } finally {
    constraint.dispose();
  }
}

test("of all short texts, those can be written that the expression matches", async () => {
  const grammars = new Grammars([...bytes, new Uint8Array()], [256]);
  const letters = ["a", "b", "Z", "é", "я", "日", "😀"];
  const texts = ["", ...letters, ...letters.flatMap((a) => letters.map((b) => a + b))];
  for (const pattern of ["[^a-z]*", "[à-ӿ]|a.?", "\\w+|\\p{Lo}{2}", "(?:b|日|[😀-😂]a?)+", "[\\u{7ff}-\\u{10fff}]{0,2}"]) {
    const whole = new RegExp(`^(?:${pattern})$`, "u");
    for (const text of texts) {
      assert.equal(await canWrite(grammars, { type: "regex", pattern }, text), whole.test(text), `${pattern} ${text}`);
    }
  }
});

test("what a schema allows can be written, what it does not cannot", async () => {
  const grammars = new Grammars([...bytes, new Uint8Array()], [256]);
  /** @type {[any, string[], string[]][]} */
  const cases = [
    [{ type: "integer", minimum: -12, maximum: 105 }, [], []],
    [{ type: "integer", minimum: 7 }, ["7", "10", "999999999999999"], ["6", "-7", "07", "7.0"]],
    [{ type: "number" }, ["-0", "1.5e-3", "2E+10"], [".5", "+1", "1."]],
    [{ type: "string", maxLength: 2 }, ['""', '"日本"', '"\\n\\u00e9"'], ['"abc"', '"\n"', '"\\ud83d"']],
    [{ enum: ["a", 1, { b: [null] }] }, ['"a"', "1", '{"b":[null]}'], ['"b"', "2"]],
    [
      { properties: { a: { type: "null" }, b: {}, c: { type: "boolean" } }, required: ["b"] },
      ['{"b":0}', '{"a":null,"b":[]}', '{\n  "b": "x", "c": true\n}'],
      ["{}", '{"c":true,"b":0}', '{"b":0,"d":1}', '{"a":null}', '{"b":0,}'],
    ],
    [{ type: "array", items: { const: 1 }, minItems: 2, maxItems: 3 }, ["[1,1]", "[1, 1, 1]"], ["[1]", "[1,1,1,1]"]],
  ];
  for (let n = -20; n < 120; n++) cases[0][n >= -12 && n <= 105 ? 1 : 2].push(String(n));
  for (const [schema, can, cannot] of cases) {
    const format = { type: "json_schema", schema };
    for (const text of can) assert.ok(await canWrite(grammars, format, text), `${JSON.stringify(schema)} ${text}`);
    for (const text of cannot) assert.ok(!(await canWrite(grammars, format, text)), `${JSON.stringify(schema)} ${text}`);
  }
});

test("a form that no answer can be held to is refused with its reason", () => {
  const refusals = [
    [{ type: "array", uniqueItems: true }, 'it has "uniqueItems" at #.'],
    [{ properties: { a: { type: "text" } } }, '"type" at #/properties/a is "text". Types are: object,'],
    [{ $ref: "#/$defs/none" }, '"$ref" at # is "#/$defs/none", which is not in the schema.'],
    [{ anyOf: [{ $ref: "#" }] }, '"$ref" at #/anyOf/0 leads back to itself.'],
    [{ type: "string", maxLength: 500 }, '"maxLength" at # must be a whole number from 0 to 100.'],
    [{ type: "number", maximum: 5 }, 'a "number" at # can only have "minimum": 0'],
    [{ properties: {}, required: ["a"] }, '"a" is required at # and is not among its "properties"'],
    [{ items: 5 }, "at #/items there must be an object, not 5."],
  ];
  for (const [schema, reason] of refusals) {
    assert.throws(
      () => grammarOf({ type: "json_schema", schema }),
      (error) => error.kind === "bad-request" && error.message.includes(reason),
      reason,
    );
  }
  const patterns = [
    ["a(", "Unterminated group"],
    ["(?=a)b", "it looks ahead or behind, or sets flags."],
    ["a\\b", '"\\b" depends on the text around it.'],
    ["a^b", '"^" can only stand at an end of it.'],
    ["a{101}", '"{101}" repeats more than 100 times.'],
    ["(a*)*", '"(a*)*" repeats without end what may be empty.'],
    ["[]", '"[]" matches no character'],
  ];
  for (const [pattern, reason] of patterns) {
    assert.throws(
      () => grammarOf({ type: "regex", pattern }),
      (error) => error.kind === "bad-request" && error.message.includes(reason),
      reason,
    );
  }
});

test("a model without an ending token, or without the characters", async () => {
  const ab = [..."ab"].map((letter) => new TextEncoder().encode(letter));
  const constraint = await new Grammars(ab, []).start({ type: "regex", pattern: "ab?" });
  assert.deepEqual([...constraint.masked(Float32Array.of(1, 2, 3))], [1, -Infinity, -Infinity]);
  await constraint.accept(0);
  assert.equal(constraint.isComplete, false);
  await constraint.accept(1);
  assert.equal(constraint.isComplete, true);
  constraint.dispose();
  await assert.rejects(new Grammars(ab, []).start({ type: "regex", pattern: "x" }), /vocabulary is too small/);
  await assert.rejects(new Grammars(null, []).start({ type: "json_object" }), /tokenizer adds depends on its neighbours/);
});
