"""Rounding for known inputs: less error in what the matrix computes, and the same layout."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from restored import restored

from sitegen.models.calibration.gptq import PANEL, feedback, round_rows
from sitegen.models.quantization.blockwise import Blocks, quantize_blocks


def back(blocks: Blocks, size: int) -> np.ndarray:
    return restored(blocks.packed, blocks.scales, blocks.zeros, 4, size)


def inputs(tokens: int, columns: int) -> np.ndarray:
    """Correlated, and of different sizes, as activations are."""
    random = np.random.default_rng(3)
    mixing = random.standard_normal((columns, columns)) * np.geomspace(1, 0.05, columns)[:, None]
    return (random.standard_normal((tokens, columns)) @ mixing).astype(np.float32)


def test_the_feedback_is_a_factor_of_the_second_moments() -> None:
    x = inputs(500, 64)
    unit = feedback(x, 0.0)
    np.testing.assert_allclose(unit, np.triu(unit))
    np.testing.assert_array_equal(unit.diagonal(), np.ones(64))
    inverse = np.linalg.inv(unit.astype(np.float64))
    diagonal = inverse @ (x.T @ x).astype(np.float64) @ inverse.T
    scale = np.sqrt(diagonal.diagonal())
    assert np.abs(diagonal / np.outer(scale, scale) - np.eye(64)).max() < 1e-2


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_less_error_in_the_product_than_without(size: int, symmetric: bool) -> None:
    x, fresh = np.split(inputs(1000, 192), 2)
    rows = np.random.default_rng(0).standard_normal((100, 192), np.float32)
    calibrated = round_rows(rows, feedback(x), size, symmetric)
    plain = quantize_blocks(rows, 4, size, symmetric)
    ours, theirs = (
        np.linalg.norm(fresh @ (back(blocks, size) - rows).T) for blocks in (calibrated, plain)
    )
    assert ours < 0.6 * theirs


def test_inputs_without_correlation_change_nothing() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 96), np.float32)
    found = round_rows(rows, np.eye(96, dtype=np.float32))
    plain = quantize_blocks(rows)
    np.testing.assert_array_equal(found.packed, plain.packed)
    np.testing.assert_array_equal(found.scales, plain.scales)


def test_inputs_that_are_all_zero() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 64), np.float32)
    found = round_rows(rows, feedback(np.zeros((10, 64), np.float32)))
    np.testing.assert_array_equal(found.packed, quantize_blocks(rows).packed)


def test_panels_are_factored_as_the_whole_would_be() -> None:
    x = inputs(900, 2 * PANEL + 96)
    unit = feedback(x)
    h = (x.T @ x).astype(np.float64)
    h += 0.01 * h.diagonal().mean() * np.eye(len(h))
    whole = np.linalg.cholesky(h[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_allclose(unit, whole / whole.diagonal(), atol=2e-3)


def test_the_feedback_needs_little_more_memory_than_it_is_large() -> None:
    x = inputs(64, 1024)
    tracemalloc.start()
    feedback(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 4 * 1024**2


def test_a_weight_takes_over_the_errors_of_all_before_it() -> None:
    """Across panels and blocks: what is stored is what one column after the other would give."""
    x = inputs(900, PANEL + 64)
    rows = np.random.default_rng(0).standard_normal((3, PANEL + 64), np.float32)
    unit = feedback(x)
    found = round_rows(rows, unit)
    stored = back(found, 32)
    errors = rows - stored
    scales = np.repeat(found.scales.astype(np.float32), 32, axis=1)
    wanted = rows + errors @ (unit - np.eye(len(unit), dtype=np.float32))
    beyond = (stored == -8 * scales) | (stored == 7 * scales)  # nothing nearer could be stored
    assert ((np.abs(wanted - stored) < 0.501 * np.abs(scales)) | beyond).all()
