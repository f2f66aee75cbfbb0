import assert from "node:assert/strict";
import test from "node:test";
import { ChatCompletions } from "../../sitegen/runtime/chat-completions.js";

const MANIFEST = { generation: { temperature: 0.6 }, vocab_size: 100, tokenizer: { chat_template: "{{ messages }}" } };
const MESSAGES = [{ role: "user", content: "Hi" }];
const DETAILS = { prompt_tokens_details: { cached_tokens: 5 } };
const USAGE = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, ...DETAILS };
const score = (token) => ({ token, bytes: [...new TextEncoder().encode(token)], logprob: -1, top_logprobs: [] });

/** A model that says these words, each a token, and keeps what it was asked. */
function says(words, finish_reason = "stop", manifest = MANIFEST) {
  const asked = [];
  async function* answer(prompt, options, signal) {
    asked.push({ prompt, options, signal });
    for (const text of words) {
      yield { kind: "piece", id: 1, text, logprobs: options.logprobs ? [score(text)] : [] };
    }
    const [prompt_tokens, cached_tokens, completion_tokens] = [7, 4 + asked.length, words.length];
    yield { kind: "done", id: 1, result: { prompt_tokens, cached_tokens, completion_tokens, finish_reason } };
  }
  const completions = new ChatCompletions({ name: "owl", fingerprint: "fp-1", manifest, answer });
  return { asked, create: (body, options) => completions.create({ messages: MESSAGES, ...body }, options) };
}

async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("an answer at once, in OpenAI's shape", async () => {
  const before = Math.floor(Date.now() / 1000);
  const { id, created, ...rest } = await says(["Good ", "day"]).create({ model: "owl" });
  assert.match(id, /^chatcmpl-[0-9a-f]{32}$/);
  assert.ok(created >= before && Number.isInteger(created));
  const message = { role: "assistant", content: "Good day", refusal: null };
  assert.deepEqual(rest, {
    object: "chat.completion",
    model: "owl",
    system_fingerprint: "fp-1",
    choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
    usage: USAGE,
  });
});

test("a stream in chunks of one head: the role, the text, the reason, and the usage where asked for", async () => {
  for (const include_usage of [true, false]) {
    const stream_options = { include_usage };
    const chunks = await chunksOf(await says(["Good ", "day"], "length").create({ stream: true, stream_options }));
    const last = include_usage ? chunks.pop() : null;
    assert.equal(new Set(chunks.map(({ id, created, model, object }) => [id, created, model, object].join())).size, 1);
    assert.equal(chunks[0].object, "chat.completion.chunk");
    assert.deepEqual(
      chunks.map(({ choices: [{ delta, finish_reason }] }) => [delta, finish_reason]),
      [
        [{ role: "assistant", content: "" }, null],
        [{ content: "Good " }, null],
        [{ content: "day" }, null],
        [{}, "length"],
      ],
    );
    assert.deepEqual(chunks.map(({ usage }) => usage), chunks.map(() => (include_usage ? null : undefined)));
    if (last) {
      assert.deepEqual(last.choices, []);
      assert.deepEqual(last.usage, USAGE);
    }
  }
});

test("logprobs lie beside the text that they belong to, and all together in an answer at once", async () => {
  const logprobs = { content: [score("a"), score("")], refusal: null };
  const whole = await says(["a", ""]).create({ logprobs: true });
  assert.deepEqual(whole.choices[0].logprobs, logprobs);
  const chunks = await chunksOf(await says(["a", ""]).create({ logprobs: true, stream: true }));
  const told = chunks.map(({ choices: [choice] }) => choice.logprobs?.content.length ?? null);
  assert.deepEqual(told, [null, 1, 1, null]);
});

test("several choices are written one after another, with seeds that follow; usage counts the prompt once", async () => {
  const { asked, create } = says(["a"]);
  const { choices, usage } = await create({ n: 3, seed: 40 });
  assert.deepEqual(choices.map(({ index, message }) => [index, message.content]), [[0, "a"], [1, "a"], [2, "a"]]);
  assert.deepEqual(asked.map(({ options }) => options.seed), [40, 41, 42]);
  assert.deepEqual(usage, { ...USAGE, completion_tokens: 3, total_tokens: 10 });
});

