"""What a network is made of: its tensors by name and shape, and what its layers keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.models.network import Activation, Attention, Network, Norm, Projection


@dataclass(frozen=True)
class AttentionCache:
    """Keys and values of all tokens so far: each (1, heads, tokens, head_dim)."""

    heads: int
    head_dim: int


@dataclass(frozen=True)
class ConvolutionCache:
    """The last inputs of a convolution: (1, length, width), zeros before the first token."""

    length: int
    width: int


LayerCache = AttentionCache | ConvolutionCache


@dataclass(frozen=True)
class CacheTensor:
    """One tensor of a layer's cache as graphs name it. shape: with 0 for the tokens so far."""

    past: str
    present: str
    shape: tuple[int, ...]


def cache_tensors(layers: Sequence[LayerCache]) -> list[CacheTensor]:
    """The tensors of a graph's cache, layer by layer."""
    found = []
    for n, cache in enumerate(layers):
        if isinstance(cache, AttentionCache):
            for kind in ("key", "value"):
                shape = (1, cache.heads, 0, cache.head_dim)
                found.append(
                    CacheTensor(f"past_key_values.{n}.{kind}", f"present.{n}.{kind}", shape)
                )
        else:
            names = f"past_convolution.{n}", f"present_convolution.{n}"
            found.append(CacheTensor(*names, (1, cache.length, cache.width)))
    return found


class Inventory(Network[int]):
    """Listens to a network's `forward`; what flows is the width.

    short_context: the most tokens for which cached keys stay right. In longer sequences all
    positions turn by other angles (longrope), those that were cached too. None: any number.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, tuple[int, ...]] = {}
        self.layers: list[LayerCache] = []
        self.short_context: int | None = None

    def _tensor(self, name: str, *shape: int) -> None:
        known = self.tensors.setdefault(name, shape)
        assert known == shape, f"{name}: {known} and {shape}"

    def embedding(self, name: str, vocab: int, width: int, *, tied: bool = False) -> int:
        self._tensor(f"{name}.weight", vocab, width)
        return width

    def positions(self, name: str, rows: int, width: int) -> int:
        self._tensor(f"{name}.weight", rows, width)
        return width

    def norm(self, x: int, name: str, norm: Norm, heads: int = 1) -> int:
        self._tensor(f"{name}.weight", x // heads)
        if norm.bias:
            self._tensor(f"{name}.bias", x // heads)
        return x

    def linear(self, x: int, *projections: Projection, outliers: bool = False) -> int:
        for each in projections:
            self._tensor(f"{each.name}.weight", *each.shape(x))
            if each.bias:
                self._tensor(f"{each.name}.bias", each.stored_rows or each.rows)
        return sum(each.rows for each in projections)

    def activation(self, x: int, kind: Activation) -> int:
        return x

    def add(self, x: int, y: int) -> int:
        assert x == y
        return x

    def multiply(self, x: int, y: int) -> int:
        assert x == y
        return x

    def scale(self, x: int, factor: float) -> int:
        return x

    def attention(self, qkv: int | tuple[int, int, int], layer: int, attention: Attention) -> int:
        self._layer(layer, AttentionCache(attention.kv_heads, attention.head_dim))
        if attention.rope is not None and attention.rope.long:
            self.short_context = attention.rope.short_context
        return attention.heads * attention.head_dim

    def convolution(self, x: int, name: str, length: int, layer: int, *, bias: bool = False) -> int:
        self._tensor(f"{name}.weight", x, 1, length)
        if bias:
            self._tensor(f"{name}.bias", x)
        self._layer(layer, ConvolutionCache(length - 1, x))
        return x

    def _layer(self, layer: int, cache: LayerCache) -> None:
        assert layer == len(self.layers), "layers come in order, and each keeps one cache"
        self.layers.append(cache)

    def logits(
        self, x: int, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> int:
        return self.linear(x, head)  # a tied head's weight has been counted as the embedding
