"""A network computed as a textbook writes it, in numpy and float32.

Every export is compared with it; it shares no operator and no weight layout with the graph.
Weights are read a block of rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sitegen.models.network import Activation, Attention, Network, Norm, Projection
from sitegen.models.network.matrix import Matrix, bias
from sitegen.models.weights import Float32, Tensor

# Multiplications up to which OpenBLAS stays on one thread. Its threads wait for each other by
# spinning: on cores that are busy otherwise, larger products took 30 times as long.
SMALL_PRODUCT = 1 << 18


class Reference(Network[Float32]):
    """Listens to a network's `forward` and computes it for `ids`, without a cache.

    What flows is (len(ids), width).
    """

    def __init__(self, weights: Mapping[str, Tensor], ids: Sequence[int]):
        self.weights, self.ids = weights, ids

    def embedding(self, name: str, vocab: int, width: int, *, tied: bool = False) -> Float32:
        table = self.weights[f"{name}.weight"]
        return np.concatenate([table.rows(i, i + 1) for i in self.ids])

    def positions(self, name: str, rows: int, width: int) -> Float32:
        return self.weights[f"{name}.weight"].rows(0, len(self.ids))

    def norm(self, x: Float32, name: str, norm: Norm, heads: int = 1) -> Float32:
        y: Float32 = x.reshape(len(x), heads, -1)
        if norm.centred:
            y = y - y.mean(axis=-1, keepdims=True)
        y = y / np.sqrt(np.mean(y * y, axis=-1, keepdims=True) + np.float32(norm.epsilon))
        y = y * (self.weights[f"{name}.weight"].rows() + np.float32(norm.offset))
        if norm.bias:
            y = y + self.weights[f"{name}.bias"].rows()
        return y.reshape(x.shape)

    def linear(self, x: Float32, *projections: Projection, outliers: bool = False) -> Float32:
        y = multiply(x, Matrix.of(self.weights, projections))
        return y + bias(self.weights, projections) if projections[0].bias else y

    def activation(self, x: Float32, kind: Activation) -> Float32:
        if kind == "relu":
            return np.maximum(x, np.float32(0))
        if kind == "silu":
            with np.errstate(over="ignore"):  # exp of a large -x is infinity, x / infinity is right
                silu: Float32 = x / (1 + np.exp(-x))
            return silu
        if kind == "gelu_tanh":
            share = np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3))
        else:
            share = _erf(x / np.float32(math.sqrt(2)))
        y: Float32 = np.float32(0.5) * x * (1 + share)
        return y

    def add(self, x: Float32, y: Float32) -> Float32:
        return x + y

    def multiply(self, x: Float32, y: Float32) -> Float32:
        return x * y

    def scale(self, x: Float32, factor: float) -> Float32:
        return x * np.float32(factor)

    def attention(
        self, qkv: Float32 | tuple[Float32, Float32, Float32], layer: int, attention: Attention
    ) -> Float32:
        heads, kv_heads, head_dim = attention.heads, attention.kv_heads, attention.head_dim
        whole = qkv if isinstance(qkv, np.ndarray) else np.concatenate(qkv, axis=1)
        whole = whole.reshape(len(whole), -1, head_dim).transpose(1, 0, 2)  # (heads, seq, head_dim)
        q, k, v = np.split(whole, [heads, heads + kv_heads])
        if (rope := attention.rope) is not None:
            cos, sin = rope.cos_sin(q.shape[1], long=rope.is_long(q.shape[1]))
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        return attend(q, k, v, attention)

    def convolution(
        self, x: Float32, name: str, length: int, layer: int, *, bias: bool = False
    ) -> Float32:
        taps = self.weights[f"{name}.weight"].rows()[:, 0]  # (width, length), oldest first
        padded = np.concatenate([np.zeros((length - 1, x.shape[1]), np.float32), x])
        y: Float32 = np.zeros_like(x)
        for i in range(length):
            y += padded[i : i + len(x)] * taps[:, i]
        return y + self.weights[f"{name}.bias"].rows() if bias else y

    def logits(
        self, x: Float32, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> Float32:
        y = self.linear(x, head)
        return y if softcap is None else np.float32(softcap) * np.tanh(y / np.float32(softcap))


def multiply(x: Float32, matrix: Matrix) -> Float32:
    """x (seq, columns) times the transpose of matrix (rows, columns)."""
    y = np.empty((matrix.rows, len(x)), np.float32)
    tokens = min(len(x), max(1, SMALL_PRODUCT // (8 * matrix.columns)))
    start = 0
    for block in matrix.blocks():
        for at in range(0, len(x), tokens):
            part = x[at : at + tokens].T
            y[start : start + len(block), at : at + tokens] = product(block, part)
        start += len(block)
    return y.T


def product(a: Float32, b: Float32) -> Float32:
    """a (..., n, k) @ b (..., k, m), by small products of a few rows each."""
    (*heads, n, k), m = a.shape, b.shape[-1]
    y = np.empty((*heads, n, m), np.float32)
    step = max(1, SMALL_PRODUCT // (k * m))
    whole = n // step * step
    # numpy multiplies the matrices of a stack one by one.
    stacks = a[..., :whole, :].reshape(*heads, whole // step, step, k)
    y[..., :whole, :] = (stacks @ b[..., None, :, :]).reshape(*heads, whole, m)
    y[..., whole:, :] = a[..., whole:, :] @ b
    return y


def rotate(x: Float32, cos: Float32, sin: Float32) -> Float32:
    """Turn dimension i against i + half of those that turn, the first ones.

    x (heads, seq, head_dim), cos and sin (seq, half).
    """
    first, second, rest = np.split(x, [cos.shape[1], 2 * cos.shape[1]], axis=-1)
    return np.concatenate((first * cos - second * sin, second * cos + first * sin, rest), axis=-1)


def attend(q: Float32, k: Float32, v: Float32, attention: Attention) -> Float32:
    """Causal attention: q (heads, seq, head_dim), k and v (kv_heads, seq, head_dim).

    Each key-value head serves heads / kv_heads queries in a row. Returns (seq, heads x head_dim).
    """
    heads, seq, head_dim = q.shape
    k, v = (np.repeat(each, heads // len(each), axis=0) for each in (k, v))
    scores = product(q, k.transpose(0, 2, 1))  # (heads, seq, seq)
    scores *= np.float32(attention.factor)
    if (cap := attention.softcap) is not None:
        scores = np.float32(cap) * np.tanh(scores / np.float32(cap))
    visible = np.tri(seq, dtype=bool)
    if attention.window is not None:
        visible &= ~np.tri(seq, k=-attention.window, dtype=bool)
    scores = np.where(visible, scores, np.float32(-np.inf))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = product(scores / scores.sum(axis=-1, keepdims=True), v)
    return mixed.transpose(1, 0, 2).reshape(seq, heads * head_dim)


def _erf(x: Float32) -> Float32:
    """The error function; numpy has none."""
    values = [math.erf(value) for value in x.ravel().tolist()]
    return np.array(values, np.float32).reshape(x.shape)
