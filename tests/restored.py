"""What onnxruntime's documentation says that quantized blocks mean, written without sitegen."""

from __future__ import annotations

import numpy as np


def unpacked(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """(n, bytes) → (n, count) whole numbers: of two 4-bit columns the even one is lower."""
    if bits == 8:
        return packed.astype(np.int32)
    q = np.empty((len(packed), packed.shape[1] * 2), np.int32)
    q[:, 0::2], q[:, 1::2] = packed & 15, packed >> 4
    return q[:, :count]


def restored(
    packed: np.ndarray, scales: np.ndarray, zeros: np.ndarray | None, bits: int, block_size: int
) -> np.ndarray:
    """Weights (n, columns) in float32: scale * (q - zero)."""
    n, blocks = scales.shape
    q = unpacked(packed.reshape(n, -1), bits, blocks * block_size)
    if zeros is None:
        zero = np.full((n, blocks), 1 << (bits - 1))
    else:
        zero = unpacked(zeros.reshape(n, -1), bits, blocks)
    spread = (np.repeat(x, block_size, axis=1) for x in (scales.astype(np.float32), zero))
    scale, zero = spread
    return (scale * (q - zero)).astype(np.float32)
