"""Matrices out of the rows of stored tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_safetensors

from sitegen.models.network import Projection
from sitegen.models.network.matrix import Matrix, bias
from sitegen.models.weights import Selection, Tensor, read_header

WEIGHTS = np.arange(60 * 8, dtype=np.float32).reshape(60, 8)
BIASES = np.arange(60, dtype=np.float32)


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, Tensor]:
    values = {"a.weight": WEIGHTS, "a.bias": BIASES, "b.weight": 100 + WEIGHTS}
    write_safetensors(tmp_path / "w", values)
    return read_header(tmp_path / "w")


def rows(weights: dict[str, Tensor], *projections: Projection) -> np.ndarray:
    matrix = Matrix.of(weights, projections)
    found = np.concatenate(list(matrix.blocks()))
    assert found.shape == (matrix.rows, matrix.columns)
    return found


def test_matrices_lie_below_each_other(stored: dict[str, Tensor]) -> None:
    both = rows(stored, Projection("a", 60), Projection("b", 60))
    np.testing.assert_array_equal(both, np.concatenate([WEIGHTS, 100 + WEIGHTS]))


def test_ranges_come_in_their_own_order(stored: dict[str, Tensor]) -> None:
    ranges = ((40, 45), (2, 4), *((row, row + 1) for row in range(20, 0, -2)))
    kept = [*range(40, 45), 2, 3, *range(20, 0, -2)]
    projection = Projection("a", len(kept), bias=True, ranges=ranges, stored_rows=60)
    np.testing.assert_array_equal(rows(stored, projection), WEIGHTS[kept])
    np.testing.assert_array_equal(bias(stored, [projection]), BIASES[kept])


def test_ranges_of_a_tensor_of_which_some_rows_are_kept(stored: dict[str, Tensor]) -> None:
    kept = np.array([50, 7, 8, 31])
    weights = {**stored, "a.weight": Selection.of(stored["a.weight"], kept)}
    found = rows(weights, Projection("a", 3, ranges=((2, 4), (0, 1))))
    np.testing.assert_array_equal(found, WEIGHTS[[8, 31, 50]])


def test_parts_of_one_tensor_are_all_of_it(stored: dict[str, Tensor]) -> None:
    parts = Projection.parts("a", 3, 20)
    assert [part.shape(8) for part in parts] == 3 * [(60, 8)]
    np.testing.assert_array_equal(rows(stored, parts[1]), WEIGHTS[20:40])
    np.testing.assert_array_equal(rows(stored, *parts), WEIGHTS)
