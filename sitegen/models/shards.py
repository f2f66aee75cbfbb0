"""One virtual external data file per weights set, cut into files that every host accepts.

ONNX wants each tensor whole inside one external file; hosts want small files (Cloudflare Pages:
25 MiB). So the graphs point into one file `weights.bin`, which exists only as its parts, and the
browser joins them. A part is named by the SHA-256 of its bytes: equal parts are stored and
downloaded once, and a changed one gets a new address.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

SHARD_BYTES = 24 << 20
COPY_BYTES = 1 << 20
ALIGNMENT = 64  # bytes: a cache line, and more than any SIMD load wants


@dataclass(frozen=True)
class Place:
    """Where a tensor's bytes lie in the virtual file."""

    offset: int
    length: int


@dataclass(frozen=True)
class File:
    """A file named by the SHA-256 of its bytes."""

    sha256: str
    bytes: int


class ShardWriter:
    """Writes tensors one after the other; a full part is renamed to its hash at once.

    folder: must exist; on leaving the `with` block after an error an unfinished part is removed.
    written: told the size so far whenever a part is complete.
    """

    def __init__(
        self,
        folder: Path,
        written: Callable[[int], None] | None = None,
        limit: int = SHARD_BYTES,
    ):
        self.folder, self.limit, self.written = folder, limit, written
        self.places: dict[str, Place] = {}
        self.shards: list[File] = []
        self.size = 0  # of the virtual file so far
        self._part: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._room = 0

    @property
    def _temporary(self) -> Path:
        return self.folder / f"part-{id(self):x}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
        elif self._part is not None:
            self._part.close()
            self._temporary.unlink(missing_ok=True)

    def place(self, key: str, blocks: Iterable[NDArray[Any]]) -> Place:
        """Write a tensor under a key of its own, or find it when the key was written before."""
        if key not in self.places:
            self._write(memoryview(bytes(-self.size % ALIGNMENT)))
            offset = self.size
            for block in blocks:
                self._write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
            self.places[key] = Place(offset, self.size - offset)
        return self.places[key]

    def _write(self, data: memoryview) -> None:
        while data:
            if self._part is None:
                self._part = self._temporary.open("wb")
                self._hash, self._room = hashlib.sha256(), self.limit
            piece, data = data[: self._room], data[self._room :]
            self._part.write(piece)
            self._hash.update(piece)
            self._room -= len(piece)
            self.size += len(piece)
            if not self._room:
                self._close()

    def _close(self) -> None:
        if self._part is None:
            return
        self._part.close()
        self._part = None
        shard = File(self._hash.hexdigest(), self.limit - self._room)
        self._temporary.replace(self.folder / f"{shard.sha256}.bin")
        self.shards.append(shard)
        if self.written:
            self.written(self.size)


def write_file(folder: Path, data: bytes) -> File:
    """Store bytes in `folder` under their hash."""
    file = File(hashlib.sha256(data).hexdigest(), len(data))
    (folder / f"{file.sha256}.bin").write_bytes(data)
    return file


def join(folder: Path, shards: Iterable[File], path: Path) -> None:
    """Write the virtual file to `path`: what the browser joins in memory."""
    with path.open("wb") as whole:
        for shard in shards:
            with (folder / f"{shard.sha256}.bin").open("rb") as part:
                shutil.copyfileobj(part, whole, COPY_BYTES)
