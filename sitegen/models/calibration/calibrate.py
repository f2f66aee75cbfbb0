"""The inputs of a network's matrices while it reads, and each matrix rounded for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sitegen.models.calibration.gptq import DAMPING, feedback, round_rows
from sitegen.models.calibration.parallel import in_order
from sitegen.models.calibration.rounded import Rounded
from sitegen.models.graph.schemes import InBlocks, scheme
from sitegen.models.network import Attention, Projection
from sitegen.models.network.matrix import Matrix, bias
from sitegen.models.network.reference import Reference
from sitegen.models.quantization import quantize
from sitegen.models.quantization.quantize import Role
from sitegen.models.quantization.variants import Variant
from sitegen.models.weights import Float32, Tensor

TIED_DAMPING = 0.1  # a tied table's rows are also looked up, where all errors count alike
SLICE_ELEMENTS = 1 << 20  # of a matrix, in each thread: 4 MiB, a few times


class Calibration(Reference):
    """Listens to a network's `forward`, and gives the inputs of each matrix to `see`.

    Several sequences are computed side by side: (tokens of all, width) is what flows.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        sequences: Sequence[Sequence[int]],
        see: Callable[[Matrix, Float32, Role], None],
    ):
        """see: gets the matrix, its inputs (tokens, columns), and its role."""
        super().__init__(weights, [token for sequence in sequences for token in sequence])
        self._ends = np.cumsum([len(sequence) for sequence in sequences])[:-1]
        self._see = see

    def _each(self, x: Float32) -> list[Float32]:
        return np.split(x, self._ends)

    def positions(self, name: str, rows: int, width: int) -> Float32:
        table = self.weights[f"{name}.weight"]
        return np.concatenate([table.rows(0, len(part)) for part in self._each(np.array(self.ids))])

    def attention(
        self, qkv: Float32 | tuple[Float32, Float32, Float32], layer: int, attention: Attention
    ) -> Float32:
        whole = qkv if isinstance(qkv, np.ndarray) else np.concatenate(qkv, axis=1)
        parts = [super(Calibration, self).attention(x, layer, attention) for x in self._each(whole)]
        return np.concatenate(parts)

    def convolution(
        self, x: Float32, name: str, length: int, layer: int, *, bias: bool = False
    ) -> Float32:
        convolve = super().convolution
        return np.concatenate(
            [convolve(part, name, length, layer, bias=bias) for part in self._each(x)]
        )

    def linear(self, x: Float32, *projections: Projection, outliers: bool = False) -> Float32:
        matrix = Matrix.of(self.weights, projections)
        self._see(matrix, x, "linear")
        y = np.empty((len(x), matrix.rows), np.float32)
        start = 0
        for part in in_order(lambda rows: x @ rows.T, slices(matrix)):
            y[:, start : start + part.shape[1]] = part
            start += part.shape[1]
        if projections[0].bias:
            y += bias(self.weights, projections)
        return y

    def logits(
        self, x: Float32, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> Float32:
        self._see(Matrix.of(self.weights, [head]), x, "tied" if tied else "head")
        return x  # the scores of all tokens would be the largest array of all, and nobody asks


class Rounding:
    """What a `Calibration` calls: rounds each matrix for its inputs and keeps it in a file.

    A file that an interrupted build left is not made again.
    """

    def __init__(
        self, variant: Variant, folder: Path, done: Callable[[int], None] = lambda _: None
    ):
        """folder: for the files, and for nothing else; done: gets the bytes in them so far."""
        self._variant, self._folder, self._done = variant, folder, done
        self.found: dict[str, Rounded] = {}
        self._seen = self._bytes = 0
        self._last: tuple[Float32, Float32] | None = None  # inputs and their feedback

    def __call__(self, matrix: Matrix, x: Float32, role: Role) -> None:
        found = scheme(role, self._variant)
        if not isinstance(found, InBlocks) or found.bits != 4:
            return
        quantize.InBlocks(matrix, found.bits, found.block_size, found.symmetric)  # do blocks fit?
        path = self._folder / f"{self._seen}.int4"
        rounded = Rounded(path, matrix.rows, matrix.columns, found.block_size, found.symmetric)
        if not path.exists():
            unit = self._feedback(x, TIED_DAMPING if role == "tied" else DAMPING)
            size, symmetric = found.block_size, found.symmetric
            rounded.write(
                in_order(lambda rows: round_rows(rows, unit, size, symmetric), slices(matrix))
            )
        self.found[matrix.name] = rounded
        self._seen += 1
        self._bytes += path.stat().st_size
        self._done(self._bytes)

    def _feedback(self, x: Float32, damping: float) -> Float32:
        if self._last is None or self._last[0] is not x:  # gate and up have the same inputs
            self._last = None  # it may be as large as the next one
            self._last = x, feedback(x, damping)
        return self._last[1]


def slices(matrix: Matrix) -> Iterator[Float32]:
    """The rows of a matrix, many at a time."""
    held: list[NDArray[np.float32]] = []
    for block in matrix.blocks():
        held.append(block)
        if sum(each.size for each in held) >= SLICE_ELEMENTS:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)
