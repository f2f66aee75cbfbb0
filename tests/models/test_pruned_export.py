"""Whole exports with a pruned vocabulary: the same numbers for fewer tokens."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_families
from tiny_models import VOCAB, config, random_weights, write_model, write_safetensors
from tokenizers import Tokenizer

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import Model, prepare
from sitegen.models.families import read_decoder
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import File, join
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import distance
from sitegen.models.weights import open_weights
from sitegen.texts import Texts

TEXT = "the an there in an inn: “the end” 12 é"
RUSSIAN = "там и тут"


def write(folder: Path, **changes: Any) -> Path:
    """A tiny Llama whose vocabulary knows some Cyrillic, and has rows that no token belongs to."""
    return with_cyrillic(write_model(folder, **changes))


def with_cyrillic(folder: Path) -> Path:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocab = {t: i for t, i in tokenizer["model"]["vocab"].items() if not t.startswith("<unused")}
    # т, а, м and та in the alphabet of bytes; the first of them stands among what Latin needs.
    for left, right in [("Ñ", "Ĥ"), ("Ð", "°"), ("Ð", "¼"), ("ÑĤ", "Ð°"), ("o", "u")]:
        vocab[left + right] = len(vocab)
        tokenizer["model"]["merges"].append([left, right])
    tokenizer["model"]["vocab"] = vocab
    path.write_text(json.dumps(tokenizer))
    return folder


def export(root: Path, *texts: str, **spec: Any) -> Model:
    spec = ModelSpec(**{"id": "./m", "quantization": "fp32", "vocabulary": "prune", **spec})
    return prepare(spec, root=root, cache=root / "cache", texts=Texts(texts))


def tokenizer_of(model: Model) -> Tokenizer:
    packed = model.files[model.manifest["tokenizer"]["file"]["sha256"]].read_bytes()
    return Tokenizer.from_str(gzip.decompress(packed).decode())


def logits(model: Model, folder: Path, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """What every variant computes for `ids`, by name."""
    layers = read_decoder(folder / "config.json")[1].inventory().layers
    found = {}
    for variant in variants(Quantization(recipe=model.manifest["quantization"])):
        [described] = [v for v in model.manifest["variants"] if v["name"] == variant.name]
        shards = [File(s["sha256"], s["bytes"]) for s in described["weights"]["shards"]]
        joined = folder / "joined" / variant.name
        joined.mkdir(parents=True)
        join(model.files[shards[0].sha256].parent, shards, joined / EXTERNAL_NAME)
        graph = model.files[described["graph"]["sha256"]].read_bytes()
        runner = Runner(graph, joined, layers, variant)
        found[variant.name], _ = runner.forward(ids, runner.empty(), len(ids))
    return found


@pytest.mark.parametrize("name", tiny_families.CONFIGS)
def test_the_logits_of_what_stays_are_the_originals(tmp_path: Path, name: str) -> None:
    """In every family, whichever of its tensors have a row for each token."""
    folder = with_cyrillic(tiny_families.write(tmp_path / "m", name))
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    files = {path.name: path for path in folder.glob("*.safetensors")}
    expected = read_decoder(folder / "config.json")[1].reference(
        open_weights(files, None), whole.encode(TEXT).ids
    )
    model = export(tmp_path, TEXT)
    smaller = tokenizer_of(model)
    kept = [whole.token_to_id(smaller.id_to_token(id)) for id in range(smaller.get_vocab_size())]
    assert model.manifest["vocab_size"] == len(kept) < whole.get_vocab_size() < VOCAB
    assert smaller.encode(TEXT).tokens == whole.encode(TEXT).tokens
    [found] = logits(model, folder, smaller.encode(TEXT).ids).values()
    assert found.shape == (len(smaller.encode(TEXT).ids), len(kept))
    assert distance(found, expected[:, kept]) < 1e-5


def test_quantized_variants_are_pruned_alike(tmp_path: Path) -> None:
    write(tmp_path / "m", tie_word_embeddings=False)
    whole = export(tmp_path, vocabulary=None, quantization="q4")
    pruned = export(tmp_path, TEXT, quantization="q4")
    count = pruned.manifest["vocab_size"]
    dropped = VOCAB - count
    hidden = config()["hidden_size"]
    assert whole.manifest["parameters"] - pruned.manifest["parameters"] == 2 * dropped * hidden
    for before, after in zip(whole.manifest["variants"], pruned.manifest["variants"], strict=True):
        saved = before["weights"]["bytes"] - after["weights"]["bytes"]
        per_row = hidden + 4 if after["name"] == "wasm" else hidden // 2 + hidden // 32 * 2
        assert saved == pytest.approx(2 * dropped * per_row, abs=256)  # of alignment
    found = logits(pruned, tmp_path / "m", tokenizer_of(pruned).encode(TEXT).ids)
    assert {values.shape[1] for values in found.values()} == {count}


def test_the_manifest_names_the_new_ids(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", eos_token_id=[0, VOCAB - 1])
    manifest = export(tmp_path, TEXT).manifest
    last = manifest["vocab_size"] - 1
    assert manifest["tokenizer"]["eos_token_ids"] == [0, last]
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == VOCAB  # untouched


def test_a_foreign_text_is_still_spelled(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    smaller = tokenizer_of(export(tmp_path, TEXT))
    assert len(smaller.encode(RUSSIAN).ids) > len(whole.encode(RUSSIAN).ids)
    assert smaller.decode(smaller.encode(RUSSIAN).ids) == RUSSIAN
    both = tokenizer_of(export(tmp_path, TEXT, RUSSIAN))
    assert both.encode(RUSSIAN).tokens == whole.encode(RUSSIAN).tokens


def test_what_is_said_of_it(tmp_path: Path) -> None:
    """4 Cyrillic tokens of the sample's 42 stay only because it uses them."""
    write(tmp_path / "m", hidden_size=2048, num_hidden_layers=1)
    said: list[str] = []
    spec = ModelSpec(id="./m", vocabulary={"keep": ["Latin"]})
    texts = Texts((TEXT, RUSSIAN))
    prepare(spec, root=tmp_path, cache=tmp_path / "c", texts=texts, progress=said.append)
    assert [line for line in said if "vocabulary" in line] == [
        "M: pruning the vocabulary of 512 tokens",
        "M: the vocabulary keeps 272 of 512 tokens: Latin, 90.48% of what the sample text uses and "
        "the rest of it; this saves 0.3 MiB of int4 or 0.5 MiB of int8",
    ]


