"""Rotary position embeddings: the angles by which queries and keys turn at each position.

Su et al. 2021, https://arxiv.org/abs/2104.09864. How longer contexts are reached (`rope_type`):
    linear      positions divided, https://arxiv.org/abs/2306.15595
    dynamic     the base grows beyond the model's own context, which an export never exceeds
    yarn        long waves stretched, short ones kept, https://arxiv.org/abs/2309.00071
    llama3      the same with another ramp: Llama 3.1
    longrope    a factor for each wave, other ones for long sequences, https://arxiv.org/abs/2402.13753
The arithmetic is that of transformers/modeling_rope_utils.py, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitegen.models.fields import Fields

Waves = NDArray[np.float64]
"""Radians per position of each pair of dimensions: (rotary dimensions / 2,)."""


@dataclass(frozen=True)
class Rope:
    """frequencies: radians per position of each pair of dimensions, (rotary dimensions / 2,).

    magnitude: cos and sin are multiplied by it. long: the frequencies of sequences of more than
    `short_context` tokens, where those are others.
    """

    frequencies: tuple[float, ...]
    magnitude: float = 1.0
    long: tuple[float, ...] = ()
    short_context: int = 0

    @property
    def dim(self) -> int:
        """How many dimensions of a head turn: the first ones."""
        return 2 * len(self.frequencies)

    def is_long(self, tokens: int) -> bool:
        """Whether a sequence of so many tokens turns by the frequencies of long ones."""
        return bool(self.long) and tokens > self.short_context

    def cos_sin(
        self, positions: int, long: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """cos and sin of the angles at positions 0…: each (positions, dim / 2).

        long: as in a sequence of more than `short_context` tokens. Computed in float64, because
        an angle of thousands of radians has no fraction left in float32.
        """
        waves = np.array(self.long if long else self.frequencies)
        angles = np.outer(np.arange(positions, dtype=np.float64), waves)
        cos, sin = np.cos(angles) * self.magnitude, np.sin(angles) * self.magnitude
        return cos.astype(np.float32), sin.astype(np.float32)


def plain(theta: float, dim: int) -> Rope:
    """The rope of the paper."""
    return Rope(tuple(_waves(theta, dim)))


def _waves(theta: float, dim: int) -> Waves:
    waves: Waves = theta ** -(np.arange(0, dim, 2, dtype=np.float64) / dim)
    return waves


def read_rope(
    fields: Fields,
    head_dim: int,
    theta: float = 10000.0,
    share: float = 1.0,
    theta_key: str = "rope_theta",
    share_key: str = "partial_rotary_factor",
) -> Rope:
    """`rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before).

    theta and share (of a head's dimensions): what holds where config.json is silent. theta_key,
    share_key: what the family calls them. Raises ModelError for what is not supported.
    """
    scaling = (
        fields.table("rope_parameters") or fields.table("rope_scaling") or Fields({}, fields.where)
    )
    theta = scaling.number("rope_theta", fields.number(theta_key, theta))
    share = scaling.number("partial_rotary_factor", fields.number(share_key, share))
    if share > 1:
        raise fields.error(share_key, f"is {share}; at most 1 is expected")
    dim = int(head_dim * share)
    if dim % 2 or dim == 0:
        raise fields.error(
            share_key,
            f"turns {dim} of a head's {head_dim} dimensions; an even number is expected",
        )
    return scaled_rope(fields, scaling, theta, dim)


def scaled_rope(fields: Fields, scaling: Fields, theta: float, dim: int) -> Rope:
    """The rope that one table of config.json describes."""
    kind = scaling.text("rope_type", scaling.text("type", "default"))
    if scaling.text("type", kind) != kind:  # releases of transformers differ in which they follow
        raise scaling.error("type", f"is {scaling.text('type')!r}, but `rope_type` is {kind!r}")
    waves = _waves(theta, dim)
    if kind in ("default", "dynamic"):
        return Rope(tuple(waves))
    if kind == "linear":
        return Rope(tuple(waves / scaling.number("factor")))
    if kind == "llama3":
        return Rope(tuple(_llama3(scaling, waves)))
    if kind == "yarn":
        return _yarn(fields, scaling, theta, waves)
    if kind in ("longrope", "su"):  # the name in the first Phi-3
        return _longrope(fields, scaling, waves)
    raise scaling.error(
        "rope_type",
        f"is {kind!r}",
        "Supported: default, linear, dynamic, yarn, llama3, longrope.",
    )


def _llama3(scaling: Fields, waves: Waves) -> Waves:
    low, high = scaling.number("low_freq_factor"), scaling.number("high_freq_factor")
    if low >= high:
        raise scaling.error("high_freq_factor", f"is {high}, not above low_freq_factor ({low})")
    original = scaling.integer("original_max_position_embeddings")
    # Short wavelengths stay, long ones are stretched by `factor`, between them a ramp.
    turns = original * waves / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    stretched: Waves = waves * (kept + (1 - kept) / scaling.number("factor"))
    return stretched


def _yarn(fields: Fields, scaling: Fields, theta: float, waves: Waves) -> Rope:
    factor, dim = scaling.number("factor"), 2 * len(waves)
    original = scaling.integer(
        "original_max_position_embeddings",
        fields.integer("max_position_embeddings"),
    )

    def magnitude(strength: float) -> float:
        return 0.1 * strength * math.log(factor) + 1 if factor > 1 else 1.0

    default = magnitude(1)
    if scaling.values.get("mscale") and scaling.values.get("mscale_all_dim"):
        default = magnitude(scaling.number("mscale")) / magnitude(scaling.number("mscale_all_dim"))

    def dimension(turns: float) -> float:
        """Of the wave that turns so many times within the original context."""
        return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first = dimension(scaling.number("beta_fast", 32.0))
    last = dimension(scaling.number("beta_slow", 1.0))
    if scaling.flag("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    ramp = (np.arange(dim // 2) - first) / (last - first if last != first else 0.001)
    stretched = np.clip(ramp, 0, 1)
    scaled = waves * (1 - stretched + stretched / factor)
    return Rope(tuple(scaled), scaling.number("attention_factor", default))


def _longrope(fields: Fields, scaling: Fields, waves: Waves) -> Rope:
    longest = fields.integer("max_position_embeddings")
    key = "original_max_position_embeddings"
    original = (fields if key in fields.values else scaling).integer(key)
    factor = longest / original if original != longest else scaling.number("factor", 1.0)
    default = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    return Rope(
        tuple(waves / scaling.numbers("short_factor", len(waves))),
        scaling.number("attention_factor", default),
        tuple(waves / scaling.numbers("long_factor", len(waves))),
        original,
    )
