"""Rounded matrices in files: the same blocks come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sitegen.models.calibration.rounded import Rounded
from sitegen.models.quantization.blockwise import Blocks, quantize_blocks


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [16, 32])
def test_blocks_come_back(tmp_path: Path, size: int, symmetric: bool) -> None:
    rows = np.random.default_rng(0).standard_normal((50_000, 96), np.float32)
    matrix = Rounded(tmp_path / "m.int4", *rows.shape, size, symmetric)
    matrix.write(quantize_blocks(part, 4, size, symmetric) for part in (rows[:3], rows[3:]))
    whole, parts = quantize_blocks(rows, 4, size, symmetric), list(matrix)
    assert len(parts) == 3
    for name in ("packed", "scales", "zeros"):
        expected = getattr(whole, name)
        if expected is not None:
            found = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(found, expected)


def test_a_file_that_is_half_written_is_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[Blocks]:
        yield quantize_blocks(np.ones((2, 32), np.float32))
        raise KeyboardInterrupt

    matrix = Rounded(tmp_path / "m.int4", 4, 32, 32, True)
    with pytest.raises(KeyboardInterrupt):
        matrix.write(broken())
    assert not matrix.path.exists()
