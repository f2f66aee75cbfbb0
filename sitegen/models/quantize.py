"""Weights to few bits, in numpy, a cache-sized block of rows at a time.

Both schemes are symmetric: a weight is `scale * q` with q a small whole number. Scales are rounded
to what is stored before the weights are divided by them, so that the reader multiplies by exactly
what the writer divided by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sitegen.errors import ModelError
from sitegen.models.matrix import COLUMN_SLICE_BYTES, Matrix, column_slices
from sitegen.models.weights import Float32, Tensor

Storage = Literal["int4", "int8", "fp32"]
Role = Literal["embedding", "head", "linear"]

INT4_BLOCK = 32  # weights that share a scale; the block size onnxruntime's kernels are tuned for
INT8_ZERO = 128  # what stands for 0


def int4_block(rows: Float32) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """(n, columns) → packed (n, columns / 2) and scales (n, columns / 32).

    q runs from -8 to 7 and is stored plus 8, the even column in the low half of a byte. The scale
    maps the weight of largest magnitude to -8, the end of the range that has one step more.
    """
    blocks = rows.reshape(-1, INT4_BLOCK)
    # Along 32 contiguous numbers numpy's reductions are slow; along the other axis they are SIMD.
    across = blocks.T.copy()
    high, low = across.max(axis=0), across.min(axis=0)
    with np.errstate(over="ignore"):  # infinity is looked for by the caller
        scales = (np.where(high > -low, high, low) / -8).astype(np.float16)
    rounded = scales.astype(np.float32)
    inverse = np.divide(1, rounded, out=np.zeros_like(rounded), where=rounded != 0)
    # Into the memory of `across`: less to give back to the system and to ask for again.
    q = np.multiply(blocks, inverse[:, None], out=across.reshape(blocks.shape))
    q += 8.5  # plus 8, and the half that makes truncation round
    np.clip(q, 0, 15, out=q)
    pairs = q.astype(np.uint8).view("<u2")  # low byte: even column, high byte: odd column
    packed = (pairs | (pairs >> 4)).astype(np.uint8)
    return packed.reshape(len(rows), -1), scales.reshape(len(rows), -1)


def int8_block(rows: Float32) -> tuple[NDArray[np.uint8], Float32]:
    """(n, columns) → q + 128 of the same shape, q from -127 to 127, and one scale a row (n,).

    Unsigned, because the products of unsigned and signed bytes saturate on x86 without VNNI: the
    author's machine would then verify other numbers than a browser computes.
    """
    scales = np.abs(rows).max(axis=1) / np.float32(127)
    # The inverse of a number below the smallest normal one would be infinity.
    normal = scales >= np.finfo(np.float32).tiny
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=normal)
    q = rows * inverse[:, None]
    q += INT8_ZERO + 0.5  # and the half that makes truncation round
    return q.astype(np.uint8), scales


class Int4:
    """A matrix as int4; after `packed` has run through, `scales` (rows, columns / 32) is whole."""

    def __init__(self, matrix: Matrix):
        if matrix.columns % INT4_BLOCK:
            raise ModelError(
                f"{matrix.name} has rows of {matrix.columns} weights; int4 needs a multiple of "
                f"{INT4_BLOCK}",
                where=matrix.tensor.path,
                hint="Write `quantization: fp32` for this model.",
            )
        self.matrix = matrix
        self._scales: list[NDArray[np.float16]] = []

    def packed(self) -> Iterator[NDArray[np.uint8]]:
        for rows in self.matrix.blocks():
            packed, scales = int4_block(rows)
            check_float16(scales, self.matrix.name, self.matrix.tensor)
            self._scales.append(scales)
            yield packed

    @property
    def scales(self) -> NDArray[np.float16]:
        return np.concatenate(self._scales)


class Int8:
    """A matrix as int8, transposed; after `transposed`, `scales` (rows,) is whole."""

    def __init__(self, matrix: Matrix):
        self.matrix = matrix
        self.scales: Float32 = np.zeros(matrix.rows, np.float32)

    def transposed(self, limit: int = COLUMN_SLICE_BYTES) -> Iterator[NDArray[np.uint8]]:
        """(columns, rows) in slices of columns: a slice is one pass over the source."""
        for columns in column_slices(self.matrix, limit):
            out = np.empty((columns.stop - columns.start, self.matrix.rows), np.uint8)
            start = 0
            for rows in self.matrix.blocks():
                q, scales = int8_block(rows)
                self.scales[start : start + len(rows)] = scales
                out[:, start : start + len(rows)] = q[:, columns].T
                start += len(rows)
            yield out

    def straight(self) -> Iterator[NDArray[np.uint8]]:
        """(rows, columns), as a table that is looked up needs it."""
        start = 0
        for rows in self.matrix.blocks():
            q, scales = int8_block(rows)
            self.scales[start : start + len(rows)] = scales
            start += len(rows)
            yield q


def check_float16(values: NDArray[np.float16], name: str, tensor: Tensor) -> None:
    """Raise ModelError when a value did not fit into float16."""
    if not np.isfinite(values).all():
        raise ModelError(
            f"{name} holds weights beyond the range of float16 (65504)",
            where=tensor.path,
            hint="Write `quantization: fp32` for this model.",
        )