test("parameters become options; null, and what is left out, is the model's own", async () => {
  const { signal } = new AbortController();
  const { asked, create } = says([]);
  const body = { temperature: null, top_p: 0.5, frequency_penalty: 1, logit_bias: { 7: -100 }, min_p: 0.1, user: "me" };
  await create({ ...body, stop: "END", max_completion_tokens: 9, seed: null }, { signal });
  const [{ options, ...rest }] = asked;
  assert.deepEqual(rest, { prompt: MESSAGES, signal });
  const { temperature, top_p, frequency_penalty, logit_bias, min_p, stop, max_new_tokens, seed } = options;
  assert.deepEqual(
    { temperature, top_p, frequency_penalty, logit_bias, min_p, user: "me", stop, max_new_tokens, seed },
    { ...body, temperature: 0.6, stop: ["END"], max_new_tokens: 9, seed: null },
  );
  await create({ stop: ["a", "b"], max_tokens: 4 });
  assert.deepEqual([asked[1].options.stop, asked[1].options.max_new_tokens], [["a", "b"], 4]);
});

test("contents in parts are joined, and a developer speaks as the system", async () => {
  const { asked, create } = says([]);
  const parts = ["one", "two"].map((text) => ({ type: "text", text }));
  await create({ messages: [{ role: "developer", content: "Be brief." }, { role: "user", content: parts, name: "Ann" }] });
  assert.deepEqual(asked[0].prompt, [
    { role: "system", content: "Be brief." },
    { role: "user", content: "one\ntwo" },
  ]);
});

for (const [body, message] of [
  [{ functions: [] }, /^chat\.completions\.create takes no "functions"\. It takes: messages, model, stream/],
  [{ signal: new AbortController().signal }, /takes no "signal"/],
  [{ messages: undefined }, /needs messages/],
  [{ messages: [] }, /messages must be a list of messages, one at least/],
  [{ messages: [{ role: "robot", content: "" }] }, /^messages\[0\]\.role must be one of system, developer, user, assistant, tool/],
  [{ messages: [null] }, /^messages\[0\]\.role/],
  [{ messages: [...MESSAGES, { role: "user" }] }, /^messages\[1\]\.content must be a text, or a list of parts/],
  [
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
    /^messages\[0\]\.content has a part of type "image_url", and this engine reads text alone\.$/,
  ],
  [{ model: "gpt-4o" }, /^This is the model "owl", not "gpt-4o": load that one, or leave model out\.$/],
  [{ n: 0 }, /^n must be a whole number from 1 to 16, not 0\.$/],
  [{ n: 2, seed: Number.MAX_SAFE_INTEGER }, /seed leaves no room for 2 choices/],
  [{ max_tokens: 3, max_completion_tokens: 4 }, /^max_completion_tokens and max_tokens say different things: leave one\.$/],
  [{ stop: "" }, /^stop must be a text or a list of texts, none of them empty, not ""\.$/],
  [{ stream_options: { include_usage: true } }, /set stream to true/],
  [{ stream: true, stream_options: { more: 1 } }, /^stream_options must be \{ include_usage: true \}/],
  [{ response_format: { type: "xml" } }, /^response_format must be an object with the type "text"/],
  [{ temperature: -1 }, /^temperature must be a number, 0 or more, not -1\.$/],
  [{ logit_bias: { 100: 1 } }, /names token 100, and the last token of this model is 99/],
  [{ top_logprobs: 2 }, /set logprobs to true/],
]) {
  test(`refused before anything runs: ${message.source}`, async () => {
    const { asked, create } = says(["a"]);
    await assert.rejects(create(body), { kind: "bad-request", message });
    assert.deepEqual(asked, []);
  });
}

test("what fails while the answer is written is thrown where it is read", async () => {
  async function* answer() {
    yield { kind: "piece", id: 1, text: "Go", logprobs: [] };
    throw new Error("device lost");
  }
  const completions = new ChatCompletions({ name: "owl", fingerprint: "", manifest: MANIFEST, answer });
  const stream = await completions.create({ messages: MESSAGES, stream: true });
  await assert.rejects(chunksOf(stream), /device lost/);
  await assert.rejects(completions.create({ messages: MESSAGES }), /device lost/);
});

const TOOLS = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
const WITH_TOOLS = { ...MANIFEST, tokenizer: { chat_template: "{{ tools }} <tool_call>" } };
const CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Köln"}}</tool_call>';

