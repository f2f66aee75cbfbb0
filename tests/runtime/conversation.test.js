import assert from "node:assert/strict";
import test from "node:test";
import { CHUNK, Conversation, commonLength, prefill } from "../../sitegen/runtime/conversation.js";
import { generate, newFigures } from "../../sitegen/runtime/generate.js";
import { argmax } from "../../sitegen/runtime/sampling.js";

const VOCAB = 1000;

/**
 * A model whose next token depends on all that it holds: wrong memory gives a wrong answer.
 * @param {{ canRewind?: boolean }} [kind]
 */
function sequences({ canRewind = true } = {}) {
  const made = { runs: [], open: 0, fails: false };
  made.begin = () => {
    made.open += 1;
    return {
      ids: [],
      async run(ids) {
        this.ids.push(...ids);
        if (made.fails) throw new Error("The device is gone.");
        made.runs.push(ids.length);
        const logits = new Float32Array(VOCAB);
        logits[this.ids.reduce((sum, id) => (31 * sum + id + 7) % VOCAB, 0)] = 1;
        return logits;
      },
      rewind(length) {
        if (length < this.ids.length) this.ids.length = canRewind ? length : 0;
        return this.ids.length;
      },
      dispose() {
        made.open -= 1;
      },
    };
  };
  return made;
}

const limits = { context_length: 2000, short_context: null, eos_token_ids: [], max_new_tokens: 8 };
const LONG = Array.from({ length: 300 }, (_, n) => (n * n) % VOCAB);

/** An answer, and the figures and runs it took. */
async function answer(made, conversation, promptIds, { isStopped, ...other } = {}) {
  made.runs = [];
  const figures = newFigures();
  const ids = [];
  const all = { ...limits, ...other };
  for await (const id of generate(conversation, promptIds, all, argmax, figures, { isStopped })) ids.push(id);
  return { ids, figures, runs: made.runs };
}

/** The same without any memory. */
async function fresh(promptIds, options) {
  const made = sequences();
  return (await answer(made, new Conversation(made.begin), promptIds, options)).ids;
}

function begin(kind) {
  const made = sequences(kind);
  return [made, new Conversation(made.begin)];
}

test("a prompt is run in parts, and a token a run after it", async () => {
  const [made, conversation] = begin();
  const { runs, figures } = await answer(made, conversation, LONG);
  assert.deepEqual(runs, [CHUNK, CHUNK, 300 - 2 * CHUNK, 1, 1, 1, 1, 1, 1, 1]);
  assert.equal(figures.cached_tokens, 0);
});

test("of the next turn only what is new is run, and the answer is that of a sequence begun anew", async () => {
  const [made, conversation] = begin();
  const first = await answer(made, conversation, LONG);
  const prompt = [...LONG, ...first.ids, 5, 6, 7];
  const second = await answer(made, conversation, prompt);
  // The answer's last token was given out and never run.
  assert.equal(second.figures.cached_tokens, LONG.length + first.ids.length - 1);
  assert.deepEqual(second.runs.slice(0, 2), [4, 1]);
  assert.deepEqual(second.ids, await fresh(prompt));
});

test("another try runs one token of the prompt again; an edit runs what follows it", async () => {
  const [made, conversation] = begin();
  const first = await answer(made, conversation, LONG);
  const again = await answer(made, conversation, LONG);
  assert.equal(again.figures.cached_tokens, LONG.length - 1);
  assert.equal(again.runs[0], 1);
  assert.deepEqual(again.ids, first.ids);
  const edited = LONG.with(250, 999);
  const other = await answer(made, conversation, edited);
  assert.equal(other.figures.cached_tokens, 250);
  assert.equal(other.runs[0], 50);
  assert.deepEqual(other.ids, await fresh(edited));
  assert.equal(made.open, 1);
});

test("a prompt that begins otherwise, or is shorter, keeps what is the same and no more", async () => {
  const [made, conversation] = begin();
  await answer(made, conversation, LONG);
  for (const prompt of [LONG.with(0, 500), LONG.slice(0, 100), [7], LONG]) {
    const { ids } = await answer(made, conversation, prompt);
    assert.deepEqual(ids, await fresh(prompt));
  }
});

test("where nothing can be undone, only a prompt that goes on with everything keeps anything", async () => {
  const [made, conversation] = begin({ canRewind: false });
  const first = await answer(made, conversation, LONG);
  const next = [...LONG, ...first.ids, 5];
  const second = await answer(made, conversation, next);
  assert.equal(second.figures.cached_tokens, LONG.length + first.ids.length - 1);
  assert.deepEqual(second.ids, await fresh(next));
  const edited = await answer(made, conversation, LONG.with(290, 1));
  assert.equal(edited.figures.cached_tokens, 0);
  assert.deepEqual(edited.ids, await fresh(LONG.with(290, 1)));
});

