"""The blocks of a transformer as a textbook writes them, in numpy and float32.

An export is compared with a family's `reference`, which is made of these and shares no operator
and no weight layout with the graph. Weights are read a block of rows at a time.
"""

from __future__ import annotations

import numpy as np

from sitegen.models.weights import Float32, Tensor

# Multiplications up to which OpenBLAS stays on one thread. Its threads wait for each other by
# spinning: on cores that are busy otherwise, larger products took 30 times as long.
SMALL_PRODUCT = 1 << 18


def linear(x: Float32, weight: Tensor) -> Float32:
    """x (seq, in) times the transpose of weight (out, in)."""
    y = np.empty((weight.shape[0], len(x)), np.float32)
    step = max(8, SMALL_PRODUCT // x.size)
    start = 0
    for block in weight.blocks():
        for rows in (block[i : i + step] for i in range(0, len(block), step)):
            np.matmul(rows, x.T, out=y[start : start + len(rows)])
            start += len(rows)
    return y.T


def rms_norm(x: Float32, weight: Float32, epsilon: float) -> Float32:
    """Each row divided by its root mean square, times weight."""
    y: Float32 = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(epsilon)) * weight
    return y


def silu(x: Float32) -> Float32:
    with np.errstate(over="ignore"):  # exp of a large -x is infinity, and x / infinity is right
        y: Float32 = x / (1 + np.exp(-x))
    return y


def rotate(x: Float32, cos: Float32, sin: Float32) -> Float32:
    """Turn dimension i against i + head_dim / 2: x (heads, seq, head_dim), cos (seq, half)."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


def attention(q: Float32, k: Float32, v: Float32) -> Float32:
    """Causal attention: q (heads, seq, head_dim), k and v (kv_heads, seq, head_dim).

    Each key-value head serves heads / kv_heads queries in a row. Returns (seq, heads x head_dim).
    """
    heads, seq, head_dim = q.shape
    k, v = (np.repeat(each, heads // len(each), axis=0) for each in (k, v))
    scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(head_dim))  # (heads, seq, seq)
    scores = np.where(np.tri(seq, dtype=bool), scores, np.float32(-np.inf))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed: Float32 = (scores / scores.sum(axis=-1, keepdims=True)) @ v
    return mixed.transpose(1, 0, 2).reshape(seq, heads * head_dim)
