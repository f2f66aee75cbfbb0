"""The reference's blocks, each against what its formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sitegen.models.network import Attention
from sitegen.models.network.reference import Reference, attend, product, rotate
from sitegen.models.network.rope import plain


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_attention_looks_only_back() -> None:
    q, k, v = random(4, 6, 16), random(2, 6, 16), random(2, 6, 16)
    attention = Attention(4, 2, 16)
    whole = attend(q, k, v, attention)
    first = attend(q[:, :4], k[:, :4], v[:, :4], attention)
    np.testing.assert_allclose(whole[:4], first, atol=1e-6)
    assert whole.shape == (6, 64)
    # The first position sees itself only: every head returns the value its group shares.
    np.testing.assert_allclose(whole[0].reshape(4, 16), np.repeat(v[:, 0], 2, axis=0), atol=1e-6)


def test_a_window_counts_the_token_itself() -> None:
    q, k, v = random(2, 6, 16), random(2, 6, 16), random(2, 6, 16)
    alone = attend(q, k, v, Attention(2, 2, 16, window=1))
    np.testing.assert_allclose(alone, v.transpose(1, 0, 2).reshape(6, 32), atol=1e-6)
    windowed = attend(q, k, v, Attention(2, 2, 16, window=3))
    plain_attention = attend(q[:, 3:], k[:, 3:], v[:, 3:], Attention(2, 2, 16))
    np.testing.assert_allclose(windowed[5], plain_attention[2], atol=1e-6)  # tokens 3, 4, 5


def test_capped_scores_stay_below_the_cap() -> None:
    q, k = np.full((1, 2, 16), 100, np.float32), np.ones((1, 2, 16), np.float32)
    k[0, 0] = -1
    v = np.array([[[0.0] * 16, [1.0] * 16]], np.float32)
    mixed = attend(q, k, v, Attention(1, 1, 16, softcap=0.5))
    share = math.exp(0.5) / (math.exp(0.5) + math.exp(-0.5))
    np.testing.assert_allclose(mixed[1], share, rtol=1e-6)


def test_only_the_first_dimensions_turn() -> None:
    x = random(1, 5, 16)
    turned = rotate(x, *plain(10000.0, 4).cos_sin(5))
    np.testing.assert_array_equal(turned[..., 4:], x[..., 4:])
    np.testing.assert_allclose(turned[0, 1, 0], x[0, 1, 0] * math.cos(1) - x[0, 1, 2] * math.sin(1))


def test_activations() -> None:
    net = Reference({}, [0])
    x = np.array([[-200.0, -1.0, 0.0, 1.0, 200.0]], np.float32)
    np.testing.assert_allclose(net.activation(x, "relu"), [[0, 0, 0, 1, 200]])
    np.testing.assert_allclose(
        net.activation(x, "silu"), [[0, -0.26894142, 0, 0.73105858, 200]], atol=1e-7
    )
    np.testing.assert_allclose(
        net.activation(x, "gelu"), [[0, -0.15865525, 0, 0.84134475, 200]], atol=1e-7
    )
    np.testing.assert_allclose(
        net.activation(x, "gelu_tanh"), [[0, -0.15880801, 0, 0.84119199, 200]], atol=1e-7
    )


@pytest.mark.parametrize("rows", [1, 7, 8, 23])
@pytest.mark.parametrize("heads", [(), (3,)])
def test_small_products_are_the_product(heads: tuple[int, ...], rows: int) -> None:
    """7 rows at a time here: fewer, exactly as many, and some that are left."""
    a, b = random(*heads, rows, 300), random(*heads, 300, 120)
    np.testing.assert_allclose(product(a, b), a.astype(np.float64) @ b, atol=1e-4)
