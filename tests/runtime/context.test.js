import assert from "node:assert/strict";
import test from "node:test";
import { fitPrompt } from "../../sitegen/runtime/context.js";

/** A token a word, and one before each message. */
const encode = (prompt) =>
  typeof prompt === "string"
    ? prompt.split(" ").map((_, n) => n)
    : prompt.flatMap(({ content }) => [0, ...content.split(" ").map(() => 1)]);

const words = (count) => Array(count).fill("word").join(" ");
const user = (count) => ({ role: "user", content: words(count) });
const assistant = (count) => ({ role: "assistant", content: words(count) });
const system = { role: "system", content: words(4) }; // 5 tokens

const options = { context_length: 100, max_new_tokens: 40, context_overflow: "drop_oldest" };

/** Five turns of ten tokens each, then a question of ten: 65 tokens with the system message. */
const long = [system, ...Array(5).fill([user(4), assistant(4)]).flat(), user(9)];

test("a prompt with room for its answer stays whole, and so does any where the choice is to stop", () => {
  assert.equal(encode(long).length, 65);
  const { promptIds, dropped_messages } = fitPrompt(long, encode, options);
  assert.deepEqual([promptIds.length, dropped_messages], [65, 0]);
  const full = { ...options, context_overflow: "stop", context_length: 70 };
  assert.deepEqual(fitPrompt(long, encode, full), { promptIds: encode(long), dropped_messages: 0 });
});

test("the oldest turns go, from the system message on, until half of the context is free", () => {
  const { promptIds, dropped_messages } = fitPrompt(long, encode, { ...options, context_length: 86 });
  // 65 + 21 fit into 86; into 85 they do not, and 42 are kept of it at most: 35 are.
  assert.deepEqual([promptIds.length, dropped_messages], [65, 0]);
  const less = fitPrompt(long, encode, { ...options, context_length: 85 });
  assert.deepEqual([less.promptIds.length, less.dropped_messages], [35, 6]);
});

test("a short answer needs less room", () => {
  const short = { ...options, context_length: 70, max_new_tokens: 5 };
  assert.equal(fitPrompt(long, encode, short).dropped_messages, 0);
  assert.equal(fitPrompt(long, encode, { ...short, max_new_tokens: 6 }).dropped_messages, 6);
});

test("a turn goes as a whole: an answer, its tools' messages and all, never without its question", () => {
  const tool = { role: "tool", content: words(9) };
  const prompt = [user(9), assistant(9), tool, assistant(9), user(9), assistant(9), user(9)];
  const { dropped_messages } = fitPrompt(prompt, encode, { ...options, context_length: 80 });
  assert.equal(dropped_messages, 4);
});

test("where the last message takes more than half, no more goes than must", () => {
  const prompt = [...Array(4).fill([user(4), assistant(4)]).flat(), user(54)];
  const { promptIds, dropped_messages } = fitPrompt(prompt, encode, { ...options, max_new_tokens: 25 });
  assert.deepEqual([promptIds.length, dropped_messages], [75, 4]);
});

test("the system message and the last question stay, even where they do not fit", () => {
  const prompt = [system, user(9), assistant(9), user(120)];
  const { promptIds, dropped_messages } = fitPrompt(prompt, encode, options);
  assert.deepEqual([promptIds.length, dropped_messages], [126, 2]);
  const alone = [system, user(120)];
  assert.equal(fitPrompt(alone, encode, options).dropped_messages, 0);
  assert.equal(fitPrompt([{ ...system, content: words(120) }], encode, options).dropped_messages, 0);
});

test("a text has no turns to drop, which is said only when it does not fit", () => {
  assert.equal(fitPrompt("a short text", encode, options).dropped_messages, 0);
  assert.throws(() => fitPrompt(words(99), encode, options), {
    kind: "bad-request",
    message: /drops turns, and a text has none: give a list of messages/,
  });
});
