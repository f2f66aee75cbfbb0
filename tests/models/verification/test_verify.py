"""A wrong export is refused, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tiny_models import VOCAB, write_model

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.families import read_decoder
from sitegen.models.graph import Graph
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.variants import Variant, variants
from sitegen.models.shards import ShardWriter, join
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import Task, compare_halves, pieces, verify
from sitegen.models.weights import open_weights

IDS = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 16)]
Q4 = variants(Quantization())
EVERY = [v for r in ("q4", "q8", "fp16", "fp32") for v in variants(Quantization(recipe=r))]


def label(variant: Variant) -> str:
    return f"{variant.quantization.recipe}-{variant.name}"


Change = Callable[[onnx.GraphProto], None]


class Exported:
    """One variant of a tiny model, its graph open to changes before it is verified."""

    def __init__(self, folder: Path, variant: Variant):
        write_model(folder)
        self.variant = variant
        _, decoder = read_decoder(folder / "config.json")
        self.layers = decoder.inventory().layers
        tensors = open_weights({"w": folder / "model.safetensors"}, None)
        self.reference = decoder.reference(tensors, IDS)
        with ShardWriter(folder) as writer:
            graph = Graph(tensors, variant, writer, 64)
            decoder.forward(graph)
            self.graph = graph.serialized()
        self.weights = folder
        join(folder, writer.shards, folder / EXTERNAL_NAME)

    def verify(  # type: ignore[no-untyped-def]
        self, change: Change | None = None, prompts=(IDS,), gpu_prompts=None, **options: int
    ):
        graph = self.graph
        if change is not None:
            model = onnx.load_from_string(graph)
            change(model.graph)
            graph = model.SerializeToString()
        runner = Runner(graph, self.weights, self.layers, self.variant, **options)
        task = Task(IDS, self.reference, prompts, gpu_prompts or prompts)
        return verify(runner, self.variant, task)


@pytest.fixture(params=EVERY, ids=label)
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Exported:
    return Exported(tmp_path, request.param)


def nodes(graph: onnx.GraphProto, op: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if node.op_type == op]


def without_rotation(graph: onnx.GraphProto) -> None:
    for node in nodes(graph, "GroupQueryAttention"):
        for attribute in node.attribute:
            if attribute.name == "do_rotary":
                attribute.i = 0


def without_an_mlp(graph: onnx.GraphProto) -> None:
    """The residual stream of the last layer is its own update."""
    last = nodes(graph, "SkipSimplifiedLayerNormalization")[-1]
    last.input[1] = last.input[0]


def with_layers_swapped(graph: onnx.GraphProto) -> None:
    first, second = nodes(graph, "GroupQueryAttention")
    first.input[3], second.input[3] = second.input[3], first.input[3]
    first.input[4], second.input[4] = second.input[4], first.input[4]


def with_a_forgetful_cache(graph: onnx.GraphProto) -> None:
    """Every step believes that the sequence is one token shorter."""
    for node in nodes(graph, "Sub"):
        if node.input[1] == "one":
            node.input[0] = "one"


def test_a_right_export_passes(exported: Exported) -> None:
    verified = exported.verify()
    assert verified.self_check.prompt_ids == tuple(IDS)
    assert verified.self_check.next_ids


def test_what_a_gpu_may_run_is_checked_with_prompts_of_its_own(exported: Exported) -> None:
    longer = [*IDS, *IDS]
    asked = exported.verify(gpu_prompts=[longer]).self_check.prompt_ids
    assert asked == tuple(longer if "webgpu" in exported.variant.backends else IDS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_layers_swapped, "its logits "),
        (with_a_forgetful_cache, "onnxruntime cannot run it: "),
    ],
)
def test_a_wrong_graph_is_refused(exported: Exported, change: Change, problem: str) -> None:
    with pytest.raises(ModelError) as error:
        exported.verify(change)
    assert f"the export {exported.variant.name} is not usable: {problem}" in str(error.value)
    assert "Nothing was published." in str(error.value)


@pytest.mark.parametrize("change", [without_rotation, without_an_mlp])
@pytest.mark.parametrize("variant", EVERY[2:3] + EVERY[3:], ids=label)
def test_a_missing_part_is_seen_by_the_finer_variant(
    tmp_path: Path, variant: Variant, change: Change
) -> None:
    """In int4 such a part drowns in the noise of random weights; int8 is exported with it."""
    exported = Exported(tmp_path, variant)
    with pytest.raises(ModelError, match="differ from the reference"):
        exported.verify(change)


def with_words_that_overflow(graph: onnx.GraphProto) -> None:
    """Tokens that are all below 20 give logits that are no numbers; IDS end with 26."""
    [logits] = (node for node in graph.node if "logits" in node.output)
    logits.output[0] = "sound"
    elements = graph.output[0].type.tensor_type.elem_type
    graph.initializer.append(helper.make_tensor("first", elements, [], [20.0]))
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["input_ids"], ["highest"], keepdims=0),
            helper.make_node("Cast", ["highest"], ["number"], to=elements),
            helper.make_node("Sub", ["number", "first"], ["above"]),
            helper.make_node("Sqrt", ["above"], ["root"]),
            helper.make_node("Sub", ["root", "root"], ["nothing"]),
            helper.make_node("Add", ["sound", "nothing"], ["logits"]),
        ]
    )


def test_a_self_check_is_never_of_logits_that_are_no_numbers(exported: Exported) -> None:
    with pytest.raises(ModelError, match="is not usable: its logits are not finite"):
        exported.verify(with_words_that_overflow, prompts=[[5, 6, 7]])


@pytest.mark.parametrize("variant", Q4[:2], ids=label)
@pytest.mark.parametrize("seed", range(3))
def test_segments_agree_on_the_same_self_check(tmp_path: Path, variant: Variant, seed: int) -> None:
    """Prompt after prompt or side by side; in segments, for half as many tokens."""
    exported = Exported(tmp_path, variant)
    prompts = np.random.default_rng(seed).integers(4, VOCAB, (6, 5)).tolist()
    whole = exported.verify(prompts=prompts).self_check
    cut = exported.verify(prompts=prompts, segment_bytes=4000).self_check
    assert (cut.prompt_ids, cut.tolerance) == (whole.prompt_ids, whole.tolerance)
    assert cut.next_ids == whole.next_ids[:4]


def test_the_cache_is_tried_with_many_tokens_with_several_and_with_one() -> None:
    assert pieces(16) == [(0, 12), (12, 15), (15, 16)]
    assert pieces(3) == [(0, 2), (2, 3)]
    assert pieces(1) == [(0, 1)]


def test_damaged_weights_are_refused(exported: Exported) -> None:
    weights = np.memmap(exported.weights / EXTERNAL_NAME, np.uint8, "r+")
    weights[: weights.size // 2] = 0x11
    with pytest.raises(ModelError, match="is not usable"):
        exported.verify()


def test_half_precision_is_held_against_single(tmp_path: Path) -> None:
    half, single = (Exported(tmp_path / v.name, v).verify() for v in Q4[:2])
    variant = Q4[0]
    compare_halves(half, single, variant)
    half.logits[3] += 1
    with pytest.raises(ModelError, match="webgpu-f16 is not usable: its logits differ from those"):
        compare_halves(half, single, variant)
