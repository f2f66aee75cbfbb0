"""Arithmetic on dimensions that can be done before a graph runs.

Tracers write a Reshape as a dozen nodes that take a shape apart and put it together again, for any
batch. With one sequence most of the numbers are known, and where one is not, Reshape finds it by
itself. Each node left out is one that a browser need not run for every token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Entry = int | str | None
"""A number, the name of a dimension, or what is not known."""

# The dimensions that vary, and the inputs that have them at axis 1.
MEASURED = {"sequence": "input_ids", "total_sequence": "attention_mask"}

LONGEST = 8  # entries of a vector that may be a shape


@dataclass(frozen=True)
class Vector:
    """What an integer tensor of at most one dimension holds."""

    entries: tuple[Entry, ...]
    scalar: bool = False
    truth: bool = False  # 0 and 1 stand for false and true

    @property
    def known(self) -> bool:
        return all(isinstance(entry, int) for entry in self.entries)


def settle(model: ModelProto) -> None:
    """Replace vectors of known dimensions by constants, until there are no more.

    Expects the inputs of the one interface (see `graph`): the two dimensions that vary are then
    measured once, at the inputs themselves.
    """
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for dimension, name in MEASURED.items():
        vector, scalar = f"{dimension}.vector", f"{dimension}.scalar"
        model.graph.node.append(helper.make_node("Shape", [name], [vector], start=1, end=2))
        model.graph.node.append(helper.make_node("Squeeze", [vector], [scalar]))
    model.graph.node.extend(nodes)
    while _settle_once(model):
        pass


def _settle_once(model: ModelProto) -> bool:
    """One pass over the nodes; returns whether anything changed."""
    graph = model.graph
    dims = _dims(model)
    vectors: dict[str, Vector] = {}
    for tensor in graph.initializer:
        if (vector := _constant(tensor)) is not None:
            vectors[tensor.name] = vector
    nodes: list[NodeProto] = []
    settled = False
    measured: dict[Vector, str] = {}
    same: dict[str, str] = {}
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        output = node.output[0]
        if (vector := _vector(node, vectors, dims)) is not None:
            vectors[output] = vector
            if vector.known:
                graph.initializer.append(_tensor(output, vector))
                settled = True
                continue
            if len(vector.entries) == 1 and vector.entries[0] in MEASURED:
                same[output] = measured.setdefault(vector, output)
                if same[output] != output:
                    settled = True
                    continue
        elif node.op_type in ("Reshape", "Expand") and node.input[1] in vectors:
            shape = vectors[node.input[1]]
            fixed = _fixed(node, shape, dims)
            if fixed is not None and fixed != shape.entries:
                name = "shape." + "_".join(map(str, fixed))
                if name not in vectors:
                    graph.initializer.append(_tensor(name, Vector(fixed)))
                    vectors[name] = Vector(fixed)
                node.input[1] = name
                settled = True
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return settled


def _dims(model: ModelProto) -> dict[str, tuple[Entry, ...]]:
    """The dimensions of every value whose number of dimensions is known."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {tensor.name: tuple[Entry, ...](tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            found[value.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
                for dim in kind.shape.dim
            )
    return found


def _constant(tensor: TensorProto) -> Vector | None:
    if tensor.data_type != TensorProto.INT64 or tensor.data_location == TensorProto.EXTERNAL:
        return None
    if len(tensor.dims) > 1 or np.prod(tensor.dims, dtype=int) > LONGEST:
        return None
    values = numpy_helper.to_array(tensor)
    return Vector(tuple(int(v) for v in values.reshape(-1)), scalar=values.ndim == 0)


def _tensor(name: str, vector: Vector) -> TensorProto:
    values = np.array(vector.entries, np.bool_ if vector.truth else np.int64)
    return numpy_helper.from_array(values.reshape(()) if vector.scalar else values, name)


