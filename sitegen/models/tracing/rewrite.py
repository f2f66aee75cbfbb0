"""From the interface an exporter gives a decoder's ONNX graph to the one every graph here has.

`graph.py` tells that interface: one sequence, no position_ids, logits of the last positions only.
The graph is changed in place, before its weights are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from sitegen.errors import ModelError
from sitegen.models.tracing.dimensions import settle

INT64 = TensorProto.INT64
END = np.iinfo(np.int64).max

# What may lie between the head's product and the logits, besides a constant: a bias, a factor
# (Cohere, Granite), a soft cap (Gemma 2).
AFTER_HEAD = {"Add", "Mul", "Div", "Tanh", "Identity", "Cast"}


def rewrite(model: ModelProto) -> None:
    """Give the graph the one interface; raises ModelError where it has no such cache.

    Expects what optimum's `text-generation-with-past` gives: input_ids, attention_mask and
    position_ids (each only where the network reads it) and `past_key_values.N.{key,value}` to
    logits (batch, sequence, vocab) and `present.N.{key,value}`.
    """
    graph = model.graph
    del graph.value_info[:]  # they name dimensions in the exporter's way
    _one_sequence(graph)
    _count_positions(graph)
    _keep_last_logits(model)
    _drop_nan_guards(graph)
    _drop_unused(graph)
    settle(model)
    _drop_unused(graph)
    known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
    _fuse_rms_norms(graph)  # into an operator whose results onnx does not know
    _drop_unused(graph)
    graph.value_info.extend(known)


def _one_sequence(graph: GraphProto) -> None:
    """Name the inputs and outputs, and fix the batch at 1."""
    inputs = {value.name: value for value in graph.input}
    outputs = {value.name: value for value in graph.output}
    layers = _layers(inputs, outputs)
    caches = []
    for layer in range(layers):
        for kind in ("key", "value"):
            past, present = f"past_key_values.{layer}.{kind}", f"present.{layer}.{kind}"
            _, heads, _, head_dim = (dim.dim_value for dim in _dims(inputs[past]))
            caches.append((past, present, heads, head_dim))
    vocab = _dims(outputs["logits"])[-1].dim_value
    float32 = TensorProto.FLOAT
    values = helper.make_tensor_value_info
    del graph.input[:], graph.output[:]
    graph.input.extend(
        [
            values("input_ids", INT64, [1, "sequence"]),
            values("attention_mask", INT64, [1, "total_sequence"]),
            values("num_logits_to_keep", INT64, []),
            *(values(p, float32, [1, h, "past_sequence", d]) for p, _, h, d in caches),
        ]
    )
    graph.output.extend(
        [
            values("logits", float32, [1, "kept", vocab]),
            *(values(p, float32, [1, h, "total_sequence", d]) for _, p, h, d in caches),
        ]
    )


def _layers(inputs: dict[str, ValueInfoProto], outputs: dict[str, ValueInfoProto]) -> int:
    """How many layers keep keys and values; raises ModelError for a cache of another form."""
    pasts = [name for name in inputs if name not in ("input_ids", "attention_mask", "position_ids")]
    layers = len(pasts) // 2
    kinds = [f"{layer}.{kind}" for layer in range(layers) for kind in ("key", "value")]
    if sorted(pasts) != sorted(f"past_key_values.{kind}" for kind in kinds) or not layers:
        raise _unlike(f"its inputs are {_some(inputs)}")
    if sorted(outputs) != sorted(["logits", *(f"present.{kind}" for kind in kinds)]):
        raise _unlike(f"its outputs are {_some(outputs)}")
    for layer in range(layers):
        key, value = (
            [dim.dim_value for dim in _dims(inputs[f"past_key_values.{layer}.{kind}"])]
            for kind in ("key", "value")
        )
        if len(key) != 4 or not key[1] or not key[3] or key != value:
            raise _unlike(
                f"layer {layer} keeps keys {_shape(inputs[f'past_key_values.{layer}.key'])} and "
                f"values {_shape(inputs[f'past_key_values.{layer}.value'])}"
            )
    return layers


def _count_positions(graph: GraphProto) -> None:
    """Compute position_ids (1, sequence) from the lengths of the mask and of the input."""
    if not any("position_ids" in node.input for node in graph.node):
        return
    add = _Nodes(graph)
    total = add.node("Shape", ["attention_mask"], start=1, end=2)
    new = add.node("Shape", ["input_ids"], start=1, end=2)
    first = add.node("Sub", [total, new])
    scalars = [add.node("Squeeze", [each]) for each in (first, total)]
    row = add.node("Range", [*scalars, add.constant(1)])
    add.node("Unsqueeze", [row, add.constant([0])], output="position_ids")
    add.insert(0)
    known = helper.make_tensor_value_info("position_ids", INT64, [1, "sequence"])
    graph.value_info.append(known)


def _keep_last_logits(model: ModelProto) -> None:
    """Cut off what is not asked for before the head, the largest product of most small models;
    behind it where it is not found."""
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    constant = {tensor.name for tensor in graph.initializer}
    constant |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    rank = _ranks(model)
    value = "logits"
    while (node := made_by[value]).op_type in AFTER_HEAD:
        variable = [name for name in node.input if name not in constant]
        if len(variable) != 1 or variable[0] not in made_by:
            break
        [value] = variable
    add = _Nodes(graph)
    if node.op_type == "MatMul" and node.input[1] in constant and rank.get(node.input[0]) == 3:
        node.input[0] = _slice_last(add, node.input[0])
        add.insert(list(graph.node).index(node))
        return
    made_by["logits"].output[0] = "logits.all"
    _slice_last(add, "logits.all", output="logits")
    add.insert(len(graph.node))


def _slice_last(add: _Nodes, value: str, output: str | None = None) -> str:
    """The last num_logits_to_keep along axis 1; 0 keeps all."""
    start = add.node("Neg", ["num_logits_to_keep"])
    start = add.node("Reshape", [start, add.constant([1])])
    end, axis = add.constant([END]), add.constant([1])
    return add.node("Slice", [value, start, end, axis], output=output)


def _drop_nan_guards(graph: GraphProto) -> None:
    """Where(IsNaN(x), constant, x) is x: it guards the rows of a padded batch that see no token,
    and one sequence has none. WebGPU has no IsNaN."""
    made_by = {output: node for node in graph.node for output in node.output}
    renamed = {}
    for node in graph.node:
        if node.op_type == "Where" and (test := made_by.get(node.input[0])) is not None:
            if test.op_type == "IsNaN" and test.input[0] == node.input[2]:
                renamed[node.output[0]] = node.input[2]
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)


def _fuse_rms_norms(graph: GraphProto) -> None:
    """x / sqrt(mean(x^2) + epsilon) * weight as one operator, which keeps its sums in float32
    whatever the type of x: in half precision a square overflows from 256 on."""
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}

    def step(name: str, op: str) -> NodeProto | None:
        node = made_by.get(name)
        return node if node is not None and node.op_type == op else None

    def number(name: str) -> float | None:
        tensor = constants.get(name)
        if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
            return None
        values = onnx.numpy_helper.to_array(tensor)
        return float(values.item()) if values.size == 1 else None

    for node in graph.node:
        if node.op_type != "Mul":
            continue
        for weight, normed in (node.input, reversed(node.input)):
            if (
                weight in constants
                and len(constants[weight].dims) == 1
                and (div := step(normed, "Div"))
                and (sqrt := step(div.input[1], "Sqrt"))
                and (add := step(sqrt.input[0], "Add"))
                and (mean := step(add.input[0], "ReduceMean"))
                and (power := step(mean.input[0], "Pow"))
                and power.input[0] == div.input[0]
                and number(power.input[1]) == 2
                and len(mean.input) == 2
                and number(mean.input[1]) == -1
                and (epsilon := number(add.input[1])) is not None
            ):
                fused = helper.make_node(
                    "SimplifiedLayerNormalization",
                    [power.input[0], weight],
                    [node.output[0]],
                    name=f"{node.name}.rms_norm",
                    axis=-1,
                    epsilon=epsilon,
                )
                node.CopyFrom(fused)
                break


def _drop_unused(graph: GraphProto) -> None:
    """Remove nodes and tensors whose values nothing reads."""
    wanted = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            for attribute in node.attribute:  # what the branches of an If read from outside
                wanted.update(i for each in attribute.g.node for i in each.input)
            nodes.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(tensors)


class _Nodes:
    """New nodes, inserted together once they are whole."""

    def __init__(self, graph: GraphProto):
        self.graph, self.nodes = graph, list[NodeProto]()

    def node(
        self, op: str, inputs: Iterable[str], output: str | None = None, **attributes: Any
    ) -> str:
        output = output or f"sitegen.{len(self.graph.node)}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, value: int | list[int]) -> str:
        values = onnx.numpy_helper.from_array(np.array(value, np.int64))
        output = f"sitegen.{len(self.graph.node)}.{len(self.nodes)}"
        self.nodes.append(helper.make_node("Constant", [], [output], value=values))
        return output

    def insert(self, at: int) -> None:
        nodes = list(self.graph.node)
        del self.graph.node[:]
        self.graph.node.extend([*nodes[:at], *self.nodes, *nodes[at:]])


def _ranks(model: ModelProto) -> dict[str, int]:
    """Number of dimensions of each value, as far as it can be told."""
    known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: len(_dims(value))
        for value in [*known.value_info, *known.input, *known.output]
        if value.type.tensor_type.HasField("shape")
    }


def _dims(value: ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)


def _shape(value: ValueInfoProto) -> str:
    return f"({', '.join(dim.dim_param or str(dim.dim_value) for dim in _dims(value))})"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")


def _unlike(problem: str) -> ModelError:
    return ModelError(
        f"the exported graph is not that of a decoder with a cache of keys and values: {problem}",
        hint="Such models cannot run in sitegen's browser engine.",
    )
