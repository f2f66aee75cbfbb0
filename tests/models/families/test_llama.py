"""What a Llama's config.json may say, and the reference it leads to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import LLAMA3_ROPE, config

from sitegen.errors import ModelError
from sitegen.models import reference
from sitegen.models.families import read_decoder
from sitegen.models.families.llama import Family
from sitegen.models.rope import Rope


def read(folder: Path, **changes: Any) -> Family:
    path = folder / "config.json"
    path.write_text(json.dumps(config(**changes)), encoding="utf-8")
    model_type, decoder = read_decoder(path)
    assert model_type == "llama"
    assert isinstance(decoder, Family)
    return decoder


def test_defaults_are_those_of_transformers(tmp_path: Path) -> None:
    values = config()
    for key in ("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta"):
        values[key] = None
    del values["tie_word_embeddings"], values["hidden_act"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    _, decoder = read_decoder(tmp_path / "config.json")
    assert isinstance(decoder, Family)
    assert (decoder.kv_heads, decoder.max_context, decoder.epsilon) == (4, 2048, 1e-6)
    assert decoder.rope == Rope(10000.0)
    assert not (decoder.tied or decoder.attention_bias or decoder.mlp_bias)


def test_an_explicit_head_dim(tmp_path: Path) -> None:
    decoder = read(tmp_path, head_dim=32)
    assert decoder.head_dim == 32
    assert decoder.tensors()["model.layers.0.self_attn.q_proj.weight"].shape == (128, 64)


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_rope_before_and_after_transformers_5(tmp_path: Path, key: str) -> None:
    scaling = {**LLAMA3_ROPE, "rope_theta": 5e5} if key == "rope_parameters" else LLAMA3_ROPE
    decoder = read(tmp_path, **{"rope_theta": 5e5, key: scaling})
    assert decoder.rope == Rope(5e5, "llama3", 8.0, 1.0, 4.0, 64)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hidden_size": None}, "`hidden_size` is missing"),
        ({"hidden_size": "64"}, "`hidden_size` is '64'; a whole number of at least 1"),
        ({"num_hidden_layers": 0}, "`num_hidden_layers` is 0; a whole number from 1 to"),
        ({"num_hidden_layers": 10**6}, "`num_hidden_layers` is 1000000; a whole number from 1 to"),
        ({"num_key_value_heads": 3}, "`num_key_value_heads` is 3, which does not divide the 4"),
        ({"num_attention_heads": 5, "num_key_value_heads": 5}, "`num_attention_heads` is 5, which"),
        ({"head_dim": 24}, "`head_dim` is 24; a multiple of 16 is expected"),
        ({"hidden_act": "gelu"}, "`hidden_act` is 'gelu'; a llama uses 'silu'"),
        ({"rms_norm_eps": -1}, "`rms_norm_eps` is -1; a positive number is expected"),
        ({"rms_norm_eps": float("nan")}, "`rms_norm_eps` is nan; a positive number"),
        ({"tie_word_embeddings": "yes"}, "`tie_word_embeddings` is 'yes'; true or false"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "`rope_scaling.rope_type` is 'yarn'"),
        ({"rope_scaling": {"type": "linear"}}, "`rope_scaling.factor` is missing"),
        ({"rope_scaling": [1]}, "`rope_scaling` is [1]; an object is expected"),
        (
            {"rope_scaling": {**LLAMA3_ROPE, "low_freq_factor": 4}},
            "`rope_scaling.high_freq_factor` is 4.0, not above low_freq_factor (4.0)",
        ),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "`rope_parameters.partial_rotary"),
        ({"model_type": "lama"}, "`model_type` is 'lama'; did you mean 'llama'?"),
        ({"model_type": "gpt2"}, "`model_type` is 'gpt2'"),
        ({"model_type": 3}, "`model_type` is 3; a text is expected"),
        ({"quantization_config": {"bits": 4}}, "`quantization_config` says that the weights are"),
    ],
)
def test_what_config_json_may_not_say(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ModelError) as error:
        read(tmp_path, **changes)
    assert error.value.problem.startswith(problem)
    assert str(error.value).startswith(f"{tmp_path / 'config.json'}: ")


def test_the_known_families_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        read(tmp_path, model_type="gpt2")
    assert error.value.hint == "Families this version exports: llama."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,\n "b" 2}', "config.json:2:6: invalid JSON: Expecting ':' delimiter"),
        ("[1]", "config.json: a JSON object was expected"),
        ("[" * 100_000, "config.json: invalid JSON: not UTF-8 text, nested too deep"),
        ('{"a": ' + "1" * 5000 + "}", "config.json: invalid JSON: not UTF-8 text"),
    ],
)
def test_config_json_that_is_no_object(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError) as error:
        read_decoder(tmp_path / "config.json")
    assert str(error.value).startswith(f"{tmp_path}/{problem}")


def test_linear_rope_divides_positions() -> None:
    plain, _ = Rope(10000.0).cos_sin(16, 10)
    stretched, _ = Rope(10000.0, "linear", 4.0).cos_sin(16, 40)
    np.testing.assert_allclose(stretched[::4], plain, atol=1e-6)


def test_llama3_rope_keeps_short_waves_and_stretches_long_ones() -> None:
    plain = Rope(10000.0).frequencies(64)
    scaled = Rope(10000.0, "llama3", 8.0, 1.0, 4.0, 1024).frequencies(64)
    waves = 2 * math.pi / plain
    short, long = waves < 1024 / 4, waves > 1024
    assert short.any() and long.any() and not (short | long).all()
    np.testing.assert_allclose(scaled[short], plain[short])
    np.testing.assert_allclose(scaled[long], plain[long] / 8)
    assert (np.diff(scaled) < 0).all()


def test_rope_angles_are_exact_at_long_positions() -> None:
    cos, _ = Rope(10000.0).cos_sin(16, 100_001)
    assert cos[100_000, 0] == pytest.approx(math.cos(100_000), abs=1e-7)


def test_attention_looks_only_back() -> None:
    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal((h, 6, 16), np.float32) for h in (4, 2, 2))
    whole = reference.attention(q, k, v)
    first = reference.attention(q[:, :4], k[:, :4], v[:, :4])
    np.testing.assert_allclose(whole[:4], first, atol=1e-6)
    assert whole.shape == (6, 64)
    # The first position sees itself only: every head returns the value its group shares.
    np.testing.assert_allclose(whole[0].reshape(4, 16), np.repeat(v[:, 0], 2, axis=0), atol=1e-6)
