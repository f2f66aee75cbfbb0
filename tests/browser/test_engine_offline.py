"""The service worker in a real browser: offline after one visit, isolated after two."""

from __future__ import annotations

from typing import Any

import pytest
from test_engine import generate, load

pytestmark = pytest.mark.browser

REGISTER = """async (base) => {
  const index = await (await fetch(`${base}_sitegen/models.json`)).json();
  const engine = new URL(`_sitegen/engine/${index.engine.hash}/`, base);
  const { registerServiceWorker } = await import(new URL("register.js", engine));
  await registerServiceWorker(base);
  const deadline = Date.now() + 20000;
  // The worker keeps what the page had loaded before; `ready` says only that it runs.
  while (Date.now() < deadline) {
    if (navigator.serviceWorker.controller && (await caches.match(location.href))) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}"""


def register(page: Any, base: str) -> None:
    assert page.evaluate(REGISTER, base)


def reopen(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("html[data-ready]")


@pytest.mark.parametrize("base", ["", "docs/"])
def test_offline_after_one_visit_and_one_load(make_site, open_page, base):
    site = make_site(base=base)
    url = site.url + base
    page = open_page(url)
    register(page, url)
    online = load(page, "small", backend="wasm")
    assert "info" in online, online
    text = generate(page, "The fox", max_new_tokens=10)["text"]

    site.stop()
    reopen(page, url)
    assert page.inner_text("#words") == "Home"
    offline = load(page, "small", backend="wasm")
    assert "info" in offline, offline
    assert generate(page, "The fox", max_new_tokens=10)["text"] == text
    assert page.evaluate("async () => (await sitegen.models()).length") == 4

    other = load(page, "tiny", backend="wasm")
    assert other["kind"] in ("download-failed", "offline")


def test_offline_when_the_worker_came_after_the_load(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    assert "info" in load(page, "small", backend="wasm")
    register(page, site.url)
    site.stop()
    reopen(page, site.url)
    assert "info" in load(page, "small", backend="wasm")


def test_an_unvisited_page_offline_is_the_sites_404(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    register(page, site.url)
    page.goto(site.url + "guide/")
    page.wait_for_selector("html[data-ready]")
    site.stop()
    page.goto(site.url + "guide/?from=search#there")
    assert page.inner_text("#words") == "Guide"
    page.goto(site.url + "guide/index.html")
    assert page.inner_text("#words") == "Guide"
    response = page.goto(site.url + "never-seen/")
    assert response.status == 503
    assert page.inner_text("#words") == "No such page"


def test_a_host_without_headers_is_isolated_on_the_second_visit(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    assert page.evaluate("crossOriginIsolated") is False
    register(page, site.url)
    reopen(page, site.url)
    assert page.evaluate("crossOriginIsolated") is True
    loaded = load(page, "small", backend="wasm", threads=2)
    assert loaded["info"]["threads"] == 2, loaded


def test_a_page_in_place_of_a_module_is_not_kept(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    register(page, site.url)
    engine = page.evaluate(
        "async () => (await (await fetch('_sitegen/models.json')).json()).engine"
    )
    module = engine["builds"]["wasm"]["modules"][0]
    site.faults[f"_sitegen/{module}"] = ["page"]
    first, second = (
        page.evaluate("async (path) => (await fetch(path)).headers.get('content-type')", path)
        for path in [f"_sitegen/{module}"] * 2
    )
    assert (first, second) == ("text/html", "text/javascript")


def test_pictures_are_kept_and_recordings_are_not(make_site, open_page):
    site = make_site()
    (site.folder / "Fox.JPG").write_bytes(b"picture")
    (site.folder / "talk.mp4").write_bytes(b"recording")
    (site.folder / "data.zip").write_bytes(bytes(10_000_001))
    page = open_page(site.url)
    fetch = "(paths) => Promise.all(paths.map((path) => fetch(path))).then(() => {})"
    page.evaluate(fetch, ["Fox.JPG", "talk.mp4"])
    register(page, site.url)
    page.evaluate(fetch, ["Fox.JPG?again", "talk.mp4", "data.zip"])
    kept = page.evaluate(
        """async () => {
          const [name] = (await caches.keys()).filter((name) => name.includes(":shell:"));
          const cache = await caches.open(name);
          const deadline = Date.now() + 20000;
          while (!(await cache.match("Fox.JPG")) && Date.now() < deadline) {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          return (await cache.keys()).map(({ url }) => new URL(url).pathname);
        }"""
    )
    assert "/Fox.JPG" in kept
    assert not {"/talk.mp4", "/data.zip"} & set(kept)


def publish(site: Any, old: str, new: str) -> None:
    """A new version of the site: the word `old` in its small files becomes `new`."""
    for name in ("sw.js", "_sitegen/sitegen.js", "_sitegen/models.json"):
        path = site.folder / name
        path.write_text(path.read_text().replace(old, new))


def update(page: Any) -> None:
    """What the browser does on the next visit, to its end."""
    page.evaluate(
        """async () => {
          const registration = await navigator.serviceWorker.ready;
          const old = registration.active;
          await registration.update();
          const deadline = Date.now() + 20000;
          while (Date.now() < deadline) {
            const { active } = registration;
            if (active !== old && active.state === "activated") return;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }"""
    )


def test_a_saved_model_works_offline_under_a_new_engine_too(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    register(page, site.url)
    assert "info" in load(page, "small", backend="wasm")
    [engine] = (site.folder / "_sitegen" / "engine").iterdir()
    engine.rename(engine.with_name("0123456789ab"))
    publish(site, engine.name, "0123456789ab")
    publish(site, '"test"', '"newer"')
    update(page)
    site.stop()
    reopen(page, site.url)
    loaded = load(page, "small", backend="wasm")
    assert "info" in loaded, loaded


def test_a_new_version_removes_what_the_old_one_kept(make_site, open_page):
    site = make_site()
    page = open_page(site.url)
    register(page, site.url)
    reopen(page, site.url + "guide/")
    reopen(page, site.url)
    assert "info" in load(page, "small", backend="wasm")
    publish(site, "test", "newer")
    update(page)
    names = page.evaluate(
        "async () => (await caches.keys()).map((name) => name.split(':').slice(2))"
    )
    assert ["shell", "newer"] in names
    assert ["shell", "test"] not in names
    assert ["files"] in names
    assert any(name[0] == "engine" for name in names)
    # What was read under the old version can be read under the new one, network or not.
    site.stop()
    reopen(page, site.url + "guide/")
    assert page.inner_text("#words") == "Guide"


def test_other_sites_of_the_origin_are_left_alone(make_site, open_page):
    site = make_site(base="docs/")
    (site.folder / "other.json").write_text("{}")
    page = open_page(site.url + "docs/")
    register(page, site.url + "docs/")
    page.evaluate(
        "async () => { await caches.open('sitegen:/:shell:old'); await caches.open('else'); }"
    )
    reopen(page, site.url + "docs/")
    assert page.evaluate("async () => (await fetch('../other.json')).json()") == {}
    site.stop()
    failed = page.evaluate(
        "async () => fetch('../other.json').then(() => 'kept', () => 'not kept')"
    )
    assert failed == "not kept"
    names = page.evaluate("async () => caches.keys()")
    assert {"sitegen:/:shell:old", "else"} <= set(names)
