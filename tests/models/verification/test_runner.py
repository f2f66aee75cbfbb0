"""A graph in segments computes what it computes whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_families
from tiny_models import VOCAB

from sitegen.config import Quantization
from sitegen.models.families import read_decoder
from sitegen.models.graph import Graph
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import ShardWriter, join
from sitegen.models.verification.runner import Feed, Runner, Segments
from sitegen.models.weights import open_weights

IDS = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 20)]
VARIANT = next(variant for variant in variants(Quantization()) if variant.name == "webgpu-f32")


def built(folder: Path, name: str) -> tuple[bytes, list]:  # type: ignore[type-arg]
    tiny_families.write(folder, name)
    _, decoder = read_decoder(folder / "config.json")
    with ShardWriter(folder) as writer:
        weights = open_weights({"w": folder / "model.safetensors"}, None)
        graph = Graph(weights, VARIANT, writer, 64)
        decoder.forward(graph)
    join(folder, writer.shards, folder / EXTERNAL_NAME)
    return graph.serialized(), decoder.inventory().layers


# Convolutions, capped scores with masks of their own, and learned positions cross the cuts.
@pytest.mark.parametrize("name", ["llama", "lfm2", "gemma2", "gpt2"])
def test_segments_compute_what_the_whole_does(tmp_path: Path, name: str) -> None:
    graph, layers = built(tmp_path, name)
    whole = Runner(graph, tmp_path, layers, VARIANT)
    cut = Runner(graph, tmp_path, layers, VARIANT, segment_bytes=4000)
    assert cut.is_cut and not whole.is_cut
    feeds = [
        Feed([IDS], whole.empty()),
        Feed([IDS[:7], IDS[7:19], IDS[19:]], whole.empty(), keep=1),
    ]
    for (ours, our_past), (theirs, their_past) in zip(
        cut.run(feeds), whole.run(feeds), strict=True
    ):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        assert our_past.tokens == their_past.tokens == 20
        for c, d in zip(our_past.tensors, their_past.tensors, strict=True):
            np.testing.assert_allclose(c, d, atol=1e-5)


def test_a_segment_holds_no_more_than_its_share(tmp_path: Path) -> None:
    graph, _ = built(tmp_path, "llama")
    stored = {
        tensor.name: int(tensor.external_data[2].value)
        for tensor in onnx.load_from_string(graph).graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    }
    total = sum(stored.values())
    assert len(Segments(graph, total)) == 1
    # A tensor that two segments use, such as those of the rotation, counts in both.
    assert 3 <= len(Segments(graph, total // 3)) <= 5
