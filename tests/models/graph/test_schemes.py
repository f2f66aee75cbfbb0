"""Every recipe's graphs, computed by onnxruntime, against the weights their files really hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from restored import restored
from tiny_models import VOCAB, config, random_weights, write_model, write_safetensors

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.families import read_decoder
from sitegen.models.graph import Graph
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.blockwise import quantize_blocks
from sitegen.models.quantization.variants import Variant, variants
from sitegen.models.shards import ShardWriter, join
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import distance
from sitegen.models.weights import open_weights

IDS = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 24)]
NARROW = {"hidden_size": 64, "intermediate_size": 96}  # 3 blocks of 32: zero points fill no byte
WIDE = {"hidden_size": 256, "intermediate_size": 256}
RECIPES: dict[str, dict[str, Any]] = {
    "q4": {},
    "q4-b16": {"block_size": 16},
    "q4-b64": {"block_size": 64},
    "q4-b256": {"block_size": 256},
    "q4-asymmetric": {"symmetric": False},
    "q4-asymmetric-b64": {"symmetric": False, "block_size": 64},
    "q4-head8": {"head_bits": 8},
    "q4-asymmetric-head8": {"symmetric": False, "head_bits": 8},
    "q8": {"recipe": "q8"},
    "q8-b64": {"recipe": "q8", "block_size": 64},
    "fp16": {"recipe": "fp16"},
    "fp32": {"recipe": "fp32"},
}


def stored(values: np.ndarray, bits: int, variant: Variant) -> np.ndarray:
    """What a matrix is after it was stored, by the meaning of each layout."""
    options = variant.quantization
    if variant.storage == "fp32":
        return values
    if variant.storage == "fp16":
        return values.astype(np.float16).astype(np.float32)
    if variant.storage == "int8":
        scale = np.abs(values).max(axis=1, keepdims=True) / 127
        return (np.round(values / scale) * scale).astype(np.float32)
    symmetric = options.symmetric or bits == 8
    found = quantize_blocks(values, bits, options.block_size, symmetric)
    return restored(found.packed, found.scales, found.zeros, bits, options.block_size)


def vector(values: np.ndarray, variant: Variant) -> np.ndarray:
    """Norm weights: in half precision wherever webgpu-f16 reads the same file."""
    if variant.storage in ("fp32", "int8"):
        return values
    return values.astype(np.float16).astype(np.float32)


def runner(folder: Path, variant: Variant) -> Runner:
    _, decoder = read_decoder(folder / "config.json")
    weights = open_weights({"w": folder / "model.safetensors"}, None)
    with ShardWriter(folder) as writer:
        graph = Graph(weights, variant, writer, 64)
        decoder.forward(graph)
    join(folder, writer.shards, folder / EXTERNAL_NAME)
    return Runner(graph.serialized(), folder, decoder.inventory().layers, variant)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_graphs_compute_what_their_files_hold(recipe: str, tied: bool, tmp_path: Path) -> None:
    options = RECIPES[recipe]
    shape = WIDE if options.get("block_size", 32) > 32 else NARROW
    changes = {**shape, "tie_word_embeddings": tied}
    write_model(tmp_path, dtype="F32", **changes)
    weights = random_weights(config(**changes))
    _, decoder = read_decoder(tmp_path / "config.json")
    for variant in variants(Quantization(**options)):
        general = 8 if variant.storage == "int8-blocks" else 4
        table = options.get("head_bits", general)
        held = {
            name: vector(values, variant)
            if values.ndim == 1
            else stored(values, table if "embed" in name or "head" in name else general, variant)
            for name, values in weights.items()
        }
        write_safetensors(tmp_path / "held", held)
        expected = decoder.reference(open_weights({"held": tmp_path / "held"}, None), IDS)
        computing = runner(tmp_path, variant)
        logits, _ = computing.forward(IDS, computing.empty(), len(IDS))
        # What is left are activations: 8 bits in the products, half precision in webgpu-f16.
        allowed = 1e-5 if variant.storage in ("fp16", "fp32") else 0.06
        assert distance(logits, expected) < max(allowed, 0.01 * (variant.dtype == "float16"))


def size(folder: Path, options: dict[str, Any]) -> int:
    """Bytes of the weights for WebGPU."""
    runner(folder, variants(Quantization(**options))[0])
    return (folder / EXTERNAL_NAME).stat().st_size


def test_what_an_option_costs(tmp_path: Path) -> None:
    write_model(tmp_path, **WIDE)
    matrices = sum(w.size for w in random_weights(config(**WIDE)).values() if w.ndim == 2)
    bits = {
        name: 8 * (size(tmp_path, options) - size(tmp_path, {})) / matrices
        for name, options in RECIPES.items()
    }
    expected = {"q4-b16": 0.5, "q4-b64": -0.25, "q4-asymmetric": 0.125, "q8": 4, "fp16": 11.5}
    for name, more in expected.items():
        assert bits[name] == pytest.approx(more, abs=0.01), name


def test_embeddings_and_head_of_different_width(tmp_path: Path) -> None:
    options = {"head_bits": 4, "embedding_bits": 8}
    write_model(tmp_path / "untied", tie_word_embeddings=False)
    more = size(tmp_path / "untied", options) - size(tmp_path / "untied", {})
    assert more == pytest.approx(VOCAB * 64 / 2, rel=0.01)
    write_model(tmp_path / "tied")
    with pytest.raises(ModelError, match="cannot have 8 bits and it 4") as error:
        size(tmp_path / "tied", options)
    assert error.value.hint == "Leave out `embedding_bits`, or make both 8."


def test_weights_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    weights = random_weights(config())
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = 1e7
    write_safetensors(tmp_path / "model.safetensors", weights)
    for options in ({}, {"recipe": "q8"}, {"recipe": "fp16"}):
        with pytest.raises(ModelError, match="up_proj.weight holds weights beyond the range"):
            size(tmp_path, options)
    assert size(tmp_path, {"recipe": "fp32"})
