"""int4 rounded for the inputs that a model really has: GPTQ, https://arxiv.org/abs/2210.17323.

The weights of a row are rounded one after the other, and each takes over what those before it left
of an error in the row's output. How much depends on the inputs' second moments H = X^T X: with
H = R R^T, R upper triangular with D on its diagonal, column k is rounded after adding the errors of
the columns before it times (R D^-1)[:k, k]. That this is GPTQ, without an inverse of H, is shown in
https://arxiv.org/abs/2307.13304 (theorem 6). Rows do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sitegen.models import quantize
from sitegen.models.blockwise import Blocks, fit, inverse, pack
from sitegen.models.matrix import Matrix
from sitegen.models.network import Attention, Projection
from sitegen.models.passages import SENTENCES
from sitegen.models.quantize import Role
from sitegen.models.reference import Reference
from sitegen.models.runner import Runner
from sitegen.models.schemes import InBlocks, scheme
from sitegen.models.tokenizer import Text
from sitegen.models.variants import Variant
from sitegen.models.weights import Float32, Tensor

# Of the mean diagonal of H, added to it: inputs that were never seen still count for something.
DAMPING = 0.01
TIED_DAMPING = 0.1  # a tied table's rows are also looked up, where all errors count alike
PAGES, PAGE_TOKENS = 16, 192  # written to calibrate with; at most so many tokens each
SLICE_ELEMENTS = 1 << 22  # of a matrix rounded at once: 16 MiB, three times


def feedback(x: Float32, damping: float = DAMPING) -> Float32:
    """Of inputs (tokens, columns), R D^-1 (columns, columns)."""
    h = x.T @ x
    mean = float(np.trace(h)) / len(h)
    h[np.diag_indices_from(h)] += damping * mean if mean else 1
    # Cholesky's factor is lower triangular; of the reversed matrix, reversed, it is upper.
    r = np.linalg.cholesky(h[::-1, ::-1])[::-1, ::-1]
    unit: Float32 = np.divide(r, r.diagonal()).astype(np.float32)
    return unit


def round_rows(
    rows: Float32, unit: Float32, block_size: int = 32, symmetric: bool = True
) -> Blocks:
    """rows (n, columns) to int4 by `feedback`; scales and zeros by `fit`, block by block."""
    weights = rows.T.copy()  # (columns, n)
    errors = np.zeros_like(weights)
    q = np.empty(weights.shape, np.uint8)
    found = []
    for k in range(0, len(weights), block_size):
        block = slice(k, k + block_size)
        wanted = weights[block] + unit[:k, block].T @ errors[:k]
        half, zeros = fit(wanted, symmetric)
        scales, steps = half.astype(np.float32), inverse(half)
        for j in range(block_size):
            at = k + j
            column = wanted[j] + unit[k:at, at] @ errors[k:at]
            level = np.clip(np.rint(column * steps + zeros), 0, 15)
            errors[at] = weights[at] - scales * (level - zeros)
            q[at] = level
        found.append((half, zeros))
    halves, middles = (np.stack(each, axis=1) for each in zip(*found, strict=True))
    return Blocks(
        packed=pack(np.ascontiguousarray(q.T), 4),
        scales=halves,
        zeros=None if symmetric else pack(middles.astype(np.uint8), 4),
    )


def write_pages(runner: Runner, text: Text, context: int) -> list[list[int]]:
    """What the model writes at temperature 1, going on from sentences or answering them."""
    random = np.random.default_rng(0)
    pages = []
    for prompt in (text.encode(SENTENCES) * PAGES)[:PAGES]:
        page = (prompt or [0])[: context // 2]
        logits, past = runner.forward(page, runner.empty(), 1)
        while len(page) < min(PAGE_TOKENS, context):
            page.append(int((logits[-1] + random.gumbel(size=logits.shape[-1])).argmax()))
            if page[-1] in text.eos_token_ids:
                break
            logits, past = runner.forward(page[-1:], past, 1)
        pages.append(page)
    return pages


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
        self._see(Matrix.of(self.weights, projections), x, "linear")
        return super().linear(x, *projections, outliers=outliers)

    def logits(
        self, x: Float32, head: Projection, *, tied: bool = False, softcap: float | None = None
    ) -> Float32:
        self._see(Matrix.of(self.weights, [head]), x, "tied" if tied else "head")
        return x  # the scores of all tokens would be the largest array of all, and nobody asks


class Rounding:
    """What a `Calibration` calls: rounds each matrix for its inputs and keeps what comes out."""

    def __init__(self, variant: Variant):
        self._variant = variant
        self.found: dict[str, list[Blocks]] = {}
        self._last: tuple[Float32, Float32] | None = None  # inputs and their feedback

    def __call__(self, matrix: Matrix, x: Float32, role: Role) -> None:
        found = scheme(role, self._variant)
        if not isinstance(found, InBlocks) or found.bits != 4:
            return
        quantize.InBlocks(matrix, found.bits, found.block_size, found.symmetric)  # do blocks fit?
        if self._last is None or self._last[0] is not x:  # gate and up have the same inputs
            self._last = x, feedback(x, TIED_DAMPING if role == "tied" else DAMPING)
        unit = self._last[1]
        self.found[matrix.name] = [
            round_rows(rows, unit, found.block_size, found.symmetric) for rows in slices(matrix)
        ]


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
