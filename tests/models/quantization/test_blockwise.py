"""Blocks that share a scale: never worse than plain rounding, and exact where that is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from restored import restored

from sitegen.models.quantization.blockwise import Blocks, quantize_blocks

SIZES = (16, 32, 64, 128, 256)


@st.composite
def rows_of_blocks(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Some rows of one or three blocks, of sizes from denormal to the end of float16's range."""
    size = draw(st.sampled_from(SIZES[:3]))
    shape = draw(st.integers(1, 3)), size * draw(st.sampled_from([1, 3]))
    magnitude = draw(st.sampled_from([1e-30, 1e-6, 1e-3, 1.0, 100.0, 6e4]))
    unit = st.floats(-1, 1, width=16)
    return draw(arrays.arrays(np.float32, shape, elements=unit)) * np.float32(magnitude), size


def plain(rows: np.ndarray, size: int, symmetric: bool) -> np.ndarray:
    """Rounding to nearest: the largest weight to -8, or the range with zero to 15 steps."""
    blocks = rows.reshape(-1, size).astype(np.float64)
    low, high = np.minimum(blocks.min(axis=1), 0), np.maximum(blocks.max(axis=1), 0)
    wanted = np.where(high > -low, high, low) / -8 if symmetric else (high - low) / 15
    scale = wanted.astype(np.float16).astype(np.float64)[:, None]
    divisor = np.where(scale == 0, np.inf, scale)
    zero = np.full_like(scale, 8) if symmetric else np.clip(np.rint(-low[:, None] / divisor), 0, 15)
    q = np.clip(np.rint(blocks / divisor + zero), 0, 15)
    return (scale * (q - zero)).reshape(rows.shape)


def error(found: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Squared error of each block."""
    return ((found.astype(np.float64) - rows) ** 2).reshape(-1, size).sum(axis=1)


def back(blocks: Blocks, bits: int, size: int) -> np.ndarray:
    return restored(blocks.packed, blocks.scales, blocks.zeros, bits, size)


@settings(deadline=None)
@given(rows_of_blocks(), st.booleans())
@example((np.full((2, 96), 3.7, np.float32), 32), False)
@example((np.full((2, 96), -6e4, np.float32), 32), True)
@example((np.zeros((1, 16), np.float32), 16), False)
@example((np.array([[1e-6] + [-2.5e-7] * 15], np.float32), 16), False)  # a subnormal scale
def test_never_worse_than_plain_rounding(
    given_rows: tuple[np.ndarray, int], symmetric: bool
) -> None:
    rows, size = given_rows
    found = error(back(quantize_blocks(rows, 4, size, symmetric), 4, size), rows, size)
    # The search adds up in single precision.
    allowed = error(plain(rows, size, symmetric), rows, size) * 1.0001
    slack = 1e-5 * (rows.astype(np.float64) ** 2).reshape(-1, size).sum(axis=1)
    assert (found <= allowed + slack).all()


@settings(deadline=None)
@given(rows_of_blocks())
def test_8_bits_are_within_half_a_step(given_rows: tuple[np.ndarray, int]) -> None:
    rows, size = given_rows
    blocks = quantize_blocks(rows, 8, size)
    assert blocks.zeros is None
    steps = np.abs(np.repeat(blocks.scales.astype(np.float32), size, axis=1))
    # The positive end is one step shorter, and the smallest half-precision number is 6e-8.
    allowed = np.where(np.abs(rows) > 126.5 * steps, 1.1, 0.51) * steps + 4e-6
    assert (np.abs(back(blocks, 8, size) - rows) <= allowed).all()


@pytest.mark.parametrize("symmetric", [True, False])
def test_normal_weights_lose_a_tenth_less_and_a_fifth_with_zero_points(symmetric: bool) -> None:
    rows = np.random.default_rng(0).standard_normal((200, 576), np.float32)
    found = error(back(quantize_blocks(rows, 4, 32, symmetric), 4, 32), rows, 32).sum()
    assert found / error(plain(rows, 32, True), rows, 32).sum() < (0.9 if symmetric else 0.8)


@settings(deadline=None)
@given(
    arrays.arrays(np.int8, (2, 32), elements=st.integers(-8, 7)), st.sampled_from([0.5, 2.0**-9])
)
def test_weights_that_4_bits_can_hold_are_kept(q: np.ndarray, step: float) -> None:
    q[:, 0] = -8
    rows = q.astype(np.float32) * np.float32(step)
    np.testing.assert_array_equal(back(quantize_blocks(rows), 4, 32), rows)


@pytest.mark.parametrize("symmetric", [True, False])
def test_zeros_stay_zeros(symmetric: bool) -> None:
    rows = np.random.default_rng(0).standard_normal((4, 96), np.float32)
    rows[rows < 0.3] = 0  # one-sided: the zero point is at the end of the range
    rows[2] = 0
    found = back(quantize_blocks(rows, 4, 32, symmetric), 4, 32)
    assert (found[rows == 0] == 0).all()


def test_by_hand() -> None:
    row = np.zeros((1, 32), np.float32)
    row[0, :4] = [-8, 7, 1, -3]
    blocks = quantize_blocks(row)
    assert blocks.scales.tolist() == [[1.0]]
    assert blocks.packed[0, :2].tolist() == [0 | 15 << 4, 9 | 5 << 4]
    assert set(blocks.packed[0, 2:].tolist()) == {8 | 8 << 4}


def test_zero_points_of_an_odd_number_of_blocks_fill_a_byte_of_each_row() -> None:
    rows = np.tile(np.arange(16, dtype=np.float32), (2, 6))  # 0 to 15: zero point 0, scale 1
    rows[:, 32:64] -= 15  # -15 to 0: zero point 15
    blocks = quantize_blocks(rows, 4, 32, symmetric=False)
    assert blocks.scales.tolist() == [[1, 1, 1]] * 2
    assert blocks.zeros is not None
    assert blocks.zeros.tolist() == [[0 | 15 << 4, 0]] * 2


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_too_small_for_a_scale_become_zero(bits: int) -> None:
    blocks = quantize_blocks(np.full((1, 32), 1e-38, np.float32), bits)
    assert set(back(blocks, bits, 32)[0].tolist()) == {0}


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("value", [1e9, -3e38])
def test_weights_out_of_range_have_an_infinite_scale(
    value: float, bits: int, symmetric: bool
) -> None:
    rows = np.ones((1, 64), np.float32)
    rows[0, 40] = value
    scales = quantize_blocks(rows, bits, 32, symmetric).scales
    assert np.isfinite(scales).tolist() == [[True, False]]
