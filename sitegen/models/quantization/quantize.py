"""Matrices to few bits, a cache-sized block of rows at a time: what `schemes` stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sitegen.config import BlockSize
from sitegen.errors import ModelError
from sitegen.models.network.matrix import (
    COLUMN_SLICE_BYTES,
    Matrix,
    column_slices,
    transpose,
)
from sitegen.models.quantization.blockwise import Bits, Blocks, quantize_blocks
from sitegen.models.weights import Float32, Tensor

Storage = Literal["int4", "int8-blocks", "int8", "fp16", "fp32"]
"""int4, int8-blocks: as GPUs multiply; int8: one scale a row, as WebAssembly does."""
Role = Literal["embedding", "head", "tied", "linear"]
"""tied: a table that is both embedding and head."""

INT8_ZERO = 128  # what stands for 0


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


class InBlocks:
    """A matrix in blocks; after `packed` has run through, `scales` and `zeros` are whole."""

    def __init__(
        self,
        matrix: Matrix,
        bits: Bits,
        block_size: int,
        symmetric: bool,
        calibrated: Iterable[Blocks] | None = None,
    ):
        """calibrated: all of it as a calibration has rounded it; None to round here."""
        if matrix.columns % block_size:
            fitting = [size for size in get_args(BlockSize) if matrix.columns % size == 0]
            raise ModelError(
                f"{matrix.name} has rows of {matrix.columns} weights; blocks of {block_size} need "
                f"a multiple of {block_size}",
                where=matrix.tensor.path,
                hint=f"Write `quantization: {{block_size: {fitting[-1]}}}` for this model."
                if fitting
                else "Write `quantization: fp16` for this model.",
            )
        self.matrix, self.bits, self.block_size, self.symmetric = (
            matrix,
            bits,
            block_size,
            symmetric,
        )
        self._calibrated = calibrated
        self._blocks: list[Blocks] = []

    def packed(self) -> Iterator[NDArray[np.uint8]]:
        for blocks in self._rounded():
            check_float16(blocks.scales, self.matrix.name, self.matrix.tensor)
            self._blocks.append(replace(blocks, packed=blocks.packed[:0]))
            yield blocks.packed

    def _rounded(self) -> Iterable[Blocks]:
        if self._calibrated is not None:
            return self._calibrated
        return (
            quantize_blocks(rows, self.bits, self.block_size, self.symmetric)
            for rows in self.matrix.blocks()
        )

    def scales(self) -> Iterator[NDArray[np.float16]]:
        """(rows, blocks)"""
        for blocks in self._blocks:
            yield blocks.scales

    def zeros(self) -> Iterator[NDArray[np.uint8]]:
        """(rows, ceil(blocks / 2)) of an asymmetric matrix"""
        for blocks in self._blocks:
            assert blocks.zeros is not None
            yield blocks.zeros


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
                transpose(q[:, columns], out[:, start : start + len(rows)])
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
