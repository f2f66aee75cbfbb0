"""What a Llama's config.json may say, and the reference it leads to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import LLAMA3_ROPE, config

from sitegen.errors import ModelError
from sitegen.models.families import read_decoder
from sitegen.models.families.llama import Family
from sitegen.models.network.rope import plain


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
    attention = decoder.attention
    assert (attention.kv_heads, decoder.max_context, decoder.norm.epsilon) == (4, 2048, 1e-6)
    assert attention.rope == plain(10000.0, 16)
    assert not (decoder.tied or decoder.attention_bias or decoder.mlp_bias)


def test_an_explicit_head_dim(tmp_path: Path) -> None:
    decoder = read(tmp_path, head_dim=32)
    assert decoder.attention.head_dim == 32
    tensors = decoder.inventory().tensors
    assert tensors["model.layers.0.self_attn.q_proj.weight"] == (128, 64)


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_rope_before_and_after_transformers_5(tmp_path: Path, key: str) -> None:
    scaling = {**LLAMA3_ROPE, "rope_theta": 5e5} if key == "rope_parameters" else LLAMA3_ROPE
    decoder = read(tmp_path, **{"rope_theta": 5e5, key: scaling})
    rope = decoder.attention.rope
    assert rope is not None
    # Of 64 tokens the first wave turns ten times and stays; the last does not turn once.
    np.testing.assert_allclose(rope.frequencies[0], 1)
    np.testing.assert_allclose(rope.frequencies[-1], 5e5 ** (-14 / 16) / 8)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hidden_size": None}, "`hidden_size` is missing"),
        ({"hidden_size": "64"}, "`hidden_size` is '64'; a whole number of at least 1"),
        ({"num_hidden_layers": 0}, "`num_hidden_layers` is 0; a whole number from 1 to"),
        ({"num_hidden_layers": 10**6}, "`num_hidden_layers` is 1000000; a whole number from 1 to"),
        ({"num_key_value_heads": 3}, "`num_key_value_heads` is 3, which does not divide the 4"),
        ({"num_attention_heads": 5, "num_key_value_heads": 5}, "`num_attention_heads` is 5, which"),
        ({"head_dim": 20}, "`head_dim` is 20; a multiple of 8 is expected"),
        ({"hidden_act": "mish"}, "`hidden_act` is 'mish'"),
        ({"rms_norm_eps": -1}, "`rms_norm_eps` is -1; a positive number is expected"),
        ({"rms_norm_eps": float("nan")}, "`rms_norm_eps` is nan; a positive number"),
        ({"tie_word_embeddings": "yes"}, "`tie_word_embeddings` is 'yes'; true or false"),
        ({"rope_scaling": {"type": "ntk", "factor": 2.0}}, "`rope_scaling.rope_type` is 'ntk'"),
        ({"rope_scaling": {"type": "linear"}}, "`rope_scaling.factor` is missing"),
        ({"rope_scaling": [1]}, "`rope_scaling` is [1]; an object is expected"),
        (
            {"rope_scaling": {**LLAMA3_ROPE, "low_freq_factor": 4}},
            "`rope_scaling.high_freq_factor` is 4.0, not above low_freq_factor (4.0)",
        ),
        ({"rope_parameters": {"partial_rotary_factor": 2}}, "`partial_rotary_factor` is 2.0; at"),
        ({"model_type": "lama"}, "`model_type` is 'lama'; did you mean 'llama'?"),
        ({"model_type": "bloom"}, "`model_type` is 'bloom'"),
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
        read(tmp_path, model_type="bloom")
    assert error.value.hint is not None
    direct, others = error.value.hint.splitlines()
    assert direct.startswith("Exported without PyTorch: ") and "llama" in direct
    assert others.endswith("pip install 'sitegen[optimum]'")


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
