"""A model with a pruned vocabulary in a real browser: the text that Python makes with it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import open_in, site_of, write_site
from fault_server import FaultServer
from python_engine import onnxruntime_ids
from test_engine import GREEDY, generate, load
from tokenizers import Tokenizer

from sitegen.config import ModelSpec
from sitegen.models import Model, prepare
from sitegen.texts import Texts

pytestmark = pytest.mark.browser

ENGLISH = "Once upon a time there was"
CHINESE = "今天天气很好"  # of which no token has stayed but bytes


@pytest.fixture(scope="module")
def pruned(author: Path, export_cache: Path) -> Model:
    spec = ModelSpec.model_validate({"id": "./tiny", "quantization": "fp32", "vocabulary": "prune"})
    return prepare(spec, root=author, cache=export_cache, texts=Texts((ENGLISH,)))


@pytest.fixture(scope="module")
def pruned_page(
    browser: Any, pruned: Model, export_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    files, _ = site_of({"pruned": pruned}, export_cache)
    with FaultServer(write_site(tmp_path_factory.mktemp("pruned"), files)) as server:
        context = browser.new_context()
        page = open_in(context, server.url)
        assert load(page, "pruned", backend="wasm")["info"]["variant"] == "fp32"
        yield page
        context.close()


@pytest.mark.parametrize("prompt", [ENGLISH, CHINESE])
def test_text_continues_with_the_greedy_tokens(
    pruned_page: Any, pruned: Model, tokenizer: Tokenizer, prompt: str
) -> None:
    packed = pruned.files[pruned.manifest["tokenizer"]["file"]["sha256"]].read_bytes()
    smaller = Tokenizer.from_str(gzip.decompress(packed).decode())
    ids = smaller.encode(prompt).ids
    expected = smaller.decode(onnxruntime_ids(pruned, "fp32", ids, 40))
    answer = generate(pruned_page, prompt, **GREEDY)
    assert answer["text"] == expected != ""
    assert answer["last"]["prompt_tokens"] == len(ids)
    assert (len(ids) == len(tokenizer.encode(prompt).ids)) is (prompt == ENGLISH)
