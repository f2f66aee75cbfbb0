"""A traced graph as the graph of each variant, held against itself in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import traced_graph
from onnx import TensorProto, helper
from traced_graph import HEAD_DIM, HEADS, HIDDEN, INNER, VOCAB

from sitegen.config import Quantization, Recipe
from sitegen.errors import ModelError
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.network.inventory import AttentionCache
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import ShardWriter, join
from sitegen.models.tracing.rewrite import rewrite
from sitegen.models.tracing.traced import Traced
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import LIMITS, distance

VARIANT = {
    f"{recipe}/{variant.name}": variant
    for recipe in get_args(Recipe)
    for variant in variants(Quantization(recipe=recipe))
}
IDS = [int(i) for i in np.random.default_rng(7).integers(VOCAB, size=24)]


def traced(folder: Path, model: onnx.ModelProto | None = None) -> Traced:
    """The graph as it is after optimum's export."""
    path = traced_graph.save(model or traced_graph.model(), folder)
    proto = onnx.load(path, load_external_data=False)
    rewrite(proto)
    onnx.save(proto, path)
    return Traced("other", path, 512, 12345, {"torch": "2.13.0"})


def written(model: Traced, folder: Path, *names: str) -> dict[str, tuple[onnx.ModelProto, Runner]]:
    """Graphs of variants that share a weights file, and the same under onnxruntime."""
    folder.mkdir()
    with ShardWriter(folder) as writer:
        graphs = {name: model.graph(VARIANT[name], writer, 512) for name in names}
    join(folder, writer.shards, folder / EXTERNAL_NAME)
    return {
        name: (
            onnx.load_from_string(graph),
            Runner(graph, folder, model.layers, VARIANT[name]),
        )
        for name, graph in graphs.items()
    }


def logits(runner: Runner, ids: list[int] = IDS) -> Any:
    return runner.forward(ids, runner.empty(), 0)[0]


def operators(graph: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in graph.graph.node]


def test_what_export_asks(tmp_path: Path) -> None:
    model = traced(tmp_path / "m")
    assert (model.model_type, model.vocab, model.max_context) == ("other", VOCAB, 512)
    assert (model.parameters, model.packages) == (12345, {"torch": "2.13.0"})
    assert model.layers == [AttentionCache(HEADS, HEAD_DIM)]
    assert model.reference(IDS).shape == (len(IDS), VOCAB)


@pytest.mark.parametrize("name", VARIANT)
def test_every_variant_computes_the_reference(tmp_path: Path, name: str) -> None:
    model = traced(tmp_path / "m")
    [(_, runner)] = written(model, tmp_path / "w", name).values()
    expected, limits = model.reference(IDS), LIMITS[VARIANT[name].storage]
    assert distance(logits(runner), expected) <= limits.error
    first, past = runner.forward(IDS[:15], runner.empty(), 0)
    second, _ = runner.forward(IDS[15:], past, 0)
    assert distance(np.concatenate([first, second]), logits(runner)) <= limits.cache


def test_products_and_tables_get_the_schemes_of_the_variant(tmp_path: Path) -> None:
    model = traced(tmp_path / "m")
    products = 4 + 2 + 1  # attention, MLP, head
    int4 = written(model, tmp_path / "4", "q4/webgpu-f16", "q4/webgpu-f32")
    for graph, _ in int4.values():
        assert operators(graph).count("MatMulNBits") == products
        assert operators(graph).count("GatherBlockQuantized") == 1
        assert operators(graph).count("MatMul") == 2  # of attention, not of weights
    [(graph, _)] = written(model, tmp_path / "8", "q4/wasm").values()
    assert operators(graph).count("DynamicQuantizeMatMul") == products
    assert operators(graph).count("ReduceMax") == 1  # outliers: at the end of the MLP alone