def test_an_export_is_found_again_while_the_text_decides_the_same(tmp_path: Path) -> None:
    write(tmp_path / "m")
    first = export(tmp_path, TEXT)
    (tmp_path / "m" / "README.md").chmod(0o600)
    again = export(tmp_path, TEXT, "another one in the end")
    assert again.manifest == first.manifest
    entries = list((tmp_path / "cache" / "models").iterdir())
    assert len(entries) == 1
    export(tmp_path, TEXT, RUSSIAN)
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 2
    assert export(tmp_path, RUSSIAN, vocabulary=None).manifest["vocab_size"] == VOCAB


def test_a_tokenizer_that_cannot_be_pruned(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokens = [token["content"] for token in tokenizer["added_tokens"]] + ["ab"]
    vocab = [[token, -1.0] for token in tokens]
    tokenizer["model"] = {"type": "Unigram", "unk_id": 0, "vocab": vocab}
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError) as error:
        export(tmp_path, TEXT)
    assert error.value.problem == (
        "the vocabulary of this tokenizer cannot be pruned: 2 of its characters are no tokens "
        "themselves (a, b)"
    )
    assert not list((tmp_path / "cache" / "models").glob("*"))


def test_damage_in_a_row_that_stays_is_found(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    weights = random_weights(config())
    weights["model.embed_tokens.weight"][3] = np.nan
    write_safetensors(folder / "model.safetensors", weights)
    with pytest.raises(ModelError, match="holds NaN or infinity"):
        export(tmp_path, TEXT)
