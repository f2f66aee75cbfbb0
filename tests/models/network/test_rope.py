"""The waves of rotary positions, for each way of reaching longer contexts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sitegen.errors import ModelError
from sitegen.models.fields import Fields
from sitegen.models.network.rope import Rope, plain, read_rope

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 1024,
}

PHI = {"original_max_position_embeddings": 1024}


def read(scaling: dict[str, Any] | None = None, head_dim: int = 64, **config: Any) -> Rope:
    return read_rope(Fields({"rope_scaling": scaling, **config}, Path("config.json")), head_dim)


def test_linear_divides_positions() -> None:
    plain_cos, _ = plain(10000.0, 16).cos_sin(10)
    stretched, _ = read({"type": "linear", "factor": 4.0}, 16).cos_sin(40)
    np.testing.assert_allclose(stretched[::4], plain_cos, atol=1e-6)


def test_dynamic_is_plain_within_the_context() -> None:
    assert read({"type": "dynamic", "factor": 4.0}) == plain(10000.0, 64)


def test_llama3_keeps_short_waves_and_stretches_long_ones() -> None:
    waves = np.array(plain(10000.0, 64).frequencies)
    scaled = np.array(read(LLAMA3).frequencies)
    lengths = 2 * math.pi / waves
    short, long = lengths < 1024 / 4, lengths > 1024
    assert short.any() and long.any() and not (short | long).all()
    np.testing.assert_allclose(scaled[short], waves[short])
    np.testing.assert_allclose(scaled[long], waves[long] / 8)
    assert (np.diff(scaled) < 0).all()


def test_yarn_keeps_short_waves_and_stretches_long_ones() -> None:
    waves = np.array(plain(10000.0, 64).frequencies)
    scaling, context = {"rope_type": "yarn", "factor": 4.0}, 2048
    rope = read(scaling, max_position_embeddings=context)
    turns = 2048 * waves / (2 * math.pi)  # within the original context
    kept, stretched = turns > 64, turns < 0.5  # well beyond the bounds of 32 and 1
    assert kept.any() and stretched.any()
    np.testing.assert_allclose(np.array(rope.frequencies)[kept], waves[kept])
    np.testing.assert_allclose(np.array(rope.frequencies)[stretched], waves[stretched] / 4)
    assert rope.magnitude == pytest.approx(0.1 * math.log(4) + 1)
    damped = read({**scaling, "attention_factor": 0.5}, max_position_embeddings=context)
    assert damped.magnitude == 0.5


def test_longrope_has_other_waves_for_long_sequences() -> None:
    scaling = {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    lengths = {"max_position_embeddings": 64, "original_max_position_embeddings": 32}
    rope = read(scaling, 16, **lengths)
    waves = plain(10000.0, 16).frequencies
    magnitude = math.sqrt(1 + math.log(2) / math.log(32))
    assert (rope.short_context, rope.magnitude) == (32, pytest.approx(magnitude))
    np.testing.assert_allclose(rope.frequencies, waves)
    np.testing.assert_allclose(rope.long, np.array(waves) / 2)
    assert read({**scaling, "type": "su"}, 16, **lengths) == rope  # its first name
    _, sin = rope.cos_sin(3, long=True)
    np.testing.assert_allclose(sin[1], magnitude * np.sin(np.array(waves) / 2), rtol=1e-6)


def test_a_share_of_the_head_turns() -> None:
    rope = read(None, 64, partial_rotary_factor=0.25)
    assert rope == plain(10000.0, 16)
    assert rope.dim == 16


def test_what_the_table_says_goes_before_what_stands_beside_it() -> None:
    table = {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}
    beside = {"rope_theta": 10.0, "partial_rotary_factor": 0.25}
    for name in ("rope_parameters", "rope_scaling"):
        fields = Fields({name: table, **beside}, Path("config.json"))
        assert read_rope(fields, 64) == plain(500.0, 32)


@pytest.mark.parametrize(
    ("share", "problem"),
    [
        (1.25, "is 1.25; at most 1 is expected"),
        (0.6, "turns 9 of a head's 16 dimensions; an even number is expected"),
        (0.01, "turns 0 of a head's 16 dimensions; an even number is expected"),
    ],
)
def test_a_share_that_no_head_has(share: float, problem: str) -> None:
    with pytest.raises(ModelError) as error:
        read(None, 16, partial_rotary_factor=share)
    assert error.value.problem == f"`partial_rotary_factor` {problem}"


def test_angles_are_exact_at_long_positions() -> None:
    cos, _ = plain(10000.0, 16).cos_sin(100_001)
    assert cos[100_000, 0] == pytest.approx(math.cos(100_000), abs=1e-7)


FACTORS = {
    "short_factor": [1.0 + n / 8 for n in range(32)],
    "long_factor": [2.0 + n for n in range(32)],
}
LONG = {"rope_type": "longrope", "factor": 3.0, **FACTORS}
YARN = {"rope_type": "yarn", "factor": 4.0}


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("scaling", "config"),
    [
        ({"rope_type": "linear", "factor": 4.0}, {}),
        (LLAMA3, {}),
        ({**LLAMA3, "low_freq_factor": 3.0, "factor": 2.0}, {"rope_theta": 5e5}),
        (YARN, {}),
        (YARN, {"max_position_embeddings": 16, "rope_theta": 100.0}),  # the ramp begins below 0
        (YARN, {"max_position_embeddings": 1 << 20}),  # and ends beyond the head
        ({**YARN, "original_max_position_embeddings": 512}, {}),
        ({**YARN, "beta_fast": 16.0, "beta_slow": 2.0, "truncate": False}, {}),
        ({**YARN, "mscale": 0.7, "mscale_all_dim": 1.3}, {}),
        ({**YARN, "mscale": 0.7}, {}),
        ({**YARN, "attention_factor": 0.5, "mscale": 2.0, "mscale_all_dim": 1.0}, {}),
        (YARN, {"partial_rotary_factor": 0.5}),
        (LONG, {"original_max_position_embeddings": 256}),
        ({**LONG, "attention_factor": 1.5}, {"original_max_position_embeddings": 256}),
        ({**LONG, "original_max_position_embeddings": 2048}, {}),
    ],
)
def test_waves_are_those_of_transformers(scaling: dict[str, Any], config: dict[str, Any]) -> None:
    reason = "parity compares with transformers, which is not installed: `make parity` installs it"
    functions = pytest.importorskip("transformers.modeling_rope_utils", reason=reason)
    from transformers import LlamaConfig

    config = {"max_position_embeddings": 2048, "rope_theta": 10000.0, **config}
    theirs = LlamaConfig(head_dim=64, rope_scaling=dict(scaling), **config)
    rope = read(scaling, **config)
    compute = functions.ROPE_INIT_FUNCTIONS[scaling["rope_type"]]
    waves, magnitude = compute(theirs, device="cpu")
    np.testing.assert_allclose(rope.frequencies, waves.numpy(), rtol=1e-5)
    assert rope.magnitude == pytest.approx(magnitude)
    if rope.long:
        waves, _ = compute(theirs, device="cpu", seq_len=rope.short_context + 1)
        np.testing.assert_allclose(rope.long, waves.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("scaling", "problem"),
    [
        ({"type": "longrope", **PHI}, "`rope_scaling.short_factor` is missing"),
        (
            {"type": "longrope", "short_factor": [1.0], **PHI},
            "`rope_scaling.short_factor` is a list of 1; 32 numbers are expected",
        ),
        (
            {"type": "longrope", "short_factor": [0] * 32, **PHI},
            "`rope_scaling.short_factor` holds something that is no positive number",
        ),
        (
            {"type": "longrope", "short_factor": [1.0] * 32, "long_factor": [1.0] * 32},
            "`rope_scaling.original_max_position_embeddings` is missing",
        ),
        ({"type": "yarn"}, "`rope_scaling.factor` is missing"),
        (
            {"type": "linear", "rope_type": "dynamic"},
            "`rope_scaling.type` is 'linear', but `rope_type` is 'dynamic'",
        ),
        ({"type": "ntk"}, "`rope_scaling.rope_type` is 'ntk'"),
        (
            {**LLAMA3, "low_freq_factor": 4.0},
            "`rope_scaling.high_freq_factor` is 4.0, not above low_freq_factor (4.0)",
        ),
    ],
)
def test_what_a_table_may_not_say(scaling: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError) as error:
        read(scaling, max_position_embeddings=2048)
    assert error.value.problem == problem


@pytest.mark.parametrize("kind", ["yarn", "longrope"])
def test_scaled_waves_need_the_context_they_are_scaled_for(kind: str) -> None:
    with pytest.raises(ModelError) as error:
        read({"type": kind, "factor": 4.0})
    assert error.value.problem == "`max_position_embeddings` is missing"