def test_a_head_of_its_own_has_the_bits_of_a_head(tmp_path: Path) -> None:
    untied = traced_graph.model(head_weight=np.ones((HIDDEN, VOCAB), np.float32))
    variant, *_ = variants(Quantization(head_bits=8))
    with ShardWriter(tmp_path) as writer:
        graph = onnx.load_from_string(traced(tmp_path / "m", untied).graph(variant, writer, 512))
    products = [node for node in graph.graph.node if node.op_type == "MatMulNBits"]
    bits = {each.name: helper.get_attribute_value(each) for each in products[-1].attribute}["bits"]
    assert (bits, "head_weight" in products[-1].input[1]) == (8, True)
    assert sum(a.i == 8 for node in products for a in node.attribute if a.name == "bits") == 1


def maker(model: onnx.ModelProto, value: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if value in node.output)


def insert(model: onnx.ModelProto, before: str, *nodes: onnx.NodeProto) -> None:
    """Put nodes before the one that makes a value."""
    at = list(model.graph.node).index(maker(model, before))
    for node in reversed(nodes):
        model.graph.node.insert(at, node)


def scale_a_product(model: onnx.ModelProto) -> None:
    maker(model, "wide").attribute.append(helper.make_attribute("alpha", 0.5))


def scale_a_bias(model: onnx.ModelProto) -> None:
    maker(model, "wide").attribute.append(helper.make_attribute("beta", 0.5))


def turn_an_input(model: onnx.ModelProto) -> None:
    maker(model, "wide").attribute.append(helper.make_attribute("transA", 1))
    maker(model, "wide").input[0] = "columns"
    insert(model, "wide", helper.make_node("Transpose", ["rows"], ["columns"], perm=[1, 0]))


def look_up_in_a_row(model: onnx.ModelProto) -> None:
    maker(model, "embedded").input[1] = "ids"
    maker(model, "embedded").output[0] = "found"
    model.graph.node.insert(0, helper.make_node("Squeeze", ["input_ids", "zeros"], ["ids"]))
    insert(model, "positions", helper.make_node("Unsqueeze", ["found", "zeros"], ["embedded"]))


def count_places(model: onnx.ModelProto) -> None:
    """As masks are made of a shape: no number of the model decides how many there are."""
    last = model.graph.node.pop()
    last.input[0] = "with_places"
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["embedded"], ["places.shape"]),
            helper.make_node("ConstantOfShape", ["places.shape"], ["places.zero"]),
            helper.make_node("Cast", ["places.zero"], ["places.no"], to=TensorProto.BOOL),
            helper.make_node("Not", ["places.no"], ["places.yes"]),
            helper.make_node("NonZero", ["places.yes"], ["places"]),
            helper.make_node("Cast", ["places"], ["places.float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["places.float"], ["places.last"], keepdims=0),
            helper.make_node("Add", ["product", "places.last"], ["with_places"]),
            last,
        ]
    )


@pytest.mark.parametrize(
    "change", [scale_a_product, scale_a_bias, turn_an_input, look_up_in_a_row, count_places]
)
@pytest.mark.parametrize("name", ["q4/wasm", "fp32/fp32"])
def test_other_forms_are_computed_as_they_are(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], name: str
) -> None:
    model = traced_graph.model()
    change(model)
    own = traced(tmp_path / "m", model)
    [(_, runner)] = written(own, tmp_path / "w", name).values()
    assert distance(logits(runner), own.reference(IDS)) <= LIMITS[VARIANT[name].storage].error


def test_token_ids_of_another_shape_are_looked_up_in_the_table(tmp_path: Path) -> None:
    model = traced_graph.model()
    maker(model, "embedded").input[1] = "ids"
    model.graph.node.insert(0, helper.make_node("Reshape", ["input_ids", "row"], ["ids"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -1]), "row"))
    [(graph, _)] = written(traced(tmp_path / "m", model), tmp_path / "w", "q4/webgpu-f32").values()
    assert "GatherBlockQuantized" in operators(graph)


def test_a_vector_beyond_half_precision_is_named(tmp_path: Path) -> None:
    model = traced(tmp_path / "m", traced_graph.model(up_bias=np.full(INNER, 1e6, np.float32)))
    with pytest.raises(ModelError, match="up_bias holds weights beyond the range of float16"):
        written(model, tmp_path / "w", "q4/webgpu-f16")


