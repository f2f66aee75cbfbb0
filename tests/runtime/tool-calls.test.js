import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { createTextStream } from "../../sitegen/runtime/decode.js";
import { createRandom } from "../../sitegen/runtime/sampling.js";
import { compileTemplate } from "../../sitegen/runtime/template.js";
import { createTokenizer } from "../../sitegen/runtime/tokenizer.js";
import { TOOL_MARKS, createToolReader, toolForm } from "../../sitegen/runtime/tool-calls.js";
import { readOracle } from "./oracle.js";

const templateOf = (name) => readFileSync(new URL(`templates/${name}.jinja`, import.meta.url), "utf8");
const HERMES = { kind: "tagged", mark: "<tool_call>" };
const MISTRAL = { kind: "marked", mark: "[TOOL_CALLS]" };
const LLAMA = { kind: "bare", mark: "<|python_tag|>" };

function read(form, pieces, names = ["f", "g"]) {
  const reader = createToolReader(form, names);
  const shown = pieces.map(reader.push).join("");
  const { text, calls } = reader.end();
  const called = calls.map(({ type, function: { name, arguments: args } }) => {
    assert.equal(type, "function");
    return [name, JSON.parse(args)];
  });
  return { text: shown + text, called, ids: calls.map(({ id }) => id) };
}

for (const [name, form] of [
  ["qwen3", HERMES],
  ["mistral", MISTRAL],
  ["llama3", LLAMA],
]) {
  test(`${name}: calls as its template writes them are read back`, () => {
    const source = templateOf(name);
    assert.deepEqual(toolForm(source), form);
    const render = compileTemplate(source);
    const { tools, conversations, tokens } = readOracle("chat");
    const [question, { tool_calls }] = conversations[5];
    const calls = name === "llama3" ? tool_calls : [...tool_calls, ...tool_calls]; // one at a time
    const variables = { ...tokens, tools, add_generation_prompt: false };
    const before = render({ ...variables, messages: [question], add_generation_prompt: true });
    const after = render({ ...variables, messages: [question, { role: "assistant", content: "", tool_calls: calls }] });
    // The thoughts of Qwen are part of the prompt's end or of the answer: neither has them here.
    const written = after.slice(name === "qwen3" ? after.indexOf("<tool_call>", after.lastIndexOf("assistant\n")) : before.length);
    const answer = written.replace(/(<\|im_end\|>\n|<\|eot_id\|>|<\/s>)$/, "");
    const { text, called, ids } = read(form, [answer], ["get_weather"]);
    const expected = calls.map(({ function: call }) => [call.name, call.arguments]);
    assert.deepEqual({ text, called }, { text: "", called: expected }, answer);
    if (name === "mistral") assert.deepEqual(ids, calls.map(({ id }) => id));
  });
}

const CASES = [
  [HERMES, '<tool_call>\n{"name": "f", "arguments": {"a": [1, "x"]}}\n</tool_call>', "", [["f", { a: [1, "x"] }]]],
  [HERMES, 'I look.\n<tool_call>{"name":"f"}</tool_call>\n<tool_call>{"name":"g","arguments":"{\\"b\\":2}"}</tool_call>', "I look.\n", [["f", {}], ["g", { b: 2 }]]],
  [HERMES, '<tool_call>[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]</tool_call>', "", [["f", {}], ["g", {}]]],
  [HERMES, '<tool_call>{"name": "f", "arguments": {"a": "</b>"}}', "", [["f", { a: "</b>" }]]], // its end tag ends the answer
  [HERMES, '<tool_call>{"name": "unheard_of", "arguments": {}}</tool_call>', "", [["unheard_of", {}]]],
  [HERMES, '<tool_call>{"name": "f", "arguments": {"a"', null, []],
  [HERMES, '<tool_call>{"name": "f"}</tool_call><tool_call>oh</tool_call>', null, []],
  [HERMES, '<tool_call>{"name": "f", "arguments": [1]}</tool_call>', null, []],
  [HERMES, "5 <tool_calls, and a < b", null, []],
  [MISTRAL, '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "abcdefghi"}]', "", [["f", { a: 1 }]]],
  [MISTRAL, '[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}', "", [["f", { a: 1 }], ["g", {}]]],
  [MISTRAL, 'Wait: [TOOL_CALLS]f{"a": {"b": "]"}}', "Wait: ", [["f", { a: { b: "]" } }]]],
  [MISTRAL, "[TOOL_CALLS] sorry", null, []],
  [MISTRAL, "[TOOL] [", null, []],
  [LLAMA, '\n{"name": "f", "parameters": {"a": 1}}', "", [["f", { a: 1 }]]],
  [LLAMA, '<|python_tag|>{"name": "f", "parameters": {}}; {"name": "g", "parameters": {"b": ";"}}', "", [["f", {}], ["g", { b: ";" }]]],
  [LLAMA, '{"name": "Ann", "parameters": {}}', null, []], // JSON that was asked for
  [LLAMA, '{"a": 1', null, []],
  [LLAMA, 'It is {"name": "f", "parameters": {}}.', null, []],
  [LLAMA, "<|python_tag|>print(1)", null, []],
];