def _vector(
    node: NodeProto, vectors: Mapping[str, Vector], dims: Mapping[str, tuple[Entry, ...]]
) -> Vector | None:
    """What the node computes, as far as it is about dimensions."""
    options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type == "Shape":
        if (shape := dims.get(node.input[0])) is None:
            return None
        return Vector(shape[options.get("start", 0) : options.get("end", len(shape))])
    if node.op_type == "ConstantOfShape":
        length = vectors.get(node.input[0])
        fill = numpy_helper.to_array(options["value"]) if "value" in options else np.zeros(1)
        if length is None or length.scalar or len(length.entries) != 1 or fill.dtype != np.int64:
            return None
        count = length.entries[0]
        small = isinstance(count, int) and count <= LONGEST
        return Vector((int(fill[0]),) * count) if isinstance(count, int) and small else None
    given = [vectors.get(name) for name in node.input]
    if not given or any(each is None for each in given):
        return None
    first, *others = (each for each in given if each is not None)
    entries = first.entries
    match node.op_type:
        case "Identity":
            return first
        case "Cast" if options["to"] == TensorProto.INT64:
            return replace(first, truth=False)
        case "Unsqueeze" if first.scalar and len(others[0].entries) == 1:
            return replace(first, scalar=False)
        case "Squeeze" if len(entries) == 1:
            return replace(first, scalar=True)
        case "Reshape" if others[0].entries == (-1,):
            return replace(first, scalar=False)
        case "Concat":
            return replace(first, entries=sum((each.entries for each in (first, *others)), ()))
        case "Gather" if others[0].known:
            places = [place for place in others[0].entries if isinstance(place, int)]
            chosen = tuple(entries[place] for place in places)
            return replace(first, entries=chosen, scalar=others[0].scalar)
        case "Slice" if all(each.known for each in others):
            start, end, *axis_and_step = (int(each.entries[0] or 0) for each in others)
            step = axis_and_step[1] if axis_and_step[1:] else 1
            return replace(first, entries=entries[start:end:step])
        case "Equal" if others[0].known and all(entry is not None for entry in entries):
            pairs = _together(first, others[0])
            if all(isinstance(a, int) or b == -1 for a, b in pairs):  # no dimension is -1
                scalar = first.scalar and others[0].scalar
                return Vector(tuple(int(a == b) for a, b in pairs), scalar, truth=True)
        case "Where" if first.truth:
            chosen = tuple(a if test else b for test, a, b in _together(first, *others))
            scalar = all(each.scalar for each in (first, *others))
            return Vector(chosen, scalar, truth=others[0].truth)
        case "Add" | "Sub" | "Mul" | "Div" if first.known and all(each.known for each in others):
            return _arithmetic(node.op_type, first, others[0])
    return None


def _together(*vectors: Vector) -> list[tuple[Entry, ...]]:
    """Their entries place by place; one that is alone stands at every place."""
    length = max(len(each.entries) for each in vectors)
    wide = (each.entries * (length if len(each.entries) == 1 else 1) for each in vectors)
    return list(zip(*wide, strict=True))


def _arithmetic(op: str, a: Vector, b: Vector) -> Vector | None:
    left, right = (np.array(each.entries, np.int64) for each in (a, b))
    if op == "Div" and (right == 0).any():
        return None
    match op:
        case "Add":
            values = left + right
        case "Sub":
            values = left - right
        case "Mul":
            values = left * right
        case _:
            values = left // right
            values += (values < 0) & (left % right != 0)  # towards zero, as ONNX divides
    return Vector(tuple(int(v) for v in values), a.scalar and b.scalar)


def _fixed(
    node: NodeProto, shape: Vector, dims: Mapping[str, tuple[Entry, ...]]
) -> tuple[int, ...] | None:
    """The same shape in numbers alone: in a Reshape 0 keeps the dimension of the input at the same
    place and -1 is what remains, in an Expand 1 keeps it; None where that does not suffice."""
    if any(each.name == "allowzero" and each.i for each in node.attribute):
        return None
    before = dims.get(node.input[0], ())
    if node.op_type == "Expand":
        before = (1,) * (len(shape.entries) - len(before)) + before
    fixed: list[int] = []
    for place, entry in enumerate(shape.entries):
        kept = before[place] if place < len(before) else None
        if entry == -1 and node.op_type == "Reshape" and _remains(place, shape, before):
            fixed.append(0)
        elif isinstance(entry, int):
            fixed.append(entry)
        elif entry is not None and kept == entry:
            fixed.append(1 if node.op_type == "Expand" else 0)
        elif node.op_type == "Reshape" and -1 not in fixed and -1 not in shape.entries:
            fixed.append(-1)
        else:
            return None
    return tuple(fixed)


def _remains(place: int, shape: Vector, before: tuple[Entry, ...]) -> bool:
    """Whether -1 at this place of a shape is the one dimension of the input that varies, which has
    the same place there: then 0 says so, and it keeps its name."""
    if place >= len(before) or before[place] not in MEASURED or 0 in shape.entries:
        return False
    others = [entry for i, entry in enumerate(before) if i != place]
    wanted = [entry for i, entry in enumerate(shape.entries) if i != place]
    numbers = [each for each in (*others, *wanted) if isinstance(each, int)]
    return len(numbers) == len(others) + len(wanted) and math.prod(
        numbers[: len(others)]
    ) == math.prod(numbers[len(others) :])
