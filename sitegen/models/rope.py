"""Rotary position embeddings: the angles by which queries and keys turn at each position.

Su et al. 2021, https://arxiv.org/abs/2104.09864; `linear` is position interpolation,
https://arxiv.org/abs/2306.15595; `llama3` is what Llama 3.1 uses to reach 128k tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rope:
    """theta: base of the wavelengths; the other fields belong to `linear` and `llama3`."""

    theta: float
    kind: Literal["default", "linear", "llama3"] = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192

    def frequencies(self, head_dim: int) -> NDArray[np.float64]:
        """Radians per position of each pair of dimensions: (head_dim / 2,)."""
        frequencies = self.theta ** -(np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
        if self.kind == "linear":
            return frequencies / self.factor
        if self.kind == "llama3":
            # Short wavelengths stay, long ones are stretched by `factor`, between them a ramp.
            turns = self.original_context * frequencies / (2 * math.pi)
            ramp = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
            kept = np.clip(ramp, 0, 1)
            return frequencies * (kept + (1 - kept) / self.factor)
        return frequencies

    def cos_sin(
        self, head_dim: int, positions: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """cos and sin of the angles at positions 0…: each (positions, head_dim / 2).

        Computed in float64, because an angle of thousands of radians has no fraction left in
        float32.
        """
        angles = np.outer(np.arange(positions, dtype=np.float64), self.frequencies(head_dim))
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
