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
from sitegen.models.network.matrix import Matrix, Part, transposed
from sitegen.models.quantization.quantize import INT8_ZERO, InBlocks, Int8, int8_block
from sitegen.models.weights import read_header

weights = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.sampled_from([32, 64])),
    elements=st.floats(-100, 100, width=16),
)


@settings(deadline=None)
@given(weights)
def test_int8_is_within_half_a_step(rows: np.ndarray) -> None:
    q, scales = int8_block(rows)
    values = (q.astype(np.float32) - INT8_ZERO) * scales[:, None]
    assert (np.abs(values - rows) <= 0.501 * scales[:, None]).all()
    assert q.min() >= 1  # -127: symmetric


def test_weights_too_small_for_a_scale_become_zero() -> None:
    q, _ = int8_block(np.full((1, 32), 1e-38, np.float32))
    assert set(q[0].tolist()) == {INT8_ZERO}


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


@pytest.mark.parametrize(
    ("columns", "size", "hint"),
    [
        (48, 32, "`quantization: {block_size: 16}`"),
        (96, 64, "`quantization: {block_size: 32}`"),  # the largest that fits
        (40, 32, "`quantization: fp16`"),
    ],
)
def test_rows_that_blocks_do_not_fill(tmp_path: Path, columns: int, size: int, hint: str) -> None:
    with pytest.raises(ModelError) as error:
        InBlocks(matrix(tmp_path, np.ones((2, columns), np.float32)), 4, size, True)
    assert (
        f"part0 has rows of {columns} weights; blocks of {size} need a multiple of {size}"
        in error.value.problem
    )
    assert error.value.hint == f"Write {hint} for this model."


def test_weights_beyond_half_precision(tmp_path: Path) -> None:
    int4 = InBlocks(matrix(tmp_path, np.full((2, 32), 1e6, np.float32)), 4, 32, True)
    with pytest.raises(ModelError, match=r"part0 holds weights beyond the range of float16"):
        list(int4.packed())
