import assert from "node:assert/strict";
import test from "node:test";
import { afterEdit, withoutNewest } from "../../sitegen/runtime/elements/continuations.js";

const TEXT = "A fox ran home. Then it slept.";
const ONE = [{ id: 0, start: 6, end: 15 }]; // "ran home."

/** What the model wrote, as text. */
const marked = (text, continuations) => continuations.map(({ start, end }) => text.slice(start, end));

/** The marked parts after a person changed TEXT to `text`. */
const after = (text, before = ONE) => marked(text, afterEdit(before, TEXT, text));

test("typing before or after a continuation leaves it whole", () => {
  assert.deepEqual(after("A red fox ran home. Then it slept."), ["ran home."]);
  assert.deepEqual(after(`${TEXT} The end.`), ["ran home."]);
});

test("typing inside splits it", () => {
  assert.deepEqual(after("A fox ran all the way home. Then it slept."), ["ran ", "home."]);
});

test("deleting inside shortens it, deleting around it removes it", () => {
  assert.deepEqual(after("A fox ran. Then it slept."), ["ran", "."]);
  assert.deepEqual(after("A fox slept."), []);
  assert.deepEqual(after(""), []);
});

test("a replacement across its start keeps only what the model wrote", () => {
  assert.deepEqual(after("A wolf went home. Then it slept."), [" home."]);
});

test("an unchanged text changes nothing", () => {
  assert.deepEqual(afterEdit(ONE, TEXT, TEXT), ONE);
});

test("the newest continuation is taken out, with what a person wrote since left in", () => {
  const text = "Once MODEL-ONE mine MODEL-TWO end";
  const continuations = [
    { id: 0, start: 5, end: 14 },
    { id: 1, start: 20, end: 29 },
  ];
  const undone = withoutNewest(text, continuations);
  assert.equal(undone.text, "Once MODEL-ONE mine  end");
  assert.deepEqual(marked(undone.text, undone.continuations), ["MODEL-ONE"]);
  const twice = withoutNewest(undone.text, undone.continuations);
  assert.equal(twice.text, "Once  mine  end");
  assert.deepEqual(twice.continuations, []);
});

test("a newest continuation in two parts goes as one", () => {
  const text = "AA older BB newer CC";
  const undone = withoutNewest(text, [
    { id: 4, start: 0, end: 2 },
    { id: 3, start: 3, end: 8 },
    { id: 4, start: 9, end: 11 },
  ]);
  assert.equal(undone.text, " older  newer CC");
  assert.deepEqual(marked(undone.text, undone.continuations), ["older"]);
});
