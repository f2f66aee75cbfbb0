import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import test from "node:test";
import { SitegenError, asSitegenError } from "../../sitegen/runtime/protocol.js";
import { MODULES } from "../../sitegen/runtime/storage.js";

const RUNTIME = new URL("../../sitegen/runtime/", import.meta.url);
const read = (path) => readFileSync(new URL(path, RUNTIME), "utf8");

/** Properties of a @typedef in protocol.js: name → whether it may be missing. */
function typedef(name) {
  const source = read("protocol.js");
  const start = source.indexOf(`@typedef {object} ${name}\n`);
  assert.ok(start >= 0, `protocol.js has no type ${name}`);
  const block = source.slice(start, source.indexOf("*/", start));
  const lines = block.matchAll(/@property \{.+?\} (\[?)(\w+)\]?(?=\s|$)/gm);
  return Object.fromEntries([...lines].map(([, bracket, key]) => [key, bracket === "["]));
}

const schema = JSON.parse(read("../models/manifest.schema.json"));
for (const [name, part] of [
  ["Manifest", schema],
  ["Licence", schema.properties.licence],
  ["AttentionCache", schema.$defs.layer_cache.oneOf[0]],
  ["ConvolutionCache", schema.$defs.layer_cache.oneOf[1]],
  ["TokenizerFiles", schema.properties.tokenizer],
  ["GenerationDefaults", schema.properties.generation],
  ["FileRef", schema.$defs.file],
  ["Variant", schema.$defs.variant],
  ["Weights", schema.$defs.variant.properties.weights],
  ["SelfCheck", schema.$defs.variant.properties.self_check],
  ["Quality", schema.$defs.variant.properties.quality],
]) {
  test(`type ${name} has the keys of the manifest schema`, () => {
    const required = part.required ?? [];
    const expected = Object.keys(part.properties).map((key) => [key, !required.includes(key)]);
    assert.deepEqual(typedef(name), Object.fromEntries(expected));
  });
}

test("MODULES are what sitegen.js and worker.js import", () => {
  const seen = new Set();
  const follow = (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    if (path.startsWith("vendor/")) return;
    const source = read(path).replace(/\/\*[\s\S]*?\*\//g, "");
    for (const [, target] of source.matchAll(/from "\.\/([^"]+)"/g)) follow(target);
  };
  follow("sitegen.js");
  follow("worker.js");
  assert.deepEqual([...MODULES].sort(), [...seen].sort());
});

test("every module but those of the page's parts is known", () => {
  const own = readdirSync(RUNTIME).filter((name) => name.endsWith(".js"));
  const others = own.filter((name) => !MODULES.includes(name));
  assert.deepEqual(others.sort(), ["register.js", "service-worker.js"]);
  assert.ok(MODULES.every((path) => existsSync(new URL(path, RUNTIME)) || path.startsWith("vendor/")));
});

test("an error crosses to the page with its kind, sentence and detail", () => {
  const sent = new SitegenError("wrong-hash", "It is damaged.", { file: "files/x.bin" });
  const got = SitegenError.fromRecord(structuredClone(sent.toRecord()));
  assert.ok(got instanceof SitegenError);
  assert.deepEqual(got.toRecord(), sent.toRecord());
});

test("a lack of memory is told from other failures", () => {
  assert.equal(asSitegenError(new RangeError("Out of memory"), "starting").kind, "out-of-memory");
  assert.equal(asSitegenError(new Error("std::bad_alloc"), "starting").kind, "out-of-memory");
  assert.equal(asSitegenError(new Error("OOM at line 3"), "starting").kind, "out-of-memory");
  assert.equal(asSitegenError(new Error("BloomAttention has no kernel"), "starting").kind, "engine-failed");
  const other = asSitegenError(new TypeError("x is undefined"), "starting the model");
  assert.equal(other.kind, "engine-failed");
  assert.match(other.message, /while starting the model: x is undefined/);
});
