"""Safetensors, read in blocks of rows, with every header checked before a number is read.

A file is: 8 bytes little-endian header length, a JSON header, then the tensors' bytes. The header
maps each name to `{"dtype", "shape", "data_offsets": [start, stop]}`, offsets counted from the end
of the header. Format: https://github.com/huggingface/safetensors#format

Files are read, not mapped: one that is cut short meanwhile (saving a model again does that) is an
error like any other, where a mapped page that is gone ends the process.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sitegen.errors import ModelError

Float32 = NDArray[np.float32]

DTYPES: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}
"""Stored type → how it is read; bfloat16 is read as the upper half of a float32."""

BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
"""Stored type → bytes of one value: of the types that are read, and of those passed over."""

SKIPPED_ROWS = 16  # between two that are wanted: reading on costs less than another read
MAX_HEADER_BYTES = 100_000_000  # the limit of the reference implementation
BLOCK_ELEMENTS = 1 << 17  # 512 KiB of float32: a block and its temporaries stay in the L2 cache


@dataclass(frozen=True)
class Tensor:
    """One stored tensor; nothing is read before `rows` is called."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    start: int  # in the file, in bytes

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def rows(self, start: int = 0, stop: int | None = None) -> Float32:
        """The rows `start:stop` of the first axis as a new float32 array.

        Raises ModelError when one of them holds NaN or infinity or is not there any more, OSError
        when the file cannot be opened.
        """
        with self.path.open("rb") as file:
            return self._rows(file, start, self.shape[0] if stop is None else stop)

    def blocks(self) -> Iterator[Float32]:
        """All rows, a cache-sized block at a time; raises as `rows` does."""
        step = max(1, BLOCK_ELEMENTS // max(1, math.prod(self.shape[1:])))
        with self.path.open("rb") as file:
            for start in range(0, self.shape[0], step):
                yield self._rows(file, start, start + step)

    def _rows(self, file: BufferedReader, start: int, stop: int) -> Float32:
        height, *rest = self.shape
        stored = np.empty((max(min(stop, height) - start, 0), *rest), DTYPES[self.dtype])
        file.seek(self.start + start * math.prod(rest) * stored.itemsize)
        if file.readinto(stored.reshape(-1).view(np.uint8).data) < stored.nbytes:
            raise ModelError(
                f"the file was cut short while the tensor {self.name!r} was read",
                where=self.path,
                hint="Build again when nothing writes to the folder any more.",
            )
        values: Float32
        if self.dtype == "BF16":
            bits = stored.astype(np.uint32)
            bits <<= 16
            values = bits.view(np.float32)
        else:
            values = stored.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise ModelError(
                f"the tensor {self.name!r} holds NaN or infinity",
                where=self.path,
                hint="The weights are damaged, or training diverged: save the model again.",
            )
        return values


@dataclass(frozen=True, eq=False)
class Selection(Tensor):
    """Some rows of a stored tensor, in an order of their own."""

    whole: Tensor
    kept: NDArray[np.int64]  # (shape[0],): rows of `whole`

    @classmethod
    def of(cls, whole: Tensor, kept: NDArray[np.int64]) -> Selection:
        shape = (len(kept), *whole.shape[1:])
        return cls(whole.name, whole.dtype, shape, whole.path, whole.start, whole, kept)

    def _rows(self, file: BufferedReader, start: int, stop: int) -> Float32:
        wanted = self.kept[start:stop]
        steps = np.diff(wanted)
        borders = np.flatnonzero((steps < 1) | (steps > SKIPPED_ROWS)) + 1
        found = [self.whole._rows(file, 0, 0)]
        for run in np.split(wanted, borders) if len(wanted) else []:
            first, last = int(run[0]), int(run[-1])
            found.append(self.whole._rows(file, first, last + 1)[run - first])
        return np.concatenate(found)


def open_weights(files: Mapping[str, Path], index: Path | None) -> dict[str, Tensor]:
    """All tensors of a model: of one file, or of the files that `index` lists.

    files: file name → path, as `source.find` gives them; index: `model.safetensors.index.json`.
    """
    found: dict[str, Tensor] = {}
    for path in files.values():
        for name, tensor in read_header(path).items():
            if name in found:
                raise ModelError(
                    f"the tensor {name!r} is also stored in {found[name].path.name}", where=path
                )
            found[name] = tensor
    if index is not None:  # its form was checked by source.find
        for name, file in json.loads(index.read_text(encoding="utf-8"))["weight_map"].items():
            if name not in found or found[name].path != files[file]:
                raise ModelError(
                    f"the index says that {name!r} is stored in {file}, which does not hold it",
                    where=index,
                    hint="The index and the weights come from different versions of the model.",
                )
    return found


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, every promise of its header checked; raises ModelError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
            raise ModelError(
                f"the file is not safetensors, or it is truncated: it has {size} bytes and its "
                f"header should have {length}",
                where=path,
                hint="Download or save it again.",
            )
        header = _parse(path, file.read(length))
    base, available = 8 + length, size - 8 - length
    tensors, spans = {}, []
    for name, entry in header.items():
        dtype, shape, start, stop = _entry(path, name, entry)
        needed = math.prod(shape) * BYTES[dtype]
        if stop - start != needed:
            raise ModelError(
                f"the tensor {name!r} takes {stop - start} bytes, but {dtype} of shape "
                f"{list(shape)} needs {needed}",
                where=path,
            )
        if stop > available:
            raise ModelError(
                f"the file is truncated: the tensor {name!r} ends at byte {stop} of the data, "
                f"the file holds {available}",
                where=path,
                hint="Download or save it again.",
            )
        spans.append((start, stop, name))
        tensors[name] = Tensor(name, dtype, shape, path, base + start)
    spans.sort()
    for (_, end, before), (start, _, after) in zip(spans, spans[1:], strict=False):
        if start < end:
            raise ModelError(f"the tensors {before!r} and {after!r} overlap", where=path)
    return tensors


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values:
                raise ModelError(f"the header holds {key!r} twice", where=path)
            values[key] = value
        return values

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ModelError(
            "the file is not safetensors: its header is not a JSON object",
            where=path,
            hint="Download or save it again.",
        )
    header.pop("__metadata__", None)
    return header


def _entry(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    def natural(values: Any) -> bool:
        return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)

    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("dtype"), str)
        or not natural(entry.get("shape"))
        or not natural(entry.get("data_offsets"))
        or len(entry["data_offsets"]) != 2
        or entry["data_offsets"][0] > entry["data_offsets"][1]
    ):
        raise ModelError(
            f"the header's entry of {name!r} is damaged: {json.dumps(entry)[:80]}", where=path
        )
    if entry["dtype"] not in BYTES:
        raise ModelError(
            f"the tensor {name!r} is stored as {entry['dtype']}, which safetensors do not hold",
            where=path,
            hint="Download or save it again.",
        )
    return entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"]


def require_numbers(tensor: Tensor) -> None:
    """Raise ModelError for a tensor of a type that is not read."""
    if tensor.dtype not in DTYPES:
        raise ModelError(
            f"the tensor {tensor.name!r} is stored as {tensor.dtype}; read are {', '.join(DTYPES)}",
            where=tensor.path,
            hint="Save the model in bfloat16, float16 or float32 (already quantized weights "
            "cannot be quantized again).",
        )
