"""Few bits: what comes back is within half a step, and the layout is the one onnxruntime reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tiny_models import write_safetensors

from sitegen.errors import ModelError
from sitegen.models.matrix import Matrix, Part, transposed
from sitegen.models.quantize import INT8_ZERO, Int4, Int8, int4_block, int8_block
from sitegen.models.weights import read_header

weights = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.sampled_from([32, 64])),
    elements=st.floats(-100, 100, width=16),
)


def unpack(packed: np.ndarray) -> np.ndarray:
    """(n, columns / 2) → q of (n, columns): the even column in the low half of a byte."""
    q = np.empty((len(packed), packed.shape[1] * 2), np.int32)
    q[:, 0::2], q[:, 1::2] = packed & 15, packed >> 4
    return q - 8


@settings(deadline=None)
@given(weights)
def test_int4_is_within_half_a_step(rows: np.ndarray) -> None:
    packed, scales = int4_block(rows)
    steps = np.repeat(scales.astype(np.float32), 32, axis=1)
    error = np.abs(unpack(packed) * steps - rows)
    # The positive end is one step shorter: a tie with the largest negative weight costs a step.
    allowed = np.where(rows / np.where(steps == 0, 1, steps) > 7, 1.01, 0.501) * np.abs(steps)
    # The smallest half-precision number is 6e-8: a block of smaller weights becomes zero.
    assert (error <= allowed + 2.5e-7).all()


@settings(deadline=None)
@given(weights)
def test_int8_is_within_half_a_step(rows: np.ndarray) -> None:
    q, scales = int8_block(rows)
    values = (q.astype(np.float32) - INT8_ZERO) * scales[:, None]
    assert (np.abs(values - rows) <= 0.501 * scales[:, None]).all()
    assert q.min() >= 1  # -127: symmetric


def test_weights_too_small_for_a_scale_become_zero() -> None:
    tiny = np.full((1, 32), 1e-38, np.float32)
    q, _ = int8_block(tiny)
    assert set(q[0].tolist()) == {INT8_ZERO}
    packed, scales = int4_block(tiny)
    assert (set(packed[0].tolist()), scales.tolist()) == ({0x88}, [[0.0]])


def test_int4_by_hand() -> None:
    row = np.zeros((1, 32), np.float32)
    row[0, :4] = [-8, 7, 1, -3]
    packed, scales = int4_block(row)
    assert scales.tolist() == [[1.0]]
    assert packed[0, :2].tolist() == [0 | 15 << 4, 9 | 5 << 4]
    assert set(packed[0, 2:].tolist()) == {8 | 8 << 4}


def matrix(folder: Path, *parts: np.ndarray) -> Matrix:
    write_safetensors(folder / "w", {f"part{i}": part for i, part in enumerate(parts)})
    return Matrix(tuple(Part(tensor) for tensor in read_header(folder / "w").values()))


def test_several_tensors_are_one_matrix(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    parts = [random.standard_normal((rows, 64), np.float32) for rows in (5, 3, 8)]
    both = matrix(tmp_path, *parts)
    assert (both.rows, both.columns, both.name) == (16, 64, "part0+part1+part2")
    int8 = Int8(both)
    table = np.concatenate(list(int8.transposed()))
    expected, scales = int8_block(np.concatenate(parts))
    np.testing.assert_array_equal(table, expected.T)
    np.testing.assert_array_equal(int8.scales, scales)
    np.testing.assert_array_equal(np.concatenate(list(Int8(both).straight())), expected)


def test_slices_of_columns_join_to_the_same_table(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((40, 96), np.float32)
    one = matrix(tmp_path, rows)
    whole = np.concatenate(list(Int8(one).transposed()))
    slices = list(Int8(one).transposed(limit=40 * 7))
    assert len(slices) == 14
    np.testing.assert_array_equal(np.concatenate(slices), whole)
    np.testing.assert_array_equal(np.concatenate(list(transposed(one))), rows.T)
    np.testing.assert_array_equal(np.concatenate(list(transposed(one, 40 * 7 * 4))), rows.T)


def test_rows_that_int4_cannot_cut_into_blocks(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        Int4(matrix(tmp_path, np.ones((2, 48), np.float32)))
    assert "part0 has rows of 48 weights; int4 needs a multiple of 32" in str(error.value)
    assert "quantization: fp32" in str(error.value)


def test_weights_beyond_half_precision(tmp_path: Path) -> None:
    int4 = Int4(matrix(tmp_path, np.full((2, 32), 1e6, np.float32)))
    with pytest.raises(ModelError, match=r"part0 holds weights beyond the range of float16"):
        list(int4.packed())
