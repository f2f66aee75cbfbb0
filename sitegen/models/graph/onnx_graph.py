"""An ONNX graph under construction: nodes, small constants, and tensors in the weights file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from sitegen.models.quantization.blockwise import Blocks
from sitegen.models.quantization.variants import Variant
from sitegen.models.shards import ShardWriter

OPSET, IR_VERSION = 21, 10
EXTERNAL_NAME = "weights.bin"
MICROSOFT = "com.microsoft"
ELEMENT_TYPES = {"float32": 1, "uint8": 2, "float16": 10}  # of TensorProto.DataType


class OnnxGraph:
    """Tensors go to `writer` as they are first needed.

    Two graphs over one writer share every tensor they store under the same key: `webgpu-f16` and
    `webgpu-f32` store the same bytes, and a Cast that onnxruntime folds away makes up for the type.
    """

    def __init__(self, variant: Variant, writer: ShardWriter):
        self.variant, self.writer = variant, writer
        self.type = ELEMENT_TYPES[variant.dtype]
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.calibrated: Mapping[str, Iterable[Blocks]] = {}  # matrices that are rounded already
        self._casts: dict[str, str] = {}
        self._count = 0

    def node(
        self, op: str, inputs: Iterable[str], outputs: int | list[str] = 1, **attributes: Any
    ) -> list[str]:
        """Append a node; `outputs` is a count or the names ("" for one that is not wanted)."""
        self._count += 1
        if isinstance(outputs, int):
            outputs = [f"{op}_{self._count}.{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), outputs, name=f"{op}_{self._count}", **attributes)
        )
        return outputs

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """A small tensor inside the graph itself."""
        if name not in self.initializers:
            self.initializers[name] = onnx.numpy_helper.from_array(values, name)
        return name

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant("int64." + "_".join(map(str, values)), np.array(values, np.int64))

    def number(self, value: float) -> str:
        """A constant scalar in the type of the activations."""
        name = f"{self.variant.dtype}.{value!r}"
        return self.constant(name, np.array(value, self.variant.dtype))

    def stored(
        self, name: str, dtype: str, shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
    ) -> str:
        """A tensor in the weights file; `blocks` is consumed only when it is not there yet."""
        if name not in self.initializers:
            place = self.writer.place(name, blocks)
            tensor = TensorProto(name=name, data_type=ELEMENT_TYPES[dtype], dims=shape)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", EXTERNAL_NAME),
                ("offset", place.offset),
                ("length", place.length),
            ):
                tensor.external_data.add(key=key, value=str(value))
            self.initializers[name] = tensor
        return name

    def view(self, stored: str, shape: tuple[int, ...]) -> str:
        """A second name for the bytes of a stored tensor, with other dimensions."""
        name = f"{stored}.view"
        if name not in self.initializers:
            tensor = TensorProto()
            tensor.CopyFrom(self.initializers[stored])
            tensor.name = name
            tensor.dims[:] = shape
            self.initializers[name] = tensor
        return name

    def cast(self, value: str) -> str:
        """A stored tensor in the type of the activations."""
        if self.initializers[value].data_type == self.type:
            return value
        if value not in self._casts:
            [self._casts[value]] = self.node("Cast", [value], to=self.type)
        return self._casts[value]

    def input(self, name: str, type: int, *dims: int | str) -> None:
        self.inputs.append(helper.make_tensor_value_info(name, type, list(dims)))

    def output(self, name: str, type: int, *dims: int | str) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, type, list(dims)))

    def serialized(self) -> bytes:
        """The ONNX model."""
        used = {name for node in self.nodes for name in node.input}  # a table may be its view alone
        graph = helper.make_graph(
            self.nodes,
            self.variant.name,
            self.inputs,
            self.outputs,
            [self.initializers[name] for name in self.initializers if name in used],
        )
        model = helper.make_model(
            graph,
            producer_name="sitegen",
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION,
        )
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized


def caches_in_place(graph: bytes) -> bool:
    """Whether the keys and values may be given in buffers with room to spare, the same for past and
    present: where GroupQueryAttention alone reads them, which is told the lengths and writes the
    new ones behind the old. See `past_present_share_buffer` in onnxruntime's
    contrib_ops/cpu/bert/group_query_attention_helper.h.
    """
    nodes = onnx.load_from_string(graph).graph.node
    readers = [
        node.op_type for node in nodes if any(x.startswith("past_key_values.") for x in node.input)
    ]
    return bool(readers) and set(readers) == {"GroupQueryAttention"}
