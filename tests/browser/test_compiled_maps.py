"""Tokenizers with SentencePiece's compiled maps, whole ones, in a real browser: as in Python.

What joins a letter and its marks is known to a browser's own tables, so Node is not enough.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import open_in, site_of, write_site
from fault_server import FaultServer
from python_engine import onnxruntime_ids
from test_engine import GREEDY, generate, load
from tiny_models import config, random_weights, write_safetensors
from tokenizers import Tokenizer

from sitegen.config import ModelSpec
from sitegen.models import Model, prepare

pytestmark = pytest.mark.browser

ORACLES = Path(__file__).parents[1] / "runtime" / "oracles"
TEXTS: list[str] = json.loads((ORACLES / "tokenizers.json").read_text("utf-8"))["texts"]
FAMILIES: dict[str, dict[str, Any]] = {
    family["name"]: family for family in json.loads((ORACLES / "charsmaps.json").read_text("utf-8"))
}
PROMPT = "Ａ ﬁne ① ㍿: ½ ｶﾞ e\u0301 한국 fox\u3000said"
SPEAK = """async ([name, texts, sequences]) => {
  const root = new URL("_sitegen/", document.baseURI);
  const json = async (path) => (await fetch(new URL(path, root))).json();
  const { engine, models } = await json("models.json");
  const module = (name) => import(new URL(`engine/${engine.hash}/${name}.js`, root));
  const [{ createText }, { gunzip }] = [await module("text"), await module("engine")];
  const { tokenizer } = await json(models.find((model) => model.name === name).manifest.path);
  const packed = await (await fetch(new URL(tokenizer.file.path, root))).arrayBuffer();
  const unpacked = new TextDecoder().decode(await gunzip(packed));
  const text = createText(JSON.parse(unpacked), {}, tokenizer);
  const decode = (ids) => {
    const stream = text.decodeAfter([], []);
    return ids.map((id) => stream.push(id)).join("") + stream.end();
  };
  return [texts.map(text.encode), sequences.map(decode)];
}"""


@pytest.fixture(scope="module")
def compiled(export_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Model]:
    """A model of two layers for each tokenizer, with a row for each of its tokens and no more."""
    root = tmp_path_factory.mktemp("compiled")
    models = {}
    for name, family in FAMILIES.items():
        tokenizer = family["tokenizer"]
        values = config(vocab_size=rows(tokenizer), eos_token_id=2)
        folder = root / name
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", random_weights(values))
        for file, content in (("config", values), ("tokenizer", tokenizer)):
            (folder / f"{file}.json").write_text(json.dumps(content), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
        spec = ModelSpec.model_validate({"id": f"./{name}", "quantization": "fp32"})
        models[name] = prepare(spec, root=root, cache=export_cache)
    return models


def rows(tokenizer: Mapping[str, Any]) -> int:
    return 1 + max(Tokenizer.from_str(json.dumps(tokenizer)).get_vocab().values())


@pytest.fixture(scope="module")
def compiled_page(
    browser: Any,
    compiled: Mapping[str, Model],
    export_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    files, _ = site_of(compiled, export_cache)
    with FaultServer(write_site(tmp_path_factory.mktemp("compiled-site"), files)) as server:
        context = browser.new_context()
        yield open_in(context, server.url)
        context.close()


def published(model: Model) -> Tokenizer:
    packed = model.files[model.manifest["tokenizer"]["file"]["sha256"]].read_bytes()
    return Tokenizer.from_str(gzip.decompress(packed).decode())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_browser_encodes_and_decodes_as_python_does(
    compiled_page: Any, compiled: Mapping[str, Model], name: str
) -> None:
    tokenizer, family = published(compiled[name]), FAMILIES[name]
    texts = [*TEXTS, *(text for text, _ in family["normalized"])]
    ids = [tokenizer.encode(text).ids for text in texts]
    sequences = [*ids, *(sequence["ids"] for sequence in family["sequences"])]
    encoded, decoded = compiled_page.evaluate(SPEAK, [name, texts, sequences])
    for text, expected, found in zip(texts, ids, encoded, strict=True):
        assert found == expected, repr(text)
    for sequence, found in zip(sequences, decoded, strict=True):
        assert found == tokenizer.decode(sequence), sequence


@pytest.mark.parametrize("name", FAMILIES)
def test_text_that_the_map_changes_is_continued(
    compiled_page: Any, compiled: Mapping[str, Model], name: str
) -> None:
    assert load(compiled_page, name, backend="wasm")["info"]["variant"] == "fp32"
    tokenizer = published(compiled[name])
    ids = tokenizer.encode(PROMPT).ids
    continued = tokenizer.decode(ids + onnxruntime_ids(compiled[name], "fp32", ids, 40))
    expected = continued.removeprefix(tokenizer.decode(ids))
    answer = generate(compiled_page, PROMPT, **GREEDY)
    assert answer["text"] == expected not in ("", continued)
    assert answer["last"]["prompt_tokens"] == len(ids)
