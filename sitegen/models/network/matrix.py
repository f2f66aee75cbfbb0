"""Matrices as a network multiplies by them, read from the tensors that hold their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sitegen.models.network import Projection
from sitegen.models.weights import BLOCK_ELEMENTS, Float32, Selection, Tensor

COLUMN_SLICE_BYTES = 64 << 20  # of a transposed matrix held in memory
TILE_BYTES = 32 << 10  # of rows transposed at once: they stay in the L1 cache


@dataclass(frozen=True)
class Part:
    """Rows of one tensor; `ranges` and `transposed` as in `Projection`."""

    tensor: Tensor
    ranges: tuple[tuple[int, int], ...] = ()
    transposed: bool = False

    @property
    def name(self) -> str:
        if not self.ranges:
            return self.tensor.name
        return f"{self.tensor.name}[{self.ranges[0][0]}:{self.ranges[-1][1]}]"

    @property
    def rows(self) -> int:
        stored = self.tensor.shape[1 if self.transposed else 0]
        return sum(stop - start for start, stop in self.ranges) if self.ranges else stored

    @property
    def columns(self) -> int:
        return self.tensor.shape[0 if self.transposed else 1]

    def blocks(self) -> Iterator[Float32]:
        if self.transposed:
            return self._turned()
        if not self.ranges:
            return self.tensor.blocks()
        rows = np.concatenate([np.arange(start, stop) for start, stop in self.ranges])
        return Selection.of(self.tensor, rows).blocks()

    def _turned(self) -> Iterator[Float32]:
        """Rows that are stored as columns: gathered in slices, each one pass over the tensor."""
        whole = self.ranges or ((0, self.rows),)
        step = max(1, COLUMN_SLICE_BYTES // 4 // self.columns)
        for first, last in whole:
            for start in range(first, last, step):
                stop = min(start + step, last)
                turned = np.empty((stop - start, self.columns), np.float32)
                column = 0
                for block in self.tensor.blocks():
                    turned[:, column : column + len(block)] = block[:, start:stop].T
                    column += len(block)
                height = max(1, BLOCK_ELEMENTS // self.columns)
                yield from (turned[i : i + height] for i in range(0, len(turned), height))


@dataclass(frozen=True)
class Matrix:
    """Weights (rows, columns) = (outputs, inputs): one part, or several below each other."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], projections: Sequence[Projection]) -> Matrix:
        return cls(
            tuple(
                Part(weights[f"{each.name}.weight"], each.ranges, each.transposed)
                for each in projections
            )
        )

    @property
    def tensor(self) -> Tensor:
        """The first one, for error messages."""
        return self.parts[0].tensor

    @property
    def name(self) -> str:
        return "+".join(part.name for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def columns(self) -> int:
        return self.parts[0].columns

    def blocks(self) -> Iterator[Float32]:
        """All rows in order, a cache-sized block at a time."""
        for part in self.parts:
            yield from part.blocks()


def bias(weights: Mapping[str, Tensor], projections: Sequence[Projection]) -> Float32:
    """The biases of all projections in a row: (rows,)."""
    found = []
    for each in projections:
        values = weights[f"{each.name}.bias"].rows()
        found += [values[start:stop] for start, stop in each.ranges] or [values]
    return np.concatenate(found)


def transposed(matrix: Matrix, limit: int = COLUMN_SLICE_BYTES) -> Iterator[Float32]:
    """(columns, rows) in slices of columns, each one pass over the source."""
    for columns in column_slices(matrix, limit // 4):
        out = np.empty((columns.stop - columns.start, matrix.rows), np.float32)
        start = 0
        for rows in matrix.blocks():
            transpose(rows[:, columns], out[:, start : start + len(rows)])
            start += len(rows)
        yield out


def transpose(rows: NDArray[Any], out: NDArray[Any]) -> None:
    """Write rows (n, columns) into out (columns, n)."""
    step = max(1, TILE_BYTES // (rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        out[:, start : start + step] = rows[start : start + step].T


def column_slices(matrix: Matrix, elements: int) -> Iterator[slice]:
    """Slices of columns that hold at most so many elements."""
    step = max(1, elements // matrix.rows)
    for start in range(0, matrix.columns, step):
        yield slice(start, min(start + step, matrix.columns))
