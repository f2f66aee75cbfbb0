"""A rounded matrix in a file, so that a model's need not all be held at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sitegen.models.quantization.blockwise import Blocks

READ_BYTES = 1 << 20  # of packed weights at once


@dataclass(frozen=True)
class Rounded:
    """int4 in blocks: all packed weights, then all scales, then the zeros where there are any."""

    path: Path
    rows: int
    columns: int
    block_size: int
    symmetric: bool

    def write(self, parts: Iterable[Blocks]) -> None:
        """Write the rows in their order; the file is there when it is whole. Raises OSError."""
        under_way = self.path.with_suffix(".part")
        with under_way.open("wb") as file:
            start = 0
            for blocks in parts:
                arrays = [blocks.packed, blocks.scales]
                arrays += [] if blocks.zeros is None else [blocks.zeros]
                for array, (_, offset, width) in zip(arrays, self._sections(), strict=True):
                    file.seek(offset + start * width)
                    file.write(np.ascontiguousarray(array).data)
                start += len(blocks.packed)
        under_way.replace(self.path)

    def __iter__(self) -> Iterator[Blocks]:
        step = max(1, READ_BYTES // (self.columns // 2))
        with self.path.open("rb") as file:
            for start in range(0, self.rows, step):
                count = min(step, self.rows - start)
                arrays: list[NDArray[Any]] = []
                for dtype, offset, width in self._sections():
                    file.seek(offset + start * width)
                    array = np.frombuffer(file.read(count * width), dtype)
                    arrays.append(array.reshape(count, -1))
                packed, scales, *zeros = arrays
                yield Blocks(packed, scales, zeros[0] if zeros else None)

    def _sections(self) -> list[tuple[type[np.generic], int, int]]:
        """Type, offset and bytes of a row, of each part of the file."""
        blocks = self.columns // self.block_size
        kinds: list[tuple[type[np.generic], int]] = [
            (np.uint8, self.columns // 2),
            (np.float16, 2 * blocks),
            (np.uint8, 0 if self.symmetric else (blocks + 1) // 2),
        ]
        found, offset = [], 0
        for dtype, width in kinds:
            if width:
                found.append((dtype, offset, width))
            offset += self.rows * width
        return found