for (const [form, answer, text, called] of CASES) {
  test(`read, and however it is cut: ${answer}`, () => {
    const expected = { text: text ?? answer, called };
    const { ids, ...whole } = read(form, [answer]);
    assert.deepEqual(whole, expected);
    for (const id of ids) assert.match(id, /^[A-Za-z0-9]{9}$/);
    if (answer.includes("abcdefghi")) assert.equal(ids[0], "abcdefghi");
    const random = createRandom(answer.length);
    for (let round = 0; round < 50; round++) {
      const pieces = [];
      for (let at = 0; at < answer.length; ) pieces.push(answer.slice(at, (at += 1 + Math.floor(random() * 4))));
      const { ids: _, ...got } = read(form, pieces);
      assert.deepEqual(got, expected, JSON.stringify(pieces));
    }
  });
}

test("text is shown as it comes, all but what may begin a call", () => {
  const { push } = createToolReader(HERMES, ["f"]);
  assert.deepEqual(["So <", "b> <tool", "_call>", "{"].map(push), ["So ", "<b> ", "", ""]);
  const bare = createToolReader(LLAMA, ["f"]);
  assert.deepEqual(["\n", " Hi", " {", "<|py", "x"].map(bare.push), ["", "\n Hi", " {", "", "<|pyx"]);
});

test("a template without tools, or with calls of an unknown form: what to do", () => {
  const named = "{# tools #}{{ 'in <tools></tools>: <tool_call>' }} tools, don't {{ message.tools }}";
  for (const none of [null, templateOf("chatml"), templateOf("zephyr"), named]) {
    assert.throws(() => toolForm(none), { kind: "bad-request", message: /^This model's chat template has no tools: leave out/ });
  }
  const others = ["{{ tools }}<tool_call>\n<function=name>", "{{ tools }} functools[{}]", '{{ tools }}"parameters": '];
  for (const other of [templateOf("lfm2"), ...others]) {
    assert.throws(() => toolForm(other), { kind: "bad-request", message: /in a form that this engine does not read\. It reads/ });
  }
});

test("marks that a tokenizer calls special are text where there are tools, and only there", () => {
  const json = structuredClone(readOracle("tokenizers").families.find(({ name }) => name === "gpt2").tokenizer);
  const id = 1 + Math.max(...Object.values(json.model.vocab), ...json.added_tokens.map((token) => token.id));
  json.added_tokens.push({ ...{ id, content: "[TOOL_CALLS]", special: true, normalized: false }, ...{ single_word: false, lstrip: false, rstrip: false } });
  const tokenizer = createTokenizer(json);
  const { ids } = tokenizer.encode('so[TOOL_CALLS]f{"a": 1}', { add_special_tokens: false });
  assert.ok(ids.includes(id));
  const textOf = (marks) => {
    const stream = createTextStream(tokenizer, json, [], marks);
    return ids.map(stream.push).join("") + stream.end();
  };
  assert.equal(textOf(TOOL_MARKS), 'so[TOOL_CALLS]f{"a": 1}');
  assert.equal(textOf([]), 'sof{"a": 1}');
});
