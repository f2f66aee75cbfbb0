import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { createText } from "../../sitegen/runtime/text.js";
import { readOracle } from "./oracle.js";

const { families } = readOracle("tokenizers");
/** tokenizer.json of a family. */
const jsonOf = (name) => families.find((family) => family.name === name).tokenizer;
const tokenizerJson = jsonOf("gpt2"); // adds no tokens of its own

function textOf(chat_template, tokens, config = {}) {
  const files = { file: null, config: null, chat_template, eos_token_ids: [], ...tokens };
  return createText(tokenizerJson, config, files);
}

const { templates, conversations, tokens, tools: TOOLS } = readOracle("chat");
for (const { name, cases } of templates) {
  const template = readFileSync(new URL(`templates/${name}.jinja`, import.meta.url), "utf8");
  // Dates have tests of their own.
  if (template.includes("strftime_now")) continue;
  test(`a conversation under ${name} becomes the tokens of the rendered text`, () => {
    for (const { conversation, tools, prompt, text, error } of cases) {
      if (!prompt) continue;
      const encode = () => textOf(template, tokens).encode(conversations[conversation], tools ? TOOLS : null);
      if (error === undefined) assert.deepEqual(encode(), textOf(null, tokens).encode(text));
      else assert.throws(encode, { kind: "bad-request", message: /refused this conversation/ });
    }
  });
}

test("a template finds the special tokens of tokenizer_config.json, the manifest's first", () => {
  const config = { bos_token: { content: "<b>" }, pad_token: "<p>", unk_token: null };
  const template = "{{ bos_token }}{{ pad_token }}{{ 'none' if unk_token is not defined }}";
  const { encode } = textOf(template, { bos_token: "<s>", eos_token: null }, config);
  const plain = textOf(null, { bos_token: null, eos_token: null });
  const said = encode([{ role: "user", content: "x" }]);
  assert.deepEqual(said.map(String), plain.encode("<s><p>none").map(String));
});

test("tools are there under the name that SmolLM3 gives them, too", () => {
  const template = "{% for tool in xml_tools or [] %}{{ tool.function.name }};{% endfor %}";
  const { encode } = textOf(template, tokens);
  const plain = textOf(null, tokens);
  const messages = [{ role: "user", content: "x" }];
  assert.deepEqual(encode(messages, TOOLS), plain.encode("get_weather;"));
  assert.deepEqual(encode(messages), []);
});

test("a plain text gets the tokenizer's first token, a rendered template none beside its own", () => {
  const tokenizer = jsonOf("llama2");
  const files = { chat_template: "{{ bos_token }}{{ messages[0].content }}", bos_token: "<s>" };
  const { encode } = createText(tokenizer, {}, { eos_token: null, eos_token_ids: [], ...files });
  const bos = tokenizer.added_tokens.find(({ content }) => content === "<s>").id;
  const starts = ["once", [{ role: "user", content: "once" }]].map((prompt) =>
    encode(prompt).filter((id) => id === bos),
  );
  assert.deepEqual(starts, [[bos], [bos]]);
});

test("messages for a model without a template: what to do instead", () => {
  const { encode } = textOf(null, { bos_token: null, eos_token: null });
  assert.throws(() => encode([{ role: "user", content: "Hi" }]), {
    kind: "bad-request",
    message: /give it a string/,
  });
});

test("the beginning of a prompt is what all that may follow it have in common", () => {
  const template =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}" +
    "{% if add_generation_prompt %}<assistant>{% endif %}";
  const text = textOf(template, { bos_token: null, eos_token: null });
  const messages = [{ role: "system", content: "Be brief." }];
  const ids = text.encodeBeginning(messages);
  const common = text.encode("<system>Be brief.\n<user>");
  assert.ok(ids.length >= common.length - 1);
  for (const content of ["Hello", "what?", "9 lives", "Ä"]) {
    const whole = text.encode([...messages, { role: "user", content }]);
    assert.deepEqual(whole.slice(0, ids.length), ids);
  }
  // The last word of a text may go on, too.
  const [begun, longer] = [text.encodeBeginning("Once upon a"), text.encode("Once upon a time")];
  assert.ok(begun.length > 0 && begun.length <= longer.length);
  assert.deepEqual(longer.slice(0, begun.length), begun);
});
