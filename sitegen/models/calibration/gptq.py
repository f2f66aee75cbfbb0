"""Rows rounded so that what is lost in their products is small: https://arxiv.org/abs/2210.17323.

The weights of a row are rounded one after the other, and each takes over what those before it left
of an error in the row's output. How much depends on the inputs' second moments H = X^T X: with
H = R R^T, R upper triangular with D on its diagonal, column k is rounded after adding the errors of
the columns before it times (R D^-1)[:k, k]. That this is GPTQ, without an inverse of H, is shown in
https://arxiv.org/abs/2307.13304 (theorem 6). Rows do not depend on each other.
"""

from __future__ import annotations

import numpy as np

from sitegen.models.calibration.parallel import in_order
from sitegen.models.quantization.blockwise import Blocks, fit, inverse, pack
from sitegen.models.weights import Float32

# Of the mean diagonal of H, added to it: inputs that were never seen still count for something.
DAMPING = 0.01
PANEL = 256  # columns that are factored, or take over earlier errors, in one product


def feedback(x: Float32, damping: float = DAMPING) -> Float32:
    """Of inputs (tokens, columns), R D^-1 (columns, columns), in little more memory than that."""
    h = np.empty((x.shape[1], x.shape[1]), np.float32)

    def multiply(own: slice) -> None:
        h[: own.stop, own] = x[:, : own.stop].T @ x[:, own]

    for _ in in_order(multiply, _panels(len(h))):
        pass  # above the diagonal, which is all that is read
    diagonal = np.einsum("ii->i", h)
    mean = float(diagonal.mean())
    diagonal += damping * mean if mean else 1
    _factor(h)
    h /= diagonal.copy()
    return h


def _factor(h: Float32) -> None:
    """h (n, n) = R R^T, symmetric, of which only the upper half is read, becomes R.

    Panel by panel from the last: numpy's own Cholesky needs h three times over.
    """
    for own in reversed(_panels(len(h))):
        # Its factor is lower triangular; of the reversed matrix, reversed, it is upper.
        corner = np.linalg.cholesky(h[own, own][::-1, ::-1])[::-1, ::-1]
        above = np.linalg.solve(corner, h[: own.start, own].T).T

        def subtract(other: slice, above: Float32 = above) -> None:
            h[: other.stop, other] -= above[: other.stop] @ above[other].T

        for _ in in_order(subtract, _panels(own.start)):
            pass
        h[: own.start, own], h[own, own], h[own, : own.start] = above, corner, 0


def _panels(columns: int) -> list[slice]:
    return [slice(k, min(k + PANEL, columns)) for k in range(0, columns, PANEL)]


def round_rows(
    rows: Float32, unit: Float32, block_size: int = 32, symmetric: bool = True
) -> Blocks:
    """rows (n, columns) to int4 by `feedback`; scales and zeros by `fit`, block by block."""
    weights = rows.T.copy()  # (columns, n)
    errors = np.empty_like(weights)
    q = np.empty(weights.shape, np.uint8)
    found = []
    for first in range(0, len(weights), PANEL):
        panel = slice(first, first + PANEL)
        wanted = weights[panel] + unit[:first, panel].T @ errors[:first]
        for k in range(first, first + len(wanted), block_size):
            block = wanted[k - first : k - first + block_size]
            block += unit[first:k, k : k + block_size].T @ errors[first:k]
            half, zeros = fit(block, symmetric)
            scales, steps = half.astype(np.float32), inverse(half)
            for at, column in enumerate(block, k):
                column += unit[k:at, at] @ errors[k:at]
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