def test_a_tied_head_is_stored_once(tmp_path: Path) -> None:
    model = traced(tmp_path / "m")
    untied = traced_graph.model(head_weight=np.zeros((HIDDEN, VOCAB), np.float32))
    sizes = {}
    for name, each in (("tied", model), ("untied", traced(tmp_path / "u", untied))):
        folder = tmp_path / name
        written(each, folder, "fp32/fp32")
        sizes[name] = (folder / EXTERNAL_NAME).stat().st_size
    assert sizes["untied"] - sizes["tied"] == 4 * HIDDEN * VOCAB


def test_half_precision_keeps_the_int4_bytes_and_the_numbers(tmp_path: Path) -> None:
    pair = written(traced(tmp_path / "m"), tmp_path / "w", "q4/webgpu-f16", "q4/webgpu-f32")
    half, single = (logits(runner) for _, runner in pair.values())
    assert distance(half, single) <= 0.03
    graph, _ = pair["q4/webgpu-f16"]
    types = {v.name: v.type.tensor_type.elem_type for v in graph.graph.output}
    assert set(types.values()) == {TensorProto.FLOAT16}
    assert types.keys() == {"logits", "present.0.key", "present.0.value"}


def test_half_precision_knows_positions_apart(tmp_path: Path) -> None:
    """From 2048 on float16 has not every whole number, and cos of thousands has no digit right."""
    pair = written(traced(tmp_path / "m"), tmp_path / "w", "q4/webgpu-f16", "q4/webgpu-f32")
    ids = (IDS * 300)[:7000]
    keys = [
        runner.forward(ids, runner.empty(), 1)[1].tensors[0][0, :, -1000:].astype(np.float32)
        for _, runner in pair.values()
    ]
    assert distance(*keys) <= 0.02


def test_half_precision_stays_where_it_is_enough(tmp_path: Path) -> None:
    model = traced_graph.model()
    [divide] = [node for node in model.graph.node if node.output[0] == "divided"]
    inverse = helper.make_node("Reciprocal", ["roots"], ["inverse"])
    times = helper.make_node("Mul", ["embedded", "inverse"], ["divided"])
    at = list(model.graph.node).index(divide)
    model.graph.node.remove(divide)  # a norm in a form that is not put into one operator
    model.graph.node.insert(at, times)
    model.graph.node.insert(at, inverse)
    pair = written(traced(tmp_path / "m", model), tmp_path / "w", "q4/webgpu-f16")
    [(graph, _)] = pair.values()
    single = {"positions", "angles", "turned", "mask", "scores", "softmax"}
    single |= {"powers", "means", "above", "roots", "inverse"}
    half = {"divided", "queries_turned", "across", "mixed", "residual"}
    for name in single | half:
        graph.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(tmp_path / "w")
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    types = {output.name: output.type for output in session.get_outputs()}
    assert {name for name in single | half if types[name] == "tensor(float)"} == single
    stored = {tensor.name for tensor in graph.graph.initializer}
    assert {"frequencies.float32", "norm.float16", "up_bias.float16"} <= stored


def test_half_precision_survives_what_overflows_it(tmp_path: Path) -> None:
    """Squares above 65504 in the norm, and scores below -65504 behind the mask."""
    model = traced_graph.model()
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            table = onnx.numpy_helper.to_array(tensor) * 400
            tensor.CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    pair = written(traced(tmp_path / "m", model), tmp_path / "w", "q4/webgpu-f16", "q4/webgpu-f32")
    half, single = (logits(runner) for _, runner in pair.values())
    assert np.isfinite(half).all()
    assert distance(half, single) <= 0.03


