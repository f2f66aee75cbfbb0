"""The words in which a family describes its network, each written once and read three ways.

A family's `forward` calls these blocks in the order in which a token passes them. What a block
does depends on who listens:

    Inventory   which tensors belong to the model, and what each layer keeps between tokens
    Reference   the numbers, in plain numpy and float32: what every export is compared with
    Graph       the ONNX graph, with fused operators and quantized weights

V is what flows from block to block: a width, an array, the name of a value in a graph.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Generic, Literal, Self, TypeVar

from sitegen.models.network.rope import Rope

V = TypeVar("V")

Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]
"""gelu: with the error function; gelu_tanh: its approximation (GPT-2, Gemma)."""


@dataclass(frozen=True)
class Projection:
    """A linear map as the checkpoint stores it: `NAME.weight` (rows, columns), `NAME.bias` (rows,).

    Where several maps share a tensor of `stored_rows` rows, `ranges` are the rows of this one, in
    its order. transposed: stored as (columns, rows), like GPT-2's `Conv1D`.
    """

    name: str
    rows: int
    bias: bool = False
    ranges: tuple[tuple[int, int], ...] = ()
    stored_rows: int = 0
    transposed: bool = False

    @classmethod
    def parts(cls, name: str, count: int, rows: int, bias: bool = False) -> list[Self]:
        """Maps of `rows` rows each, which one tensor holds below each other."""
        starts = (n * rows for n in range(count))
        return [cls(name, rows, bias, ((at, at + rows),), count * rows) for at in starts]

    def shape(self, columns: int) -> tuple[int, int]:
        """Of the stored tensor."""
        rows = self.stored_rows or self.rows
        return (columns, rows) if self.transposed else (rows, columns)


@dataclass(frozen=True)
class Norm:
    """RMSNorm, https://arxiv.org/abs/1910.07467.

    centred: LayerNorm, which also subtracts the mean.
    offset: added to the stored weight (Gemma stores weight - 1).
    """

    epsilon: float
    centred: bool = False
    bias: bool = False
    offset: float = 0.0


@dataclass(frozen=True)
class Attention:
    """Causal attention of `heads` queries, of which each heads / kv_heads in a row share a key.

    rope: None for a layer without rotary positions. window: how many tokens a query sees, itself
    included; None for all. softcap: scores become softcap * tanh(scores / softcap).
    """

    heads: int
    kv_heads: int
    head_dim: int
    rope: Rope | None = None
    scale: float | None = None
    window: int | None = None
    softcap: float | None = None

    @property
    def factor(self) -> float:
        """What scores are multiplied by."""
        return 1 / math.sqrt(self.head_dim) if self.scale is None else self.scale

    def projections(self, at: str, bias: bool = False) -> tuple[Projection, Projection, Projection]:
        """Queries, keys and values under their usual names."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return (
            Projection(f"{at}q_proj", queries, bias),
            Projection(f"{at}k_proj", keys, bias),
            Projection(f"{at}v_proj", keys, bias),
        )


class Network(ABC, Generic[V]):
    """The blocks. What flows is (sequence, width), in a graph (1, sequence, width)."""

    @abstractmethod
    def embedding(self, name: str, vocab: int, width: int, *, tied: bool = False) -> V:
        """Rows of the table `NAME.weight` for the tokens; tied: it is the head's matrix as well."""

    @abstractmethod
    def positions(self, name: str, rows: int, width: int) -> V:
        """Learned vectors of the tokens' positions, `NAME.weight` (rows, width)."""

    @abstractmethod
    def norm(self, x: V, name: str, norm: Norm, heads: int = 1) -> V:
        """x normalized, times `NAME.weight`; heads > 1: each head by itself, of one weight."""

    @abstractmethod
    def linear(self, x: V, *projections: Projection, outliers: bool = False) -> V:
        """x through the projections, their outputs side by side.

        outliers: some tokens may have inputs thousands of times larger than others ("massive
        activations", https://arxiv.org/abs/2402.17762, at the end of an MLP).
        """

    @abstractmethod
    def activation(self, x: V, kind: Activation) -> V: ...

    @abstractmethod
    def add(self, x: V, y: V) -> V: ...

    @abstractmethod
    def multiply(self, x: V, y: V) -> V: ...

    @abstractmethod
    def scale(self, x: V, factor: float) -> V: ...

    @abstractmethod
    def attention(self, qkv: V | tuple[V, V, V], layer: int, attention: Attention) -> V:
        """Attention over what the layer's cache holds and the new tokens, which it appends.

        qkv: queries, keys and values, side by side in one value or apart.
        """

    @abstractmethod
    def convolution(self, x: V, name: str, length: int, layer: int, *, bias: bool = False) -> V:
        """Causal convolution over the last `length` tokens, each channel by itself:
        `NAME.weight` (width, 1, length). The layer keeps the last length - 1 inputs."""

    @abstractmethod
    def logits(
        self, x: V, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> V:
        """The scores of every token of the vocabulary; in a graph, at the last positions only."""


def gated_mlp(net: Network[V], x: V, mlp: Projection, hidden: int, kind: Activation) -> V:
    """down(activation(gate(x)) * up(x)), https://arxiv.org/abs/2002.05202.

    mlp: the name before `gate_proj`, `up_proj` and `down_proj`, the width between, the biases.
    """
    gate, up = (net.linear(x, replace(mlp, name=f"{mlp.name}{n}_proj")) for n in ("gate", "up"))
    h = net.multiply(net.activation(gate, kind), up)
    return net.linear(h, replace(mlp, name=f"{mlp.name}down_proj", rows=hidden), outliers=True)