test("calls of tools come whole, beside the text, and are the reason to end", async () => {
  const { asked, create } = says(["Let me ", "see.<to", CALL.slice(3)], "stop", WITH_TOOLS);
  const { choices, usage } = await create({ tools: TOOLS, tool_choice: "auto" });
  const [{ message, finish_reason }] = choices;
  const [{ id, ...call }] = message.tool_calls;
  assert.equal(message.content, "Let me see.");
  assert.deepEqual(call, { type: "function", function: { name: "weather", arguments: '{"city":"Köln"}' } });
  assert.equal(finish_reason, "tool_calls");
  assert.equal(usage.completion_tokens, 3);
  assert.deepEqual(asked[0].options.tools, TOOLS);

  const chunks = await chunksOf(await create({ tools: TOOLS, stream: true }));
  const deltas = chunks.map(({ choices: [{ delta }] }) => delta);
  assert.deepEqual(deltas.map(({ content }) => content), ["", "Let me ", "see.", undefined, undefined]);
  const { id: _, ...streamed } = deltas[3].tool_calls[0];
  assert.deepEqual(streamed, { index: 0, ...call });
  assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
});

test("a call and nothing else has no content; half a call that was cut off is text", async () => {
  const { choices } = await says([CALL], "stop", WITH_TOOLS).create({ tools: TOOLS });
  assert.equal(choices[0].message.content, null);
  const half = CALL.slice(0, 30);
  const cut = (await says([half], "length", WITH_TOOLS).create({ tools: TOOLS })).choices[0];
  assert.deepEqual([cut.message.content, cut.message.tool_calls, cut.finish_reason], [half, undefined, "length"]);
});

test("without tools, or with tool_choice none, an answer is text whatever it looks like", async () => {
  for (const body of [{}, { tools: TOOLS, tool_choice: "none" }]) {
    const { asked, create } = says([CALL], "stop", WITH_TOOLS);
    const [{ message, finish_reason }] = (await create(body)).choices;
    assert.deepEqual([message.content, finish_reason, asked[0].options.tools], [CALL, "stop", null]);
  }
});

test("calls and their results go back through the template, arguments as values", async () => {
  const { asked, create } = says([CALL], "stop", WITH_TOOLS);
  const first = (await create({ tools: TOOLS })).choices[0].message;
  const { id } = first.tool_calls[0];
  const result = { role: "tool", tool_call_id: id, content: '{"degrees": 3}' };
  await create({ tools: TOOLS, messages: [...MESSAGES, first, result] });
  assert.deepEqual(asked[1].prompt, [
    ...MESSAGES,
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id, type: "function", function: { name: "weather", arguments: { city: "Köln" } } }],
    },
    { ...result, name: "weather" },
  ]);
});

const CALLED = { role: "assistant", tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }] };
for (const [body, message, manifest = WITH_TOOLS] of [
  [{ tools: TOOLS }, /^This model's chat template has no tools/, MANIFEST],
  [{ tools: TOOLS, tool_choice: "none" }, /^This model's chat template has no tools/, MANIFEST],
  [{ messages: [CALLED] }, /^This model's chat template has no tools/, MANIFEST],
  [{ tools: [] }, /^tools must be a list of tools, one at least, not \[\]\.$/],
  [{ tools: [{ type: "web_search" }] }, /^tools\[0\] must be \{ type: "function", function:/],
  [{ tools: [{ type: "function", function: { name: "f", parameters: { n: 1n } } }] }, /^tools must be plain values/],
  [{ tools: TOOLS, tool_choice: "required" }, /^tool_choice must be "auto" or "none": this engine cannot make a model call a tool, not "required"\.$/],
  [{ tool_choice: "auto" }, /^tool_choice and parallel_tool_calls belong to tools/],
  [{ tools: TOOLS, parallel_tool_calls: false }, /^parallel_tool_calls must be true/],
  [{ messages: [{ role: "tool", content: "3" }] }, /^messages\[0\]\.tool_call_id must be the id/],
  [{ messages: [CALLED, { role: "tool", content: "3", tool_call_id: "b" }] }, /^messages\[1\] answers the call "b", and no message before it makes it\.$/],
  [{ messages: [{ role: "assistant", tool_calls: [{}] }] }, /^messages\[0\]\.tool_calls\[0\] must be \{ id, type/],
  [{ messages: [{ role: "assistant", tool_calls: "f()" }] }, /^messages\[0\]\.tool_calls must be a list\.$/],
  ...["", "[1]", "null", "{", undefined].map((args) => [
    { messages: [{ role: "assistant", tool_calls: [{ id: "a", function: { name: "f", arguments: args } }] }] },
    /^messages\[0\]\.tool_calls\[0\]\.function\.arguments must be an object, as JSON in a text\.$/,
  ]),
]) {
  test(`tools refused: ${JSON.stringify(body, (_, value) => (typeof value === "bigint" ? "1n" : value))}`, async () => {
    const { asked, create } = says(["a"], "stop", manifest);
    await assert.rejects(create(body), { kind: "bad-request", message });
    assert.deepEqual(asked, []);
  });
}
