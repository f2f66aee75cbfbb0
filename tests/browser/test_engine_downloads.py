"""Broken downloads in a real browser: a clear sentence, a retry that works, no broken cache."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from test_engine import generate, load

pytestmark = pytest.mark.browser

CACHED = """async () => {
  const names = (await caches.keys()).filter((name) => name.endsWith(":files"));
  const found = {};
  for (const name of names) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const bytes = await (await cache.match(request)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      found[request.url] = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
    }
  }
  return found;
}"""


def assert_cache_is_sound(page: Any) -> set[str]:
    """Every stored file has the hash it is named by; returns their paths in the site."""
    cached: dict[str, str] = page.evaluate(CACHED)
    for url, sha256 in cached.items():
        name = url.rsplit("/", 1)[1]
        assert sha256.startswith(name.rsplit(".", 2)[-2][-12:]) or name == f"{sha256}.bin", url
    return {url[url.index("_sitegen/") :] for url in cached}


def settled_cache(page: Any) -> set[str]:
    """As `assert_cache_is_sound`, once the files that were being stored when a load failed are."""
    before, after = None, assert_cache_is_sound(page)
    while before != after:
        page.wait_for_timeout(300)
        before, after = after, assert_cache_is_sound(page)
    return after


@pytest.fixture
def shard(site_models) -> str:
    [wasm] = [v for v in site_models["small"].manifest["variants"] if v["name"] == "wasm"]
    return f"_sitegen/{wasm['weights']['shards'][5]['path']}"


@pytest.mark.parametrize(
    "fault, kind, message",
    [
        ("damaged", "wrong-hash", "arrived damaged"),
        ("truncated", "wrong-length", "has 4096 bytes instead of 8192"),
        ("page", "wrong-length", "a web page in its place"),
    ],
)
def test_a_broken_shard_is_named_and_a_second_try_mends_it(
    make_site, open_page, shard, fault, kind, message
):
    site = make_site()
    page = open_page(site.url)
    site.faults[shard] = [fault]
    failed = load(page, "small", backend="wasm")
    assert failed["kind"] == kind, failed
    assert message in failed["message"]
    assert failed["detail"]["file"] == shard.removeprefix("_sitegen/")
    stored = settled_cache(page)

    site.requests.clear()
    assert "info" in load(page, "small", backend="wasm")
    asked = [path for path in site.requests if "/files/" in path]
    assert shard in asked
    assert len(asked) == len(set(asked))
    assert stored.isdisjoint(site.requests)
    assert assert_cache_is_sound(page) >= stored.union(asked)
    assert generate(page, "The fox")["text"] != ""


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_a_connection_that_fails_twice_is_tried_again_by_itself(make_site, open_page, shard, fault):
    site = make_site()
    site.faults[shard] = [fault, fault]
    page = open_page(site.url)
    assert "info" in load(page, "small", backend="wasm")
    assert site.requests.count(shard) == 3


def test_a_connection_that_always_fails_ends_with_what_to_do(make_site, open_page, shard):
    site = make_site()
    site.faults[shard] = ["cut"] * 9
    page = open_page(site.url)
    failed = load(page, "small", backend="wasm")
    assert failed["kind"] == "download-failed"
    assert "Check the connection, then try again." in failed["message"]
    assert_cache_is_sound(page)


def test_a_damaged_cached_file_is_fetched_again(make_site, open_page, shard):
    site = make_site()
    page = open_page(site.url)
    load(page, "small", backend="wasm")
    page.evaluate(
        """async (url) => {
          const [name] = (await caches.keys()).filter((name) => name.endsWith(":files"));
          const cache = await caches.open(name);
          const bytes = new Uint8Array(await (await cache.match(url)).arrayBuffer());
          bytes[100] ^= 1;
          await cache.put(url, new Response(bytes));
        }""",
        site.url + shard,
    )
    site.requests.clear()
    assert "info" in load(page, "small", backend="wasm")
    assert [path for path in site.requests if "/files/" in path] == [shard]
    assert_cache_is_sound(page)


def test_an_aborted_load_stops_and_the_next_one_resumes(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    outcome = page.evaluate(
        """async () => {
          const controller = new AbortController();
          const onProgress = ({ files_done }) => files_done > 2 && controller.abort();
          try {
            await sitegen.load("small", { backend: "wasm", signal: controller.signal, onProgress });
          } catch (error) {
            return error.kind;
          }
        }"""
    )
    assert outcome == "aborted"
    assert_cache_is_sound(page)
    assert "info" in load(page, "small", backend="wasm")


@pytest.mark.parametrize("step", ["looking for a graphics card", "storing the engine"])
def test_an_abort_between_downloads_is_seen_too(make_site, open_page, step):
    page = open_page(make_site().url)
    outcome = page.evaluate(
        """async (step) => {
          const controller = new AbortController();
          const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          let open = 0;
          globalThis.Worker = class extends Worker {
            constructor(...how) { super(...how); open += 1; }
            terminate() { super.terminate(); open -= 1; }
          };
          const { fetch } = globalThis;
          if (step === "storing the engine") {
            globalThis.fetch = async (url, options) => {
              if (!String(url).endsWith("/jinja.js")) return fetch(url, options);
              return new Promise((_, reject) => options.signal.addEventListener("abort", reject));
            };
          } else {
            const requestAdapter = async () => pause(300).then(() => controller.abort());
            Object.defineProperty(navigator, "gpu", { value: { requestAdapter } });
          }
          const onProgress = ({ phase }) => {
            if (phase === "ready") setTimeout(() => controller.abort(), 100);
          };
          return sitegen
            .load("small", { backend: "wasm", signal: controller.signal, onProgress })
            .then(() => "loaded", ({ kind }) => ({ kind, open }));
        }""",
        step,
    )
    assert outcome == {"kind": "aborted", "open": 0}


def test_progress_counts_up_to_the_planned_bytes(make_site, open_page):
    page = open_page(make_site().url)
    planned = page.evaluate("async () => sitegen.plan('small', { backend: 'wasm' })")
    events = load(page, "small", backend="wasm")["events"]
    downloads = [event for event in events if event["phase"] == "download"]
    assert downloads[-1]["loaded_bytes"] == downloads[-1]["total_bytes"] == planned["bytes"]
    assert downloads[-1]["files_done"] == len(planned["files"])
    assert [event["loaded_bytes"] for event in downloads] == sorted(
        event["loaded_bytes"] for event in downloads
    )
    assert [event["phase"] for event in events][-3:] == ["compile", "self-check", "ready"]
    again = load(page, "small", backend="wasm")["events"]
    assert again[-1]["cached_bytes"] == planned["bytes"]


def test_files_that_no_model_of_the_site_has_any_more_are_removed(make_site, open_page):
    page = open_page(make_site().url)
    assert "info" in load(page, "tiny", backend="wasm")
    before = assert_cache_is_sound(page)
    gone = page.evaluate(
        """async () => {
          const [name] = (await caches.keys()).filter((name) => name.endsWith(":files"));
          const cache = await caches.open(name);
          const old = ["_sitegen/files/old.bin", "_sitegen/models/tiny.old.json"];
          for (const url of old) await cache.put(url, new Response("of an older version"));
          await sitegen.load("small", { backend: "wasm" });
          const deadline = Date.now() + 20000;
          while ((await cache.match(old[1])) && Date.now() < deadline) {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          return Promise.all(old.map(async (url) => !(await cache.match(url))));
        }"""
    )
    assert gone == [True, True]
    assert len(assert_cache_is_sound(page)) > len(before)
    listed = page.evaluate("async () => sitegen.models()")
    assert {each["name"] for each in listed if each["cached"]} >= {"tiny", "small"}


def test_a_missing_index_is_said(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    site.faults["_sitegen/models.json"] = ["page"]
    failed = load(page, "small")
    assert failed["kind"] == "download-failed"
    assert "list of this site's models could not be read" in failed["message"]


def test_the_files_of_the_fixture_are_named_by_their_content(site_files):
    for path, content in site_files[0].items():
        if "/files/" in path:
            assert hashlib.sha256(content).hexdigest() in path
