import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import test from "node:test";
import { loadFiles } from "../../sitegen/runtime/loader.js";
import { createRandom } from "../../sitegen/runtime/sampling.js";
import { MemoryStore } from "./memory-store.js";

const random = createRandom(5);
const FILES = Array.from({ length: 6 }, (_, i) => {
  const bytes = Uint8Array.from({ length: 40_000 + 1000 * i }, () => 256 * random());
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes, ref: { path: `files/${sha256}.bin`, bytes: bytes.length, sha256 } };
});
const REFS = FILES.map(({ ref }) => ref);
const BYTES = REFS.reduce((sum, ref) => sum + ref.bytes, 0);

/**
 * A real HTTP server of FILES; `faults` maps a path to what happens to its next requests.
 * @param {(site: { root: string, faults: Map<string, Function[]>, requests: string[] }) => Promise<void>} use
 */
async function withServer(use) {
  const faults = new Map();
  const requests = [];
  const server = createServer((request, response) => {
    const path = request.url.slice(1);
    requests.push(path);
    const { bytes } = FILES.find(({ ref }) => ref.path === path);
    const serve = faults.get(path)?.shift() ?? sendWhole;
    serve(response, bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const root = `http://127.0.0.1:${server.address().port}/`;
  try {
    await use({ root, faults, requests });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function sendWhole(response, bytes) {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  response.end(bytes);
}
function sendTruncated(response, bytes) {
  response.writeHead(200).end(bytes.subarray(0, 1234));
}
function sendTooMuch(response, bytes) {
  response.writeHead(200);
  response.write(bytes);
  response.end("and more");
}
function sendDamaged(response, bytes) {
  response.writeHead(200).end(bytes.map((byte, i) => (i === 777 ? byte ^ 1 : byte)));
}
function sendPage(response) {
  response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>Not found");
}
function send503(response) {
  response.writeHead(503).end("busy");
}
function cutHalfWay(response, bytes) {
  response.writeHead(200, { "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

const wanted = (refs = REFS) => refs.map((ref) => ({ ref }));
const NO_WAIT = [1, 1];

/** A fresh copy of the bytes is compared: the loader's own must not be what we look at. */
function assertContents(contents, files = FILES) {
  contents.forEach((bytes, i) => assert.deepEqual(Buffer.from(bytes), Buffer.from(files[i].bytes)));
}

test("files arrive whole, are kept, and come from the store the next time", () =>
  withServer(async ({ root, requests }) => {
    const store = new MemoryStore();
    const first = await loadFiles(wanted(), { root, store });
    assertContents(first.contents);
    assert.equal(first.storage, "stored");
    assert.equal(requests.length, FILES.length);

    const events = [];
    const second = await loadFiles(wanted(), { root, store, onProgress: (p) => events.push(p) });
    assertContents(second.contents);
    assert.equal(requests.length, FILES.length, "nothing is asked for twice");
    assert.deepEqual(events.at(-1), {
      phase: "download",
      loaded_bytes: BYTES,
      total_bytes: BYTES,
      cached_bytes: BYTES,
      files_done: FILES.length,
      files_total: FILES.length,
    });
  }));

test("shards are written into the place they are given", () =>
  withServer(async ({ root }) => {
    const joined = new Uint8Array(BYTES);
    let offset = 0;
    const shards = REFS.map((ref) => ({ ref, into: joined.subarray(offset, (offset += ref.bytes)) }));
    const store = new MemoryStore();
    for (const _ of ["from the network", "from the store"]) {
      joined.fill(0);
      await loadFiles(shards, { root, store });
      assert.deepEqual(Buffer.from(joined), Buffer.concat(FILES.map(({ bytes }) => bytes)));
    }
  }));

test("a Blob has the bytes, with a store and without", () =>
  withServer(async ({ root }) => {
    const shards = REFS.map((ref) => ({ ref, asBlob: true }));
    for (const store of [new MemoryStore(), null]) {
      const { contents } = await loadFiles(shards, { root, store });
      assertContents(await Promise.all(contents.map(async (blob) => new Uint8Array(await blob.arrayBuffer()))));
    }
  }));

for (const [fault, kind, message] of [
  [sendTruncated, "wrong-length", /has 1234 bytes instead of 42000/],
  [sendTooMuch, "wrong-length", /has more than 42000 bytes instead of 42000/],
  [sendPage, "wrong-length", /a web page in its place/],
  [sendDamaged, "wrong-hash", /damaged: its SHA-256 is [0-9a-f]{64} instead of/],
]) {
  test(`${fault.name}: ${kind}, not kept, and a second try fetches only what is missing`, () =>
    withServer(async ({ root, faults, requests }) => {
      const store = new MemoryStore();
      const broken = REFS[2].path;
      faults.set(broken, [fault]);
      await loadFiles(wanted(REFS.slice(0, 2)), { root, store });
      await assert.rejects(loadFiles(wanted(REFS.slice(0, 3)), { root, store }), (error) => {
        assert.equal(error.kind, kind);
        assert.match(error.message, message);
        assert.equal(error.detail.file, broken);
        return true;
      });
      assert.equal(await store.match(root + broken), undefined);

      requests.length = 0;
      const { contents } = await loadFiles(wanted(REFS.slice(0, 3)), { root, store });
      assertContents(contents);
      assert.deepEqual(requests, [broken]);
    }));
}

for (const fault of [send503, cutHalfWay]) {
  test(`${fault.name} twice, then well: retried, and the progress is right in the end`, () =>
    withServer(async ({ root, faults, requests }) => {
      faults.set(REFS[0].path, [fault, fault]);
      const events = [];
      const { contents } = await loadFiles(wanted(REFS.slice(0, 1)), {
        root,
        store: new MemoryStore(),
        retryDelaysMs: NO_WAIT,
        onProgress: (progress) => events.push(progress),
      });
      assertContents(contents);
      assert.equal(requests.length, 3);
      assert.equal(events.at(-1).loaded_bytes, REFS[0].bytes);
      assert.ok(events.every(({ loaded_bytes, total_bytes }) => loaded_bytes <= total_bytes));
    }));

  test(`${fault.name} for ever: download-failed after three tries`, () =>
    withServer(async ({ root, faults, requests }) => {
      faults.set(REFS[0].path, [fault, fault, fault, fault]);
      const options = { root, store: new MemoryStore(), retryDelaysMs: NO_WAIT };
      await assert.rejects(loadFiles(wanted(REFS.slice(0, 1)), options), {
        kind: "download-failed",
        message: /could not be downloaded .* Check the connection, then try again\./,
      });
      assert.equal(requests.length, 3);
    }));
}

test("a stored file that was damaged is thrown away and fetched again", () =>
  withServer(async ({ root, requests }) => {
    const store = new MemoryStore();
    await loadFiles(wanted(), { root, store });
    await store.put(root + REFS[1].path, new Response(FILES[1].bytes.slice(1)));
    await store.put(root + REFS[3].path, new Response(FILES[3].bytes.map((byte) => byte ^ 1)));
    requests.length = 0;
    const { contents } = await loadFiles(wanted(), { root, store });
    assertContents(contents);
    assert.deepEqual(requests.sort(), [REFS[1].path, REFS[3].path].sort());
    const kept = await store.match(root + REFS[1].path);
    assert.equal((await kept.arrayBuffer()).byteLength, REFS[1].bytes);
  }));

test("a damaged stored file does not stay when it cannot be fetched again", () =>
  withServer(async ({ root, faults }) => {
    const store = new MemoryStore();
    const [{ path }] = REFS;
    await store.put(root + path, new Response(FILES[0].bytes.map((byte) => byte ^ 1)));
    faults.set(path, [send503, send503, send503]);
    const load = loadFiles(wanted(REFS.slice(0, 1)), { root, store, retryDelaysMs: NO_WAIT });
    await assert.rejects(load, { kind: "download-failed" });
    assert.equal(await store.match(root + path), undefined);
  }));

test("a full disk: the files are used from memory, and it is said", () =>
  withServer(async ({ root }) => {
    const store = new MemoryStore({ maxBytes: 50_000 });
    const { contents, storage } = await loadFiles(wanted(), { root, store });
    assertContents(contents);
    assert.equal(storage, "full");
  }));

test("no store at all: the files are used from memory", () =>
  withServer(async ({ root }) => {
    const { contents, storage } = await loadFiles(wanted(), { root, store: null });
    assertContents(contents);
    assert.equal(storage, "unavailable");
  }));

test("an aborted download ends with aborted, and what was complete stays", () =>
  withServer(async ({ root, faults }) => {
    const controller = new AbortController();
    const store = new MemoryStore();
    await loadFiles(wanted(REFS.slice(0, 2)), { root, store });
    const never = (response, bytes) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 10), () => controller.abort());
    };
    faults.set(REFS[2].path, [never]);
    const load = loadFiles(wanted(), { root, store, signal: controller.signal });
    await assert.rejects(load, { kind: "aborted" });
    assert.ok(await store.match(root + REFS[0].path));
    await assert.rejects(loadFiles(wanted(), { root, store, signal: controller.signal }), {
      kind: "aborted",
    });
  }));
