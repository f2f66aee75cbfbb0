"""A graph as a tracer writes it, before and after it has the one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import traced_graph
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sitegen.errors import ModelError
from sitegen.models.tracing.rewrite import rewrite

IDS = [int(i) for i in np.random.default_rng(5).integers(traced_graph.VOCAB, size=20)]
Values = dict[str, np.ndarray]


def run(model: ModelProto, feeds: Values) -> Values:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def feeds(model: ModelProto, ids: Sequence[int], past: Values, keep: int = 0) -> Values:
    """Inputs of the graph before or after; what it does not have is left out."""
    seen = past["present.0.key"].shape[2] if past else 0
    empty = np.zeros((1, traced_graph.HEADS, 0, traced_graph.HEAD_DIM), np.float32)
    values: dict[str, Any] = {
        "input_ids": np.array([ids]),
        "attention_mask": np.ones((1, seen + len(ids)), np.int64),
        "position_ids": np.arange(seen, seen + len(ids))[None],
        "num_logits_to_keep": np.array(keep),
    }
    for kind in ("key", "value"):
        values[f"past_key_values.0.{kind}"] = past.get(f"present.0.{kind}", empty)
    return {value.name: values[value.name] for value in model.graph.input}


@pytest.fixture
def model() -> ModelProto:
    return traced_graph.model()


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def rewritten(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    rewrite(copy)
    return copy


def test_the_interface_is_the_one_of_every_graph(model: ModelProto) -> None:
    rewrite(model)
    assert [value.name for value in model.graph.input] == [
        "input_ids",
        "attention_mask",
        "num_logits_to_keep",
        "past_key_values.0.key",
        "past_key_values.0.value",
    ]
    assert [value.name for value in model.graph.output] == [
        "logits",
        "present.0.key",
        "present.0.value",
    ]
    batches = [value.type.tensor_type.shape.dim[:1] for value in model.graph.input]
    assert [dim.dim_value for dims in batches for dim in dims] == [1, 1, 1, 1]


@pytest.mark.parametrize("pieces", [[20], [13, 7], [1, 18, 1]])
def test_the_numbers_stay_the_same(model: ModelProto, pieces: list[int]) -> None:
    before, after = model, rewritten(model)
    expected = run(before, feeds(before, IDS, {}))
    found, past, start = [], {}, 0
    for piece in pieces:
        past = run(after, feeds(after, IDS[start : start + piece], past))
        found.append(past["logits"])
        start += piece
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected["logits"], atol=1e-5)
    np.testing.assert_allclose(past["present.0.key"], expected["present.0.key"], atol=1e-6)


@pytest.mark.parametrize("keep, rows", [(1, 1), (3, 3), (0, 20), (99, 20)])
def test_the_head_runs_on_the_last_positions_alone(model: ModelProto, keep: int, rows: int) -> None:
    after = rewritten(model)
    head = next(node for node in after.graph.node if "head_weight" in node.input)
    after.graph.output.append(helper.make_empty_tensor_value_info(head.output[0]))
    found = run(after, feeds(after, IDS, {}, keep))
    everything = run(model, feeds(model, IDS, {}))["logits"]
    np.testing.assert_allclose(found["logits"], everything[:, -rows:], atol=1e-5)
    assert found[head.output[0]].shape == (1, rows, traced_graph.VOCAB)


def test_a_head_in_disguise_leaves_the_slice_behind_it(model: ModelProto) -> None:
    [head] = [node for node in model.graph.node if "head_weight" in node.input]
    head.input[1] = "head_rows"  # the weight is computed: no constant to be recognized by
    turned = helper.make_node("Transpose", ["table"], ["head_rows"], perm=[1, 0])
    model.graph.node.insert(0, turned)
    after = rewritten(model)
    found = run(after, feeds(after, IDS, {}, 2))["logits"]
    everything = run(model, feeds(model, IDS, {}))["logits"]
    np.testing.assert_allclose(found, everything[:, -2:], atol=1e-5)


def test_norms_become_one_operator_and_guards_go(model: ModelProto) -> None:
    after = operators(rewritten(model))
    assert after.count("SimplifiedLayerNormalization") == 1
    assert not {"Pow", "ReduceMean", "Sqrt", "IsNaN"} & set(after)
    assert {"Pow", "ReduceMean", "Sqrt", "IsNaN"} <= set(operators(model))


def maker(model: ModelProto, value: str) -> NodeProto:
    return next(node for node in model.graph.node if value in node.output)


def test_a_norm_is_one_whichever_side_its_weight_is_on(model: ModelProto) -> None:
    normed = maker(model, "normed")
    normed.input[:] = reversed(normed.input)
    assert "SimplifiedLayerNormalization" in operators(rewritten(model))


def of_another_value(model: ModelProto) -> None:
    maker(model, "divided").input[0] = "other"
    at = list(model.graph.node).index(maker(model, "powers"))
    model.graph.node.insert(at, helper.make_node("Relu", ["embedded"], ["other"]))


def of_fourth_powers(model: ModelProto) -> None:
    maker(model, "powers").input[1] = "four"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(4), "four"))


def by_a_weight_of_two_dimensions(model: ModelProto) -> None:
    [norm] = [tensor for tensor in model.graph.initializer if tensor.name == "norm"]
    norm.dims[:] = [1, traced_graph.HIDDEN]


def over_another_axis(model: ModelProto) -> None:
    maker(model, "means").input[1] = "ones"


def over_all_axes(model: ModelProto) -> None:
    del maker(model, "means").input[1:]


@pytest.mark.parametrize(
    "change",
    [
        of_another_value,
        of_fourth_powers,
        by_a_weight_of_two_dimensions,
        over_another_axis,
        over_all_axes,
    ],
)
def test_what_only_looks_like_a_norm_stays_as_it_is(
    model: ModelProto, change: Callable[[ModelProto], None]
) -> None:
    change(model)
    after = rewritten(model)
    assert "ReduceMean" in operators(after)
    found, expected = (run(each, feeds(each, IDS, {}))["logits"] for each in (after, model))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_guard_that_looks_at_another_value_stays(model: ModelProto) -> None:
    maker(model, "guard").input[0] = "scores"
    assert "IsNaN" in operators(rewritten(model))


def test_what_a_branch_reads_stays(model: ModelProto) -> None:
    """One that is chosen by the number of tokens."""
    shape = helper.make_tensor_value_info("a", TensorProto.FLOAT, None)
    other = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    bodies = [
        helper.make_graph([helper.make_node(op, ["product"], [out.name])], out.name, [], [out])
        for op, out in (("Identity", shape), ("Neg", other))
    ]
    last = model.graph.node.pop()
    last.input[0] = "either"
    model.graph.node.extend(
        [
            helper.make_node("Greater", ["total", "two"], ["long"]),
            helper.make_node(
                "If", ["long"], ["either"], then_branch=bodies[0], else_branch=bodies[1]
            ),
            last,
        ]
    )
    after = rewritten(model)
    for ids in (IDS, IDS[:2]):
        found, expected = (run(each, feeds(each, ids, {}))["logits"] for each in (after, model))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_shapes_are_known_before_the_graph_runs(model: ModelProto) -> None:
    after = rewritten(model)
    constant = {tensor.name for tensor in after.graph.initializer}
    shapes = [node.input[1] for node in after.graph.node if node.op_type == "Reshape"]
    assert sum(name in constant for name in shapes) >= 5
    assert operators(after).count("Shape") == 2  # of input_ids and of attention_mask
    assert "Concat" not in {
        node.op_type for node in after.graph.node if node.output[0] == "by_head"
    }


def test_a_graph_that_counts_positions_itself_is_not_given_them(model: ModelProto) -> None:
    nodes = [node for node in model.graph.node if "position_ids" not in node.input]
    length = helper.make_node("Shape", ["input_ids"], ["own.length"], start=1, end=2)
    scalar = helper.make_node("Squeeze", ["own.length"], ["own.scalar"])
    positions = helper.make_node("Range", ["zero", "own.scalar", "one"], ["own.range"])
    row = helper.make_node("Unsqueeze", ["own.range", "zeros"], ["own.positions"])
    own = [length, scalar, positions, row]
    for node in model.graph.node:
        node.input[:] = ["own.positions" if n == "position_ids" else n for n in node.input]
    nodes = [*own, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    rewrite(model)
    assert "Sub" not in operators(model)


def drop(model: ModelProto, name: str) -> None:
    kept = [value for value in model.graph.output if value.name != name]
    del model.graph.output[:]
    model.graph.output.extend(kept)


def widen_values(model: ModelProto) -> None:
    for value in model.graph.input:
        if value.name.endswith(".value"):
            value.type.tensor_type.shape.dim[3].dim_value = 64


def leave_heads_open(model: ModelProto) -> None:
    for value in model.graph.input:
        if value.name.startswith("past"):
            value.type.tensor_type.shape.dim[1].dim_param = "heads"


def rename_present(model: ModelProto) -> None:
    for value in model.graph.output:
        value.name = value.name.replace("present", "cache")


def rename_past(model: ModelProto) -> None:
    for value in model.graph.input:
        if value.name.startswith("past"):
            value.name = value.name.replace("past_key_values", "cache_params")


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda model: drop(model, "present.0.key"), "its outputs are logits, present.0.value"),
        (
            widen_values,
            "layer 0 keeps keys (batch, 2, past, 32) and values (batch, 2, past, 64)",
        ),
        (
            leave_heads_open,
            "layer 0 keeps keys (batch, heads, past, 32) and values (batch, heads, past, 32)",
        ),
        (rename_present, "its outputs are logits, cache.0.key, cache.0.value"),
        (
            rename_past,
            "its inputs are input_ids, attention_mask, position_ids, cache_params.0.key, "
            "cache_params.0.value",
        ),
    ],
)
def test_a_cache_of_another_form_is_refused(model: ModelProto, change: Any, problem: str) -> None:
    change(model)
    with pytest.raises(ModelError) as error:
        rewrite(model)
    assert error.value.problem == (
        "the exported graph is not that of a decoder with a cache of keys and values: " + problem
    )
    assert error.value.hint == "Such models cannot run in sitegen's browser engine."


def test_the_result_is_valid_onnx(model: ModelProto) -> None:
    after = rewritten(model)
    for node in after.graph.node:  # the one operator that is onnxruntime's own
        if node.op_type == "SimplifiedLayerNormalization":
            node.domain = "com.microsoft"
    after.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.checker.check_model(after)
