"""Whole exports of tiny models: graphs against the reference, manifests against their schema."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
import tiny_families
from restored import restored
from tiny_models import (
    CARD,
    LLAMA3_ROPE,
    VOCAB,
    config,
    random_weights,
    write_model,
    write_safetensors,
)

import sitegen.models
from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import Model, prepare
from sitegen.models.families import read_decoder
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.blockwise import quantize_blocks
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import File, join
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import distance
from sitegen.models.weights import open_weights

KINDS: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False, "dtype": "F32", "files": 3},
    "biases": {"attention_bias": True, "mlp_bias": True, "dtype": "F16"},
    "llama3-rope": {"rope_scaling": LLAMA3_ROPE},
    "linear-rope": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "wide-heads": {"head_dim": 32, "num_key_value_heads": 1},
    "one-layer": {"num_hidden_layers": 1, "num_key_value_heads": 4},
}
IDS = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 40)]

Prepare = Callable[..., Model]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("site")
    for name, changes in KINDS.items():
        write_model(root / name, **changes)
    yield root


@pytest.fixture(scope="module")
def exported(root: Path) -> Prepare:
    def exported(name: str, quantization: str = "q4", **spec: Any) -> Model:
        spec = {"id": f"./{name}", "quantization": quantization, **spec}
        return prepare(ModelSpec.model_validate(spec), root=root, cache=root / "cache")

    return exported


def runners(model: Model, folder: Path) -> dict[str, Runner]:
    """Every variant under onnxruntime, from the files the manifest names."""
    layers = read_decoder(folder / "config.json")[1].inventory().layers
    recipe = Quantization(recipe=model.manifest["quantization"])
    known = {v.name: v for v in variants(recipe)}
    loaded = {}
    for variant in model.manifest["variants"]:
        shards = [File(s["sha256"], s["bytes"]) for s in variant["weights"]["shards"]]
        weights = folder / "joined" / variant["name"]
        weights.mkdir(parents=True, exist_ok=True)
        join(model.files[shards[0].sha256].parent, shards, weights / EXTERNAL_NAME)
        graph = model.files[variant["graph"]["sha256"]].read_bytes()
        loaded[variant["name"]] = Runner(graph, weights, layers, known[variant["name"]])
    return loaded


@pytest.mark.parametrize("kind", KINDS)
def test_the_unquantized_graph_computes_the_reference(
    root: Path, exported: Prepare, kind: str
) -> None:
    _, decoder = read_decoder(root / kind / "config.json")
    files = {p.name: p for p in (root / kind).glob("*.safetensors")}
    expected = decoder.reference(open_weights(files, None), IDS)
    runner = runners(exported(kind, "fp32"), root / kind)["fp32"]
    logits, _ = runner.forward(IDS, runner.empty(), len(IDS))
    assert distance(logits, expected) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_computes_what_one_pass_does(root: Path, exported: Prepare, kind: str) -> None:
    runner = runners(exported(kind, "fp32"), root / kind)["fp32"]
    whole, end = runner.forward(IDS, runner.empty(), len(IDS))
    parts, past = [], runner.empty()
    for start, stop in ((0, 1), (1, 17), (17, 39), (39, 40)):
        logits, past = runner.forward(IDS[start:stop], past, stop - start)
        parts.append(logits)
    assert distance(np.concatenate(parts), whole) < 1e-5
    np.testing.assert_allclose(past.tensors[0], end.tensors[0], atol=1e-5)


def test_only_the_wanted_logits_are_computed(root: Path, exported: Prepare) -> None:
    for runner in runners(exported("tied"), root / "tied").values():
        whole, _ = runner.forward(IDS, runner.empty(), len(IDS))
        for keep in (1, 3):
            logits, _ = runner.forward(IDS, runner.empty(), keep)
            assert logits.shape == (keep, VOCAB)
            np.testing.assert_allclose(logits, whole[-keep:], atol=0.05)
        everything, _ = runner.forward(IDS, runner.empty(), 0)
        np.testing.assert_allclose(everything, whole, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_quantized_graphs_compute_the_quantized_weights(
    root: Path, exported: Prepare, kind: str, tmp_path: Path
) -> None:
    """Against the reference over the numbers the files really hold: no room for wrong wiring."""
    _, decoder = read_decoder(root / kind / "config.json")
    changes = {k: v for k, v in KINDS[kind].items() if k not in ("dtype", "files")}
    weights = random_weights(config(**changes))
    if KINDS[kind].get("dtype", "BF16") == "BF16":
        weights = {n: (w.view("<u4") & 0xFFFF0000).view("<f4") for n, w in weights.items()}
    for name, runner in runners(exported(kind), root / kind).items():
        rounded = {
            key: values if values.ndim == 1 else round_weights(values, name == "wasm")
            for key, values in weights.items()
        }
        write_safetensors(tmp_path / name, rounded)
        expected = decoder.reference(open_weights({name: tmp_path / name}, None), IDS)
        logits, _ = runner.forward(IDS, runner.empty(), len(IDS))
        # What is left are activations: eight bits in every product, half precision in one variant.
        assert distance(logits, expected) < 0.06, name


def round_weights(values: np.ndarray, int8: bool) -> np.ndarray:
    """To the steps the scheme allows; what blocks mean is written again from its definition."""
    if int8:
        scale = np.abs(values).max(axis=1, keepdims=True) / 127
        return (np.round(values / scale) * scale).astype(np.float32)
    blocks = quantize_blocks(values)
    return restored(blocks.packed, blocks.scales, blocks.zeros, 4, 32)


def test_the_manifest_keeps_its_schema(exported: Prepare) -> None:
    schema = json.loads(
        (Path(sitegen.models.__file__).parent / "manifest.schema.json").read_text("utf-8")
    )
    for kind in KINDS:
        for quantization in ("q4", "q8", "fp16", "fp32"):
            manifest = exported(kind, quantization).manifest
            jsonschema.validate(json.loads(json.dumps(manifest)), schema)
            assert set(manifest) == set(schema["properties"])


def test_what_the_manifest_says(root: Path, exported: Prepare) -> None:
    manifest = exported("tied").manifest
    assert manifest["title"] == "Tied"
    assert manifest["licence"]["id"] == "apache-2.0"
    assert manifest["context_length"] == 512
    assert manifest["parameters"] == sum(w.size for w in random_weights(config()).values())
    assert manifest["cache"] == [{"kind": "attention", "heads": 2, "head_dim": 16}] * 2
    assert [v["name"] for v in manifest["variants"]] == ["webgpu-f16", "webgpu-f32", "wasm"]
    assert manifest["variants"][0]["features"] == ["shader-f16"]
    texts = [manifest["tokenizer"][key]["bytes"] for key in ("file", "config")]
    for variant in manifest["variants"]:
        assert variant["bytes"] == variant["graph"]["bytes"] + variant["weights"]["bytes"] + sum(
            texts
        )


def test_every_named_file_is_there_under_its_hash(exported: Prepare) -> None:
    model = exported("untied")
    named = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if "sha256" in value:
                assert value["path"] == f"files/{value['sha256']}.bin"
                assert model.files[value["sha256"]].stat().st_size == value["bytes"]
                named.add(value["sha256"])
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(json.loads(json.dumps(model.manifest)))
    assert named == model.files.keys()
    for sha256, path in model.files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def test_card_and_licence_travel_with_the_model(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    (tmp_path / "m" / "LICENSE").write_text("Do what you like.\n")
    model = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c")
    licence = model.manifest["licence"]
    assert licence["id"] == "apache-2.0"
    for key, text in (("file", "Do what you like.\n"), ("card", CARD)):
        assert model.files[licence[key]["sha256"]].read_text() == text


def test_a_model_without_card(tmp_path: Path) -> None:
    (write_model(tmp_path / "m") / "README.md").unlink()
    model = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c")
    assert model.manifest["licence"] == {"id": None, "file": None, "card": None}


def test_both_gpu_variants_share_every_byte_of_their_weights(exported: Prepare) -> None:
    half, single, wasm = exported("biases").manifest["variants"]
    assert half["weights"] == single["weights"]
    assert half["graph"] != single["graph"]
    assert wasm["weights"] != single["weights"]


def test_a_tied_table_is_stored_once(exported: Prepare) -> None:
    tied, untied = (exported(kind).manifest["variants"] for kind in ("tied", "untied"))
    for one, two, bits in zip(tied, untied, (4.5, 4.5, 8), strict=True):
        table = VOCAB * 64 * bits / 8
        assert two["weights"]["bytes"] - one["weights"]["bytes"] == pytest.approx(table, rel=0.1)


def test_graphs_hold_no_weights(exported: Prepare) -> None:
    model = exported("tied")
    for variant in model.manifest["variants"]:
        graph = onnx.load_from_string(model.files[variant["graph"]["sha256"]].read_bytes())
        inside = [t for t in graph.graph.initializer if not t.external_data]
        assert all(len(t.raw_data) <= 16 for t in inside)  # one number a head at most
        assert {e.value for t in graph.graph.initializer for e in t.external_data[:1]} == {
            "weights.bin"
        }


def test_the_self_check_is_what_the_variant_computes(root: Path, exported: Prepare) -> None:
    model = exported("wide-heads")
    for variant in model.manifest["variants"]:
        runner = runners(model, root / "wide-heads")[variant["name"]]
        check = variant["self_check"]
        ids, past, found = check["prompt_ids"], runner.empty(), []
        for _ in check["next_ids"]:
            logits, past = runner.forward(ids, past, 1)
            second, first = np.sort(logits[0])[-2:]
            assert first - second >= check["tolerance"] > 0
            ids = [int(logits[0].argmax())]
            found += ids
        assert found == check["next_ids"]


def test_a_shorter_context(exported: Prepare) -> None:
    model = exported("tied", context=16)
    assert model.manifest["context_length"] == 16
    check = model.manifest["variants"][0]["self_check"]
    assert len(check["prompt_ids"]) + len(check["next_ids"]) <= 16


def test_a_context_longer_than_the_models_own(exported: Prepare) -> None:
    with pytest.raises(ModelError) as error:
        exported("tied", context=513)
    assert "the context of 513 tokens is longer than the model's own, 512" in error.value.problem


def test_a_short_context_that_the_passage_outgrows(tmp_path: Path) -> None:
    """The cached keys of what came before would be wrong then, and the export not."""
    short = 220
    tiny_families.write(
        tmp_path / "phi3", "phi3-longrope-short", original_max_position_embeddings=short
    )
    spec = ModelSpec(id="./phi3", quantization=Quantization(recipe="fp32"))
    model = prepare(spec, root=tmp_path, cache=tmp_path / "cache")
    assert model.manifest["short_context"] == short
    assert model.manifest["variants"][0]["quality"]["positions"] == short


def test_progress_is_told_in_sentences(tmp_path: Path) -> None:
    write_model(tmp_path / "fox-tales")
    said: list[str] = []
    prepare(ModelSpec(id="./fox-tales"), root=tmp_path, cache=tmp_path / "c", progress=said.append)
    assert said[0] == "Fox tales: reading model.safetensors"
    assert "Fox tales: verifying webgpu-f16" in said
    assert any(re.search(r"int4 weights \d\.\d of \d\.\d MiB", sentence) for sentence in said)
    assert any("likeliest token" in sentence for sentence in said)


def test_the_same_model_gives_the_same_bytes(root: Path, exported: Prepare, tmp_path: Path) -> None:
    first = exported("tied")
    again = prepare(ModelSpec(id="./tied"), root=root, cache=tmp_path / "c")
    assert again.manifest == first.manifest
    assert again.files.keys() == first.files.keys()


@pytest.mark.parametrize("moment", ["computing", "int4 weights", "verifying wasm"])
def test_the_next_build_goes_on_after_an_interrupted_one(tmp_path: Path, moment: str) -> None:
    def interrupt(sentence: str) -> None:
        if moment in sentence:
            raise KeyboardInterrupt

    write_model(tmp_path / "m")
    fresh = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "fresh")
    with pytest.raises(KeyboardInterrupt):
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c", progress=interrupt)
    assert not [t for t in threading.enumerate() if t.name.startswith("export")]
    assert not (tmp_path / "c" / "models").exists()
    [left] = (tmp_path / "c" / "staging").iterdir()
    whole = sorted(path.stem for path in left.glob("int?.json"))
    said: list[str] = []
    export = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c", progress=said.append)
    assert dict(export.manifest) == dict(fresh.manifest)
    assert set(export.files) == set(fresh.files)
    assert not list((tmp_path / "c" / "staging").iterdir())
    for storage in ("int4", "int8"):
        found = f"M: {storage} weights: found from an interrupted build" in [str(x) for x in said]
        assert found == (storage in whole)
    if moment == "verifying wasm":
        assert "int8" in whole


@pytest.mark.parametrize("damage", ["cut", "flipped", "no record"])
def test_weights_of_an_interrupted_build_that_are_damaged_are_written_again(
    tmp_path: Path, damage: str
) -> None:
    def interrupt(sentence: str) -> None:
        if "verifying" in sentence:
            raise KeyboardInterrupt

    write_model(tmp_path / "m")
    with pytest.raises(KeyboardInterrupt):
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c", progress=interrupt)
    [left] = (tmp_path / "c" / "staging").iterdir()
    for record in left.glob("int?.json"):
        shard = left / f"{json.loads(record.read_text())['shards'][0]['sha256']}.bin"
        data = shard.read_bytes()
        if damage == "cut":
            shard.write_bytes(data[:-1])
        elif damage == "flipped":
            shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        else:  # what a power failure leaves of a file that was renamed into place
            record.write_bytes(b"")
    export = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c")
    for sha256, path in export.files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def fails(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        prepare(ModelSpec(id="./m"), root=folder, cache=folder / "cache")
    assert not list((folder / "cache").glob("files/*"))
    assert not list((folder / "cache").glob("staging/*"))
    return str(error.value)


def test_weights_cut_short_under_the_export(tmp_path: Path) -> None:
    """As saving a model again does it; mapped into memory, they would end the process."""

    def cut(sentence: str) -> None:
        if "computing" in sentence:
            os.truncate(tmp_path / "m" / "model.safetensors", 5000)

    write_model(tmp_path / "m")
    with pytest.raises(ModelError, match="a file of the model changed while it was exported"):
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c", progress=cut)
    assert not list((tmp_path / "c" / "staging").iterdir())


@pytest.mark.parametrize("moment", ["computing", "int8 weights", "verifying webgpu-f32"])
def test_a_model_that_changes_under_the_export_is_not_stored(tmp_path: Path, moment: str) -> None:
    """Else the new weights would be found again under the name of the old ones."""
    write_model(tmp_path / "m")
    write_model(tmp_path / "later", seed=1)

    def replace_weights(sentence: str) -> None:
        if moment in sentence:
            later = tmp_path / "later" / "model.safetensors"
            later.replace(tmp_path / "m" / "model.safetensors")

    with pytest.raises(ModelError, match="a file of the model changed while it was exported"):
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "c", progress=replace_weights)
    assert not (tmp_path / "c" / "models").exists()


def test_a_tensor_of_another_shape(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    weights = random_weights(config())
    weights["model.layers.1.mlp.up_proj.weight"] = np.zeros((95, 64), np.float32)
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    assert (
        "the tensor 'model.layers.1.mlp.up_proj.weight' has shape [95, 64]; config.json makes it "
        "[96, 64] (hidden_size is 64, intermediate_size is 96)"
    ) in fails(tmp_path)


def test_missing_tensors(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    weights = random_weights(config())
    del weights["model.norm.weight"]
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    assert "1 of 20 tensors are missing: model.norm.weight" in fails(tmp_path)


def test_a_missing_head_may_be_tied(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    values = json.dumps(config(tie_word_embeddings=False))
    (tmp_path / "m" / "config.json").write_text(values)
    message = fails(tmp_path)
    assert "tensors are missing: lm_head.weight" in message
    assert "config.json says `tie_word_embeddings`" in message


def test_tensors_nobody_asked_for(tmp_path: Path) -> None:
    write_model(tmp_path / "m", attention_bias=True)
    (tmp_path / "m" / "config.json").write_text(json.dumps(config()))
    message = fails(tmp_path)
    assert "tensors that config.json does not account for: model.layers.0.self_attn.k_p" in message
    assert "and 4 more" in message


def test_a_tied_head_may_be_stored_again(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    weights = random_weights(config())
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(8, np.float32)
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "cache")


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    weights = random_weights(config())
    weights["model.layers.0.mlp.down_proj.weight"][3, 4] = np.nan
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    assert "'model.layers.0.mlp.down_proj.weight' holds NaN or infinity" in fails(tmp_path)


def test_weights_that_lead_to_infinity(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    weights = random_weights(config())
    weights["model.norm.weight"][5] = 3e38
    weights["model.embed_tokens.weight"] *= 100
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    assert "computes infinite numbers from an ordinary sentence" in fails(tmp_path)


def test_dimensions_int4_cannot_cut(tmp_path: Path) -> None:
    write_model(tmp_path / "m", intermediate_size=80)
    assert "rows of 80 weights; blocks of 32 need a multiple of 32" in fails(tmp_path)
    spec = ModelSpec(id="./m", quantization="fp32")
    assert prepare(spec, root=tmp_path, cache=tmp_path / "c").manifest["variants"]


def test_a_broken_card_is_found_before_the_weights_are_written(tmp_path: Path) -> None:
    write_model(tmp_path / "m", intermediate_size=80)
    (tmp_path / "m" / "README.md").write_text("---\nlicense: [\n---\n")
    assert "the model card's header is not YAML" in fails(tmp_path)
