"""Chromium, and a site with a tiny model for it. Skipped where there is no Chromium."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from fault_server import FaultServer
from python_engine import onnxruntime_ids, reference_ids
from tokenizers import Tokenizer

from sitegen import bundle
from sitegen.config import ModelSpec
from sitegen.models import Model, prepare

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A software adapter, so that the WebGPU builds can be run without a graphics card.
    "--enable-unsafe-webgpu",
    # A name that is not a secure context.
    "--host-resolver-rules=MAP sitegen.test 127.0.0.1",
]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Engine</title>
<script type="module" src="{root}page.js"></script><p id="words">{words}</p></html>"""
PAGE_JS = """import * as sitegen from "./_sitegen/sitegen.js";
globalThis.sitegen = sitegen;
document.documentElement.dataset.ready = "yes";
"""


def _chromium() -> str | None:
    return os.environ.get("SITEGEN_CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium; install it or set SITEGEN_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def export_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def author(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The author's folder, with the model `tiny` in it."""
    root = tmp_path_factory.mktemp("author")
    tiny_model.write(root / "tiny")
    return root


@pytest.fixture(scope="session")
def tokenizer(author: Path) -> Tokenizer:
    return Tokenizer.from_file(str(author / "tiny" / "tokenizer.json"))


@pytest.fixture(scope="session")
def site_models(author: Path, export_cache: Path) -> Mapping[str, Model]:
    """Models by the name the site gives them.

    tiny      fp32; its self-check is 64 tokens of a plain numpy reference
    small     quantized, weights in parts of 8 KiB; self-checks are tokens of native onnxruntime,
              on WebGPU only as far as they lead clearly, because int4 rounds differently there
    doubtful  the first variant fails its self-check, the second is right
    wrong     the only variant fails its self-check
    """

    def export(quantization: str) -> Model:
        spec = ModelSpec.model_validate({"id": "./tiny", "quantization": quantization})
        return prepare(spec, root=author, cache=export_cache)

    tiny, small = export("fp32"), _recut(export("q4"), author / "cut", 8 << 10)
    prompt = [5, 9, 300, 41]
    tiny = _checking(tiny, {"fp32": reference_ids(author / "tiny", prompt, 64)}, prompt)
    expected = {
        "wasm": onnxruntime_ids(small, "wasm", prompt, 64),
        "webgpu-f32": onnxruntime_ids(small, "webgpu-f32", prompt, 64, margin=1.5),
    }
    assert len(expected["webgpu-f32"]) >= 4, "these weights decide nothing: take another seed"
    small = _checking(small, expected, prompt)

    *_, wasm = small.manifest["variants"]
    last = wasm["self_check"]["next_ids"][-1]
    lie = wasm["self_check"] | {"next_ids": [*wasm["self_check"]["next_ids"][:-1], last ^ 1]}
    lying = wasm | {"name": "fp32", "self_check": lie}
    return {
        "tiny": tiny,
        "small": small,
        "doubtful": Model({**small.manifest, "variants": [lying, wasm]}, small.files),
        "wrong": Model({**small.manifest, "variants": [lying]}, small.files),
    }


def _checking(model: Model, expected: Mapping[str, list[int]], prompt: list[int]) -> Model:
    """The model with self-checks of more tokens: loading it then compares them all."""

    def check(variant: dict[str, Any]) -> dict[str, Any]:
        if variant["name"] not in expected:
            return variant
        ids = expected[variant["name"]]
        return variant | {"self_check": {"prompt_ids": prompt, "next_ids": ids, "tolerance": 0}}

    return Model(
        {**model.manifest, "variants": [check(each) for each in model.manifest["variants"]]},
        model.files,
    )


def _recut(model: Model, folder: Path, limit: int) -> Model:
    """The same model in smaller shards: real ones would need a model of 24 MiB."""
    folder.mkdir()
    manifest = json.loads(json.dumps(model.manifest))
    files = dict(model.files)
    for variant in manifest["variants"]:
        weights = variant["weights"]
        whole = b"".join(files[shard["sha256"]].read_bytes() for shard in weights["shards"])
        weights["shards"] = []
        for start in range(0, len(whole), limit):
            part = whole[start : start + limit]
            sha256 = hashlib.sha256(part).hexdigest()
            files[sha256] = folder / f"{sha256}.bin"
            files[sha256].write_bytes(part)
            ref = {"path": f"files/{sha256}.bin", "bytes": len(part), "sha256": sha256}
            weights["shards"].append(ref)
    return Model(manifest, files)


MakeSite = Callable[..., FaultServer]


def site_of(models: Mapping[str, Model], cache: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Output path → bytes of a site of two pages, and its models.json."""
    bundled = bundle.collect(models, cache=cache, site_id="0123456789ab")
    files = {
        path: content if isinstance(content, bytes) else content.read_bytes()
        for path, content in bundled.files.items()
    }
    site = {"version": "test", "shell": ["./", "page.js", *bundled.shell]}
    worker = f"_sitegen/engine/{bundled.engine_hash}/service-worker.js"
    files |= {
        "index.html": PAGE.format(root="", words="Home").encode(),
        "guide/index.html": PAGE.format(root="../", words="Guide").encode(),
        "404.html": b"<!doctype html><title>Lost</title><p id=words>No such page",
        "page.js": PAGE_JS.encode(),
        "sw.js": f'self.SITEGEN = {json.dumps(site)}; importScripts("{worker}");'.encode(),
    }
    return files, bundled.index


@pytest.fixture(scope="session")
def site_files(
    site_models: Mapping[str, Model], export_cache: Path
) -> tuple[dict[str, bytes], dict[str, Any]]:
    return site_of(site_models, export_cache)


def write_site(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def open_in(context: Any, url: str, script: str = "") -> Any:
    """A page whose module has run; `script` runs before it."""
    page = context.new_page()
    page.on("pageerror", lambda error: print("page error:", error))
    page.on("console", lambda message: print("console:", message.text))
    if script:
        page.add_init_script(script)
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    return page


@pytest.fixture
def make_site(tmp_path: Path, site_files: Any) -> Iterator[MakeSite]:
    """Write the site and serve it: make_site(isolated=True, base="docs/")."""
    with contextlib.ExitStack() as servers:

        def make(*, isolated: bool = False, base: str = "") -> FaultServer:
            folder = tmp_path / f"site-{len(list(tmp_path.iterdir()))}"
            write_site(folder / base, site_files[0])
            return servers.enter_context(FaultServer(folder, isolated=isolated))

        yield make


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """A page in a context of its own, so with empty caches: open_page(url, script="run first")."""
    with contextlib.ExitStack() as contexts:

        def open_(url: str, *, script: str = "") -> Any:
            context = browser.new_context()
            contexts.callback(context.close)
            return open_in(context, url, script)

        yield open_


@pytest.fixture(scope="session")
def home_page(
    browser: Any, site_files: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """One page for all tests that leave it as it was."""
    folder = write_site(tmp_path_factory.mktemp("home"), site_files[0])
    with FaultServer(folder) as server:
        context = browser.new_context()
        yield open_in(context, server.url)
        context.close()
