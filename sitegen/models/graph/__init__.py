"""A network as an ONNX graph of fused operators.

Interface of every graph, batch size 1:
    input_ids           int64 (1, S)
    attention_mask      int64 (1, past + S); nothing is masked: only its length is read
    num_logits_to_keep  int64 (); the head runs on the last so many positions, 0 keeps all
    past_key_values.N.{key,value}   (1, kv_heads, past, head_dim)
    past_convolution.N              (1, length, width)
    logits              (1, num_logits_to_keep, vocab)
    present.N.{key,value}, present_convolution.N
The fused operators are those of onnxruntime that its WebGPU backend also has:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from onnx import TensorProto

from sitegen.models.graph.attention import attend
from sitegen.models.graph.onnx_graph import MICROSOFT, OnnxGraph
from sitegen.models.graph.schemes import Scheme, scheme
from sitegen.models.network import Activation, Attention, Network, Norm, Projection
from sitegen.models.network.matrix import Matrix, bias
from sitegen.models.network.rope import Rope
from sitegen.models.quantization.quantize import check_float16
from sitegen.models.quantization.variants import Variant
from sitegen.models.shards import ShardWriter
from sitegen.models.weights import Float32, Tensor

END = 2**31 - 1  # of a slice that goes to the end


class Graph(OnnxGraph, Network[str]):
    """Listens to a network's `forward` and writes it down; what flows are names of values."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        variant: Variant,
        writer: ShardWriter,
        context: int,
    ):
        super().__init__(variant, writer)
        self.weights, self.context = weights, context
        self._sums: dict[str, tuple[str, str]] = {}
        self._tables: dict[Rope, list[str]] = {}
        self.masks: dict[int | None, str] = {}
        self._open()

    def node(
        self, op: str, inputs: Iterable[str], outputs: int | list[str] = 1, **attributes: Any
    ) -> list[str]:
        return super().node(op, [self._settled(x) for x in inputs], outputs, **attributes)

    # Blocks

    def embedding(self, name: str, vocab: int, width: int, *, tied: bool = False) -> str:
        matrix = Matrix.of(self.weights, [Projection(name, vocab)])
        role = scheme("tied" if tied else "embedding", self.variant)
        return role.look_up(self, matrix, tied=tied)

    def positions(self, name: str, rows: int, width: int) -> str:
        tensor = self.weights[f"{name}.weight"]
        table = self._small(f"{name}.weight", tensor.rows(0, min(rows, self.context)), tensor)
        return self.node("Slice", [table, self._past, self._length, self.integers(0)])[0]

    def norm(self, x: str, name: str, norm: Norm, heads: int = 1) -> str:
        tensor = self.weights[f"{name}.weight"]
        values = tensor.rows() + np.float32(norm.offset)
        weights = [self._small(f"{name}.weight", values, tensor)]
        if norm.bias:
            tensor = self.weights[f"{name}.bias"]
            weights.append(self._small(f"{name}.bias", tensor.rows(), tensor))
        op = "LayerNormalization" if norm.centred else "SimplifiedLayerNormalization"
        if x in self._sums and heads == 1:  # the sum and its norm are one operator
            fused = op.replace("Layer", "SkipLayer") if norm.centred else f"Skip{op}"
            normed, sum = f"{name}.normed", self._sums.pop(x)
            self.node(
                fused,
                [*sum, *weights],
                [normed, "", "", x],
                domain=MICROSOFT,
                epsilon=norm.epsilon,
            )
            return normed
        if heads > 1:
            [x] = self.node("Reshape", [x, self.integers(0, 0, heads, -1)])
        [y] = self.node(op, [x, *weights], axis=-1, epsilon=norm.epsilon)
        if heads > 1:
            [y] = self.node("Reshape", [y, self.integers(0, 0, -1)])
        return y

    def linear(self, x: str, *projections: Projection, outliers: bool = False) -> str:
        return self._linear(x, scheme("linear", self.variant), projections, outliers)

    def activation(self, x: str, kind: Activation) -> str:
        if kind == "silu":  # in the form that onnxruntime's WebGPU backend fuses with the products
            [sigmoid] = self.node("Sigmoid", [x])
            return self.node("Mul", [x, sigmoid])[0]
        if kind == "relu":
            return self.node("Relu", [x])[0]
        return self.node("Gelu", [x], approximate="tanh" if kind == "gelu_tanh" else "none")[0]

    def add(self, x: str, y: str) -> str:
        # Written when it is needed, because a norm that follows takes the sum into its operator.
        self._count += 1
        total = f"Sum_{self._count}"
        self._sums[total] = (x, y)
        return total

    def _settled(self, value: str) -> str:
        if value in self._sums:
            self.node("Add", self._sums.pop(value), [value])
        return value

    def multiply(self, x: str, y: str) -> str:
        return self.node("Mul", [x, y])[0]

    def scale(self, x: str, factor: float) -> str:
        return x if factor == 1 else self.node("Mul", [x, self.number(factor)])[0]

    def attention(self, qkv: str | tuple[str, str, str], layer: int, attention: Attention) -> str:
        return attend(self, qkv, layer, attention)

    def convolution(self, x: str, name: str, length: int, layer: int, *, bias: bool = False) -> str:
        past, present = f"past_convolution.{layer}", f"present_convolution.{layer}"
        tensor = self.weights[f"{name}.weight"]
        taps = tensor.rows()[:, 0]  # (width, length), oldest first
        for state, do in ((past, self.input), (present, self.output)):
            do(state, self.type, 1, length - 1, len(taps))
        [padded] = self.node("Concat", [past, x], axis=1)  # (1, length - 1 + S, width)
        axis = self.integers(1)
        self.node("Slice", [padded, self.integers(1 - length), self.integers(END), axis], [present])
        # `length` shifted products: no backend is without them, and none is slow at them.
        y = ""
        for i in range(length):
            end = self.integers(END if i == length - 1 else i + 1 - length)
            [shifted] = self.node("Slice", [padded, self.integers(i), end, axis])
            tap = self._small(f"{name}.weight.{i}", taps[:, i], tensor)
            [product] = self.node("Mul", [shifted, tap])
            y = self.node("Add", [y, product])[0] if y else product
        if bias:
            tensor = self.weights[f"{name}.bias"]
            [y] = self.node("Add", [y, self._small(f"{name}.bias", tensor.rows(), tensor)])
        return y

    def logits(
        self, x: str, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> str:
        [count] = self.node("Neg", ["num_logits_to_keep"])
        [start] = self.node("Reshape", [count, self.integers(1)])
        [kept] = self.node("Slice", [x, start, self.integers(END), self.integers(1)])
        y = self._linear(kept, scheme("tied" if tied else "head", self.variant), (head,))
        if softcap is not None:
            [y] = self.node("Tanh", [self.scale(y, 1 / softcap)])
            y = self.scale(y, softcap)
        self.node("Identity", [y], ["logits"])
        self.output("logits", self.type, 1, "kept", head.rows)
        self.outputs.insert(0, self.outputs.pop())
        return "logits"

    # Their parts

    def _linear(
        self, x: str, scheme: Scheme, projections: tuple[Projection, ...], outliers: bool = False
    ) -> str:
        matrix = Matrix.of(self.weights, projections)
        y = scheme.multiply(self, x, matrix, outliers)
        if projections[0].bias:
            tensor = self.weights[f"{projections[0].name}.bias"]
            values = bias(self.weights, projections)
            y = self.node("Add", [y, self._small(f"{matrix.name}.bias", values, tensor)])[0]
        return y

    def _small(self, name: str, values: Float32, tensor: Tensor) -> str:
        """Norm weights, biases and the like, in the type of the activations."""
        if self.variant.stores_halves:
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
            check_float16(half, name, tensor)
            return self.cast(self.stored(name, "float16", half.shape, [half]))
        return self.stored(name, "float32", values.shape, [values])

    def cos_sin(self, rope: Rope) -> list[str]:
        """cos and sin of every position up to the context length, stored in float32: of the
        variants that share the file only `webgpu-f16` has to be content with half precision."""
        if rope not in self._tables:
            at = f"rope.{len(self._tables)}"
            tables = self._table(at, *rope.cos_sin(self.context))
            if rope.is_long(self.context):
                long = self._table(f"{at}.long", *rope.cos_sin(self.context, long=True))
                limit = self.constant(f"{at}.limit", np.array(rope.short_context, np.int32))
                [is_long] = self.node("Greater", [self.total, limit])
                tables = [
                    self.node("Where", [is_long, *pair])[0]
                    for pair in zip(long, tables, strict=True)
                ]
            self._tables[rope] = tables
        return self._tables[rope]

    def _table(self, name: str, cos: Float32, sin: Float32) -> list[str]:
        return [
            self.cast(self.stored(f"{name}.{part}", "float32", values.shape, [values]))
            for part, values in (("cos", cos), ("sin", sin))
        ]

    # How long the sequence is, and where its new tokens stand

    def _open(self) -> None:
        """The inputs that every layer reads."""
        int64 = TensorProto.INT64
        self.input("input_ids", int64, 1, "sequence")
        self.input("attention_mask", int64, 1, "total_sequence")
        self.input("num_logits_to_keep", int64)
        # From the mask's length, not its sum: shapes are known on the CPU, sums of a GPU tensor
        # would have to be waited for.
        [self._length] = self.node("Shape", ["attention_mask"], start=1, end=2)
        [self.total] = self.node("Cast", [self._length], to=TensorProto.INT32)  # (1,)

    @cached_property
    def last(self) -> str:
        """The position of the last token: int32 (1,)."""
        return self.node("Sub", [self.total, self.constant("one", np.array([1], np.int32))])[0]

    @cached_property
    def _past(self) -> str:
        """How many tokens the cache holds: int64 (1,)."""
        [new] = self.node("Shape", ["input_ids"], start=1, end=2)
        return self.node("Sub", [self._length, new])[0]

    @cached_property
    def new_positions(self) -> str:
        """Positions of the new tokens: int64 (1, S)."""
        start, stop = (self.node("Squeeze", [x])[0] for x in (self._past, self._length))
        step = self.constant("step", np.array(1, np.int64))
        [positions] = self.node("Range", [start, stop, step])
        return self.node("Unsqueeze", [positions, self.integers(0)])[0]

    @cached_property
    def all_positions(self) -> str:
        """Positions of all tokens: int64 (past + S,)."""
        [stop] = self.node("Squeeze", [self._length])
        start, step = self.constant("start", np.array(0, np.int64)), np.array(1, np.int64)
        return self.node("Range", [start, stop, self.constant("step", step)])[0]
