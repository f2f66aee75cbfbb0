import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { strftime } from "../../sitegen/runtime/strftime.js";
import { compileTemplate } from "../../sitegen/runtime/template.js";
import { readOracle } from "./oracle.js";

const oracle = readOracle("chat");
const now = () => new Date(oracle.now); // no zone: local time, as Python took it

/** Renders, or throws where Python does. */
function check(render, variables, { text, error }, about) {
  if (error === undefined) assert.equal(render(variables), text, about);
  else assert.throws(() => render(variables), undefined, `${about}: Python says ${error}`);
}

for (const { name, cases } of oracle.templates) {
  test(`chat template ${name}: as Jinja2 in transformers`, () => {
    const source = readFileSync(new URL(`templates/${name}.jinja`, import.meta.url), "utf8");
    const render = compileTemplate(source, now);
    for (const { conversation, tools, prompt, ...expected } of cases) {
      const variables = {
        ...oracle.tokens,
        messages: oracle.conversations[conversation],
        tools: tools ? oracle.tools : null,
        documents: null,
        add_generation_prompt: prompt,
      };
      check(render, variables, expected, JSON.stringify({ conversation, tools, prompt }));
    }
  });
}

test("each filter, test, method and operator says what Python says", () => {
  for (const { source, ...expected } of oracle.snippets) {
    check((variables) => compileTemplate(source, now)(variables), oracle.variables, expected, source);
  }
});

test("what a template raises is what the reader is told", () => {
  assert.throws(() => compileTemplate("{{ raise_exception('Roles must alternate') }}")({}), {
    message: "Roles must alternate",
  });
});

test("dates are written as Python writes them", () => {
  for (const { now, form, text } of oracle.dates) assert.equal(strftime(new Date(now), form), text, now);
});

test("a template's date is the reader's", () => {
  const { format } = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });
  assert.equal(compileTemplate("{{ strftime_now('%d %b %Y') }}")({}), format(new Date()).replace("Sept", "Sep"));
});
