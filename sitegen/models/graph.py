"""The blocks a decoder's ONNX graph is made of, each written once.

Interface of every graph, batch size 1:
    input_ids           int64 (1, S)
    attention_mask      int64 (1, past + S); nothing is masked: only its length is read
    num_logits_to_keep  int64 (); the head runs on the last so many positions, 0 keeps all
    past_key_values.N.{key,value}   (1, kv_heads, past, head_dim)
    logits              (1, num_logits_to_keep, vocab)
    present.N.{key,value}
The fused operators are those of onnxruntime that its WebGPU backend also has:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from sitegen.models.families import Decoder
from sitegen.models.quantize import (
    INT4_BLOCK,
    INT8_ZERO,
    Int4,
    Int8,
    Matrix,
    bits,
    check_float16,
    transposed,
)
from sitegen.models.rope import Rope
from sitegen.models.shards import ShardWriter
from sitegen.models.variants import Variant
from sitegen.models.weights import Tensor

OPSET, IR_VERSION = 21, 10
EXTERNAL_NAME = "weights.bin"
MICROSOFT = "com.microsoft"
ELEMENT_TYPES = {"float32": 1, "uint8": 2, "float16": 10}  # of TensorProto.DataType


class Graph:
    """A decoder graph under construction; tensors go to `writer` as they are first needed.

    Two graphs over one writer share every tensor they store under the same key: `webgpu-f16` and
    `webgpu-f32` store the same bytes, and a Cast that onnxruntime folds away makes up for the type.
    """

    def __init__(
        self,
        decoder: Decoder,
        weights: Mapping[str, Tensor],
        variant: Variant,
        writer: ShardWriter,
        context: int,
    ):
        self.decoder, self.weights, self.variant, self.writer = decoder, weights, variant, writer
        self.context = context
        self.type = ELEMENT_TYPES[variant.dtype]
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._casts: dict[str, str] = {}
        self._count = 0
        self._open()

    # Nodes and tensors

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

    def cast(self, value: str) -> str:
        """A stored tensor in the type of the activations."""
        if self.initializers[value].data_type == self.type:
            return value
        if value not in self._casts:
            [self._casts[value]] = self.node("Cast", [value], to=self.type)
        return self._casts[value]

    def vector(self, name: str, *tensors: str) -> str:
        """Norm weights or biases of all `tensors` in a row, in the type of the activations."""
        parts = [self.weights[tensor] for tensor in tensors]
        values = np.concatenate([part.rows() for part in parts])
        if self.variant.storage == "int4":
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
            check_float16(half, name, parts[0])
            return self.cast(self.stored(name, "float16", half.shape, [half]))
        return self.stored(name, "float32", values.shape, [values])

    # Blocks

    def rotary(self, rope: Rope, head_dim: int) -> None:
        """cos and sin of every position up to the context length, stored in float32: of the
        variants that share the file only `webgpu-f16` has to be content with half precision."""
        self._cos_sin = [
            self.cast(self.stored(f"rope.{name}", "float32", values.shape, [values]))
            for name, values in zip(
                ("cos", "sin"), rope.cos_sin(head_dim, self.context), strict=True
            )
        ]

    def norm(self, residual: str, update: str | None, name: str, epsilon: float) -> tuple[str, str]:
        """RMSNorm of residual + update; returns it and that sum."""
        weight = self.vector(f"{name}.weight", f"{name}.weight")
        if update is None:
            [normed] = self.node(
                "SimplifiedLayerNormalization", [residual, weight], axis=-1, epsilon=epsilon
            )
            return normed, residual
        normed, total = f"{name}.normed", f"{name}.residual"
        self.node(
            "SkipSimplifiedLayerNormalization",
            [residual, update, weight],
            [normed, "", "", total],
            domain=MICROSOFT,
            epsilon=epsilon,
        )
        return normed, total

    def linear(self, x: str, *names: str, bias: bool = False, outliers: bool = False) -> str:
        """x times the weights of all `names`, their outputs side by side.

        outliers: some tokens may have inputs thousands of times larger than others ("massive
        activations", https://arxiv.org/abs/2402.17762, at the end of an MLP). Where activations
        are quantized, with one scale for the whole prompt, each token is first divided by its own
        largest: otherwise such a token leaves the others no digits.
        """
        matrix = self.matrix(*names)
        width = bits("linear", self.variant.storage)
        if outliers and width == 8:
            axis = self.constant("last_axis", np.array([-1], np.int64))
            [magnitude] = self.node("Abs", [x])
            [largest] = self.node("ReduceMax", [magnitude, axis], keepdims=1)
            tiny = self.constant("tiny", np.array(1e-30, np.float32))
            [largest] = self.node("Max", [largest, tiny])
            [x] = self.node("Div", [x, largest])
            [y] = self.node("Mul", [self._multiply(x, matrix, width), largest])
        else:
            y = self._multiply(x, matrix, width)
        if bias:
            added = self.vector(f"{matrix.name}.bias", *(f"{name}.bias" for name in names))
            [y] = self.node("Add", [y, added])
        return y

    def gated(self, x: str, gate: str, up: str, bias: bool = False) -> str:
        """silu(gate(x)) * up(x)."""
        # Not packed into one product: no faster on a CPU, and onnxruntime's WebGPU backend fuses
        # exactly this form into one kernel.
        gate, up = self.linear(x, gate, bias=bias), self.linear(x, up, bias=bias)
        [sigmoid] = self.node("Sigmoid", [gate])
        [silu] = self.node("Mul", [gate, sigmoid])
        return self.node("Mul", [silu, up])[0]

    def attention(self, qkv: str, layer: int) -> str:
        """Causal grouped-query attention over the packed queries, keys and values, which it also
        turns to their positions; appends to the layer's cache."""
        past, present = f"past_key_values.{layer}", f"present.{layer}"
        heads, head_dim = self.decoder.kv_heads, self.decoder.head_dim
        for kind in ("key", "value"):
            dims = (heads, "past_sequence", head_dim)
            self.inputs.append(_value(f"{past}.{kind}", self.type, 1, *dims))
            dims = (heads, "present_sequence", head_dim)
            self.outputs.append(_value(f"{present}.{kind}", self.type, 1, *dims))
        inputs = [qkv, "", "", f"{past}.key", f"{past}.value", self._last, self._total]
        mixed = f"layer.{layer}.attention"
        self.node(
            "GroupQueryAttention",
            inputs + self._cos_sin,
            [mixed, f"{present}.key", f"{present}.value"],
            domain=MICROSOFT,
            num_heads=self.decoder.heads,
            kv_num_heads=self.decoder.kv_heads,
            do_rotary=1,
        )
        return mixed

    def embedding(self, name: str, *, tied: bool) -> str:
        """Rows of the table `name` for input_ids; a tied table is stored as the head needs it."""
        matrix = self.matrix(name)
        width = bits("head" if tied else "embedding", self.variant.storage)
        shape = (matrix.rows, matrix.columns)
        if width == 4:
            packed, scales = self._int4(matrix)
            table = self._int4_view(packed, (matrix.rows, matrix.columns // 2))
            return self.node(
                "GatherBlockQuantized",
                [table, "input_ids", scales],
                domain=MICROSOFT,
                bits=4,
                block_size=INT4_BLOCK,
                gather_axis=0,
                quantize_axis=1,
            )[0]
        if width == 32:
            if not tied:
                table = self.stored(matrix.name, "float32", shape, matrix.blocks())
                return self.node("Gather", [table, "input_ids"])[0]
            return self._columns(self._transposed(matrix))
        if tied:
            table, scales = self._int8(matrix)
            rows = self._columns(table)
        else:
            int8 = Int8(matrix)
            table = self.stored(f"{matrix.name}.int8", "uint8", shape, int8.straight())
            scales = self._int8_scales(matrix, int8)
            [rows] = self.node("Gather", [table, "input_ids"])
        [whole] = self.node("Cast", [rows], to=self.type)
        zero = self.constant("int8_zero_float", np.array(INT8_ZERO, np.float32))
        [whole] = self.node("Sub", [whole, zero])
        [scale] = self.node("Gather", [scales, "input_ids"])
        axis = self.constant("last_axis", np.array([-1], np.int64))
        [scale] = self.node("Unsqueeze", [scale, axis])
        return self.node("Mul", [whole, scale])[0]

    def _columns(self, table: str) -> str:
        """Columns of a (hidden, vocab) table for input_ids, as rows: (1, S, hidden)."""
        [columns] = self.node("Gather", [table, "input_ids"], axis=1)  # (hidden, 1, S)
        return self.node("Transpose", [columns], perm=[1, 2, 0])[0]

    def logits(self, x: str, name: str, *, tied: bool) -> None:
        """The head, on the last num_logits_to_keep positions only."""
        [start] = self.node("Neg", ["num_logits_to_keep"])
        one = self.constant("one_axis", np.array([1], np.int64))
        [start] = self.node("Reshape", [start, one])
        end = self.constant("end", np.array([2**31 - 1], np.int64))
        [kept] = self.node("Slice", [x, start, end, one])
        width = bits("head", self.variant.storage)
        y = self._multiply(kept, self.matrix(name), width)
        self.node("Identity", [y], ["logits"])
        self.outputs.insert(0, _value("logits", self.type, 1, "kept", self.decoder.vocab))

    # Matrices

    def matrix(self, *names: str) -> Matrix:
        return Matrix(tuple(self.weights[f"{name}.weight"] for name in names))

    def _multiply(self, x: str, matrix: Matrix, width: int) -> str:
        if width == 4:
            packed, scales = self._int4(matrix)
            return self.node(
                "MatMulNBits",
                [x, packed, scales],
                domain=MICROSOFT,
                K=matrix.columns,
                N=matrix.rows,
                bits=4,
                block_size=INT4_BLOCK,
                accuracy_level=4,  # int8 activations: dot products of bytes where the GPU has them
            )[0]
        if width == 8:
            table, scales = self._int8(matrix)
            zero = self.constant("int8_zero", np.array(INT8_ZERO, np.uint8))
            return self.node("DynamicQuantizeMatMul", [x, table, scales, zero], domain=MICROSOFT)[0]
        return self.node("MatMul", [x, self._transposed(matrix)])[0]

    def _int4(self, matrix: Matrix) -> tuple[str, str]:
        rows, blocks = matrix.rows, matrix.columns // INT4_BLOCK
        int4 = Int4(matrix)
        packed = self.stored(
            f"{matrix.name}.int4", "uint8", (rows, blocks, INT4_BLOCK // 2), int4.packed()
        )
        name = f"{matrix.name}.scales"
        # A generator, so that the scales are asked for after `packed` has computed them.
        scales = self.stored(name, "float16", (rows, blocks), (int4.scales for _ in range(1)))
        return packed, self.cast(scales)

    def _int4_view(self, packed: str, shape: tuple[int, ...]) -> str:
        """A second name for the same bytes with other dimensions."""
        name = f"{packed}.table"
        if name not in self.initializers:
            tensor = TensorProto()
            tensor.CopyFrom(self.initializers[packed])
            tensor.name = name
            tensor.dims[:] = shape
            self.initializers[name] = tensor
        return name

    def _int8(self, matrix: Matrix) -> tuple[str, str]:
        int8 = Int8(matrix)
        shape = (matrix.columns, matrix.rows)
        table = self.stored(f"{matrix.name}.int8", "uint8", shape, int8.transposed())
        return table, self._int8_scales(matrix, int8)

    def _int8_scales(self, matrix: Matrix, int8: Int8) -> str:
        return self.stored(f"{matrix.name}.scales", "float32", (matrix.rows,), [int8.scales])

    def _transposed(self, matrix: Matrix) -> str:
        shape = (matrix.columns, matrix.rows)
        return self.stored(f"{matrix.name}.transposed", "float32", shape, transposed(matrix))

    # The whole

    def _open(self) -> None:
        """The inputs that every layer reads, and the position of the last token."""
        int64 = TensorProto.INT64
        self.inputs += [
            _value("input_ids", int64, 1, "sequence"),
            _value("attention_mask", int64, 1, "total_sequence"),
            _value("num_logits_to_keep", int64),
        ]
        # From the mask's length, not its sum: shapes are known on the CPU, sums of a GPU tensor
        # would have to be waited for.
        [total] = self.node("Shape", ["attention_mask"], start=1, end=2)
        [self._total] = self.node("Cast", [total], to=TensorProto.INT32)
        one = self.constant("one", np.array([1], np.int32))
        [self._last] = self.node("Sub", [self._total, one])

    def finish(self) -> bytes:
        """The serialized ONNX model."""
        graph = helper.make_graph(
            self.nodes,
            self.variant.name,
            self.inputs,
            self.outputs,
            list(self.initializers.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="sitegen",
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION,
        )
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized


def _value(name: str, type: int, *dims: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, type, list(dims))


def build(
    decoder: Decoder,
    weights: Mapping[str, Tensor],
    variant: Variant,
    writer: ShardWriter,
    context: int,
) -> bytes:
    """The graph of one variant; its tensors are in `writer` when this returns."""
    graph = Graph(decoder, weights, variant, writer, context)
    decoder.graph(graph)
    return graph.finish()