def test_a_mask_is_stored_once_for_all_layers(tmp_path: Path) -> None:
    model = traced_graph.model()
    triangle = np.tri(64, dtype=bool)[None, None]
    for i in range(2):  # two layers' worth of the same buffer
        model.graph.initializer.append(onnx.numpy_helper.from_array(triangle, f"bias.{i}"))
        window = ["past", "total_vector", "axis"]
        inputs = [f"bias.{i}", *window] if i == 0 else ["bias.1", *window]
        model.graph.node.insert(0, helper.make_node("Slice", inputs, [f"seen.{i}"]))
    model.graph.node.insert(
        0, helper.make_node("Shape", ["past_key_values.0.key"], ["past"], start=2, end=3)
    )
    model.graph.node.insert(
        0, helper.make_node("Shape", ["attention_mask"], ["total_vector"], start=1, end=2)
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2]), "axis"))
    nodes = list(model.graph.node)
    at = next(i for i, node in enumerate(nodes) if node.output[0] == "scores")
    both = helper.make_node("And", ["seen.0", "seen.1"], ["seen"])
    left = helper.make_node("Slice", ["seen", "zeros", "total_vector", "last_axis"], ["seen.all"])
    masked = helper.make_node("Where", ["seen.all", "scores", "infinity"], ["scores.seen"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([3]), "last_axis"))
    nodes[at + 1 : at + 1] = [both, left, masked]
    next(n for n in nodes if n.op_type == "Softmax").input[0] = "scores.seen"
    del model.graph.node[:]
    model.graph.node.extend(nodes)

    plain, own = traced(tmp_path / "p"), traced(tmp_path / "m", model)
    [(graph, runner)] = written(own, tmp_path / "w", "fp32/fp32").values()
    assert distance(logits(runner), plain.reference(IDS)) <= 1e-6  # the mask says nothing new
    [mask] = [t for t in graph.graph.initializer if t.name.startswith("mask.")]
    assert list(mask.dims) == [1, 1, 64, 64]
    assert {e.key: e.value for e in mask.external_data}["length"] == str(64 * 64)


def add_experts(model: onnx.ModelProto) -> None:
    """Rows of positive inputs go another way."""
    nodes = list(model.graph.node)
    at = next(i for i, node in enumerate(nodes) if node.output[0] == "active")
    chosen = helper.make_node("NonZero", ["active"], ["chosen"])
    nodes[at + 1 : at + 1] = [chosen]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    rows = helper.make_node("Shape", ["chosen"], ["chosen.shape"])
    count = helper.make_node("ReduceMax", ["chosen.shape"], ["chosen.count"], keepdims=0)
    size = helper.make_node("Cast", ["chosen.count"], ["chosen.float"], to=TensorProto.FLOAT)
    more = helper.make_node("Mul", ["product", "chosen.float"], ["routed"])
    last = model.graph.node.pop()
    last.input[0] = "routed"
    model.graph.node.extend([rows, count, size, more, last])


def add_branch(model: onnx.ModelProto) -> None:
    """The factor is one of two, chosen by a token."""

    def body(name: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph(
            [helper.make_node("Identity", ["product"], [name])], name, [], [value]
        )

    last = model.graph.node.pop()
    token = helper.make_node("ReduceMax", ["input_ids"], ["token"], keepdims=0)
    odd = helper.make_node("Cast", ["token"], ["odd"], to=TensorProto.BOOL)
    branch = helper.make_node(
        "If", ["odd"], ["either"], then_branch=body("a"), else_branch=body("b")
    )
    last.input[0] = "either"
    model.graph.node.extend([token, odd, branch, last])


@pytest.mark.parametrize("change, operator", [(add_experts, "NonZero"), (add_branch, "If")])
def test_tokens_that_go_different_ways_are_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], operator: str
) -> None:
    model = traced_graph.model()
    change(model)
    with pytest.raises(ModelError) as error:
        traced(tmp_path / "m", model)
    assert str(error.value) == (
        f"the model sends tokens different ways ({operator} in the exported graph), as a mixture "
        "of experts does\n  Such models do not run in the browser yet: take a dense one."
    )


def test_a_width_that_int4_cannot_cut_is_named(tmp_path: Path) -> None:
    narrow = traced_graph.model(
        up_weight=np.ones((INNER + 8, HIDDEN), np.float32),
        up_bias=np.ones(INNER + 8, np.float32),
        down_weight=np.ones((HIDDEN, INNER + 8), np.float32),
    )
    with pytest.raises(ModelError, match="down_weight has rows of 136 weights"):
        written(traced(tmp_path / "m", narrow), tmp_path / "w", "q4/webgpu-f32")