test("a stop takes effect between two parts of the prompt, and what was run is kept", async () => {
  const [made, conversation] = begin();
  let asked = 0;
  const stopped = await answer(made, conversation, LONG, { isStopped: async () => ++asked > 2 });
  assert.deepEqual(stopped.runs, [CHUNK, CHUNK]);
  assert.deepEqual(stopped.ids, []);
  assert.equal(stopped.figures.finish_reason, "aborted");
  const again = await answer(made, conversation, LONG);
  assert.equal(again.figures.cached_tokens, 2 * CHUNK);
  assert.deepEqual(again.ids, await fresh(LONG));
});

test("leaving an answer early keeps what was run of it", async () => {
  const [made, conversation] = begin();
  const ids = [];
  for await (const id of generate(conversation, LONG, limits, argmax, newFigures())) {
    ids.push(id);
    if (ids.length === 3) break;
  }
  const next = await answer(made, conversation, [...LONG, ...ids, 9]);
  assert.equal(next.figures.cached_tokens, LONG.length + 2);
  assert.deepEqual(next.ids, await fresh([...LONG, ...ids, 9]));
});

test("after a failure everything is begun anew, and nothing stays open", async () => {
  const [made, conversation] = begin();
  await answer(made, conversation, LONG);
  made.fails = true;
  await assert.rejects(answer(made, conversation, [...LONG, 1]), /The device is gone/);
  assert.equal(made.open, 0);
  made.fails = false;
  const { ids, figures } = await answer(made, conversation, LONG);
  assert.equal(figures.cached_tokens, 0);
  assert.deepEqual(ids, await fresh(LONG));
  assert.equal(made.open, 1);
});

test("a prompt that outgrows the short context is run beyond it at once", async () => {
  const [made, conversation] = begin();
  await answer(made, conversation, LONG.slice(0, 50), { short_context: 200 });
  const { runs, figures } = await answer(made, conversation, LONG, { short_context: 200 });
  assert.equal(figures.cached_tokens, 0); // its keys turn by other angles
  assert.deepEqual(runs.slice(0, 3), [201, 99, 1]);
  const longer = [...LONG, 1, 2, 3];
  assert.equal((await answer(made, conversation, longer, { short_context: 200 })).figures.cached_tokens, 300);
});

test("a beginning is read in parts, once, and an answer goes on from it", async () => {
  const [made, conversation] = begin();
  const never = async () => false;
  assert.equal(await prefill(conversation, LONG, null, never), 300);
  assert.equal(await prefill(conversation, LONG, null, never), 300);
  assert.deepEqual(made.runs, [CHUNK, CHUNK, 300 - 2 * CHUNK]);
  const { figures, runs, ids } = await answer(made, conversation, [...LONG, 1, 2]);
  assert.equal(figures.cached_tokens, 300);
  assert.equal(runs[0], 2);
  assert.deepEqual(ids, await fresh([...LONG, 1, 2]));
});

test("a beginning gives way between its parts, and goes on from there another time", async () => {
  const [made, conversation] = begin();
  let asked = 0;
  assert.equal(await prefill(conversation, LONG, null, async () => ++asked > 1), CHUNK);
  assert.equal(await prefill(conversation, LONG, null, async () => false), 300);
  assert.deepEqual(made.runs, [CHUNK, CHUNK, 300 - 2 * CHUNK]);
});

test("a beginning replaces another one, never what an answer left", async () => {
  const [made, conversation] = begin();
  const never = async () => false;
  await prefill(conversation, LONG, null, never);
  const other = [1, ...LONG];
  assert.equal(await prefill(conversation, other, null, never), 301);
  conversation.isAnswered = true;
  made.runs = [];
  assert.equal(await prefill(conversation, LONG.with(200, 5), null, never), 0);
  assert.equal(await prefill(conversation, other.slice(0, 50), null, never), 50);
  assert.deepEqual(made.runs, []);
  assert.equal(conversation.ids.length, 301);
  conversation.forget();
  assert.equal(await prefill(conversation, LONG, null, never), 300);
});

test("the common beginning of ids", () => {
  assert.equal(commonLength([], [1]), 0);
  assert.equal(commonLength([1, 2, 3], [1, 2]), 2);
  assert.equal(commonLength([1, 2, 3], [1, 5, 3]), 1);
});
