"""Weights in blocks that share a scale, and the scale that loses least.

A weight is `scale * (q - zero)`, q a whole number of 4 or 8 bits, `zero` the middle of its range
or, asymmetric, a whole number of each block's own. Scales are stored in float16, and are rounded to
it before anything is divided by them: the reader multiplies by exactly what the writer divided by.
The layout is that of onnxruntime's MatMulNBits and GatherBlockQuantized:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sitegen.models.network.matrix import transpose
from sitegen.models.weights import Float32

Bits = Literal[4, 8]

# Of how many steps the search makes the largest weight, or the block's range, beside the 8 and 15
# of plain rounding: those that lower the error most on normally distributed weights.
SYMMETRIC_STEPS = (8.4, 7.2, 8.8)
ASYMMETRIC_STEPS = (14.3, 15.7, 13.6, 16.2)


@dataclass(frozen=True)
class Blocks:
    """Quantized rows; bits follow each other from the lowest of a byte to the highest."""

    packed: NDArray[np.uint8]  # q: (n, columns * bits / 8)
    scales: NDArray[np.float16]  # (n, blocks); infinite where weights are out of float16's range
    zeros: NDArray[np.uint8] | None  # (n, ceil(blocks * bits / 8)); None: all 2 ** (bits - 1)


def quantize_blocks(
    rows: Float32, bits: Bits = 4, block_size: int = 32, symmetric: bool = True
) -> Blocks:
    """rows (n, columns), columns a multiple of block_size.

    4 bits: with the scales that `fit` finds; 8 bits, always symmetric: largest weight to -128.
    """
    symmetric = symmetric or bits == 8
    blocks = rows.reshape(-1, block_size)
    # Along a block's few contiguous numbers numpy's reductions are slow; along the other axis they
    # are SIMD.
    across = np.empty(blocks.shape[::-1], np.float32)
    transpose(blocks, across)
    if bits == 8:
        with np.errstate(over="ignore"):  # the caller looks for infinity
            scales = (largest(across) / np.float32(-128)).astype(np.float16)
    else:
        scales, zeros = fit(across, symmetric)
    # Into the memory of `across`: less to give back to the system and to ask for again.
    q = np.multiply(blocks, inverse(scales)[:, None], out=across.reshape(blocks.shape))
    # The half makes truncation round.
    q += np.float32(2 ** (bits - 1) + 0.5) if symmetric else zeros[:, None] + np.float32(0.5)
    np.clip(q, 0, 2**bits - 1, out=q)
    n = len(rows)
    return Blocks(
        packed=pack(q.astype(np.uint8).reshape(n, -1), bits),
        scales=scales.reshape(n, -1),
        zeros=None if symmetric else pack(zeros.astype(np.uint8).reshape(n, -1), bits),
    )


def fit(across: Float32, symmetric: bool = True) -> tuple[NDArray[np.float16], Float32]:
    """Scales (n,) and zeros (n,) for 4 bits of the blocks (block_size, n): small squared error.

    Plain rounding maps the largest weight to -8 or, asymmetric, the block's range to 15 steps. A
    little more or less than that often suits the other weights better: some such choices are
    tried, each improved by least squares, and the best is taken; never worse than the plain one.
    The idea is that of make_qx_quants in llama.cpp (ggml/src/ggml-quants.c).
    """
    peak = largest(across)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for infinity
        plain = (peak / np.float32(-8)).astype(np.float16)
        if symmetric:
            search = _Search(across, plain)
            for steps in SYMMETRIC_STEPS:
                search.consider(np.float32(steps / 8))
            return search.best()
        low = np.minimum(across.min(axis=0), 0)
        span = np.maximum(across.max(axis=0), 0) - low
        wide = (span / np.float32(15)).astype(np.float16)
        # By the scale as it is stored: of tiny weights it is another one.
        below = -low * inverse(wide)  # how many steps zero is above the range's lower end
        search = _Search(across, wide, np.clip(np.rint(below), 0, 15))
        search.consider(wide * inverse(plain), np.full_like(low, 8))
        for steps in ASYMMETRIC_STEPS:
            finer = np.float32(steps / 15)
            # The steps that are missing or left over are shared by both ends.
            zeros = np.rint(np.float32((15 - steps) / 2) + finer * below)
            search.consider(finer, np.clip(zeros, 0, 15, out=zeros))
        return search.best()


class _Search:
    """Of the scales and zeros considered for each block, those of least squared error.

    Weights, and what is added up of them, are counted in plain scales. zeros: None for all 8.
    """

    def __init__(self, across: Float32, plain: NDArray[np.float16], zeros: Float32 | None = None):
        self._plain, self._inverse = plain, inverse(plain)
        self._weights = across * self._inverse
        self._q = np.empty_like(across)
        self._product, self._square = self._round(np.float32(1), zeros)
        self._gain = _gain(self._product, self._square)
        self._plain_error = self._square - 2 * self._product
        self._plain_zeros = np.full(len(plain), 8, np.float32) if zeros is None else zeros
        self._zeros = self._plain_zeros.copy()

    def consider(self, finer: Float32 | np.float32, zeros: Float32 | None = None) -> None:
        """Round with scales so many times smaller than the plain ones."""
        product, square = self._round(finer, zeros)
        gain = _gain(product, square)
        better = gain > self._gain
        # putmask takes a quarter of the time of copyto(where=better).
        np.putmask(self._gain, better, gain)
        np.putmask(self._product, better, product)
        np.putmask(self._square, better, square)
        if zeros is not None:
            np.putmask(self._zeros, better, zeros)

    def best(self) -> tuple[NDArray[np.float16], Float32]:
        """What was kept, or the plain choice where rounding to float16 has spoilt it."""
        product, square = self._product, self._square
        scales = (product / np.maximum(square, 1) * self._plain).astype(np.float16)
        size = scales.astype(np.float32) * self._inverse
        worse = ~(size * (size * square - 2 * product) <= self._plain_error)
        np.putmask(scales, worse, self._plain)
        np.putmask(self._zeros, worse, self._plain_zeros)
        return scales, self._zeros

    def _round(self, finer: Float32 | np.float32, zeros: Float32 | None) -> tuple[Float32, Float32]:
        """The products of q - zero with the weights and with itself, (n,) each."""
        q = np.multiply(self._weights, finer, out=self._q)
        if zeros is None:
            np.rint(q, out=q)
            np.clip(q, -8, 7, out=q)
        else:
            q += zeros
            np.rint(q, out=q)
            np.clip(q, 0, 15, out=q)
            q -= zeros
        product: Float32 = np.einsum("ij,ij->j", self._weights, q)
        square: Float32 = np.einsum("ij,ij->j", q, q)
        return product, square


def _gain(product: Float32, square: Float32) -> Float32:
    """By how much the best scale for these q has less squared error than a scale of 0."""
    # The square is of whole numbers: 0, and then so is the product, or at least 1.
    gain: Float32 = np.divide(product * product, np.maximum(square, 1))
    return gain


def largest(across: Float32) -> Float32:
    """Of each block (block_size, n), the weight of largest magnitude, with its sign."""
    high, low = across.max(axis=0), across.min(axis=0)
    peak: Float32 = np.where(high > -low, high, low)
    return peak


def inverse(scales: NDArray[np.float16] | Float32) -> Float32:
    """1 / scales in float32, and 0 for a scale of 0."""
    wide = scales.astype(np.float32, copy=False)
    # The inverse of a number below the smallest normal one would be infinity.
    normal = np.abs(wide) >= np.finfo(np.float32).tiny
    return np.divide(1, wide, out=np.zeros_like(wide), where=normal)


def pack(q: NDArray[np.uint8], bits: Bits) -> NDArray[np.uint8]:
    """(n, count) → (n, ceil(count * bits / 8)): of two 4-bit columns the even one lower."""
    if bits == 8:
        return q
    if q.shape[1] % 2:
        q = np.pad(q, ((0, 0), (0, 1)))
    pairs = q.view("<u2")  # low byte: even column, high byte: odd column
    packed: NDArray[np.uint8] = (pairs | (pairs >> 4)).astype(np.uint8)
    return packed
