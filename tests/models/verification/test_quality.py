"""The numbers by which quantization is judged."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import prepare
from sitegen.models.verification.quality import compare


def test_by_hand() -> None:
    reference = np.log(np.array([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]], np.float32))
    ours = np.log(np.array([[0.25, 0.5, 0.25], [0.8, 0.1, 0.1]], np.float32)) + 7  # a constant
    found = compare(ours, reference, [2, 1])
    assert (found.positions, found.agreement) == (2, 0.5)
    assert found.kl == pytest.approx((0.5 * math.log(2) - 0.25 * math.log(2)) / 2, rel=1e-5)
    assert found.perplexity_ratio == pytest.approx(0.5)  # token 1 follows: 0.25 became 0.5


@pytest.mark.parametrize("count", [1, 16, 17, 37])
def test_the_same_logits_differ_in_nothing(count: int) -> None:
    logits = np.random.default_rng(0).standard_normal((count, 50)).astype(np.float32) * 20
    found = compare(logits, logits, list(range(count)))
    assert (found.positions, found.agreement, found.kl, found.perplexity_ratio) == (count, 1, 0, 1)


def test_a_divergence_is_never_below_nothing() -> None:
    """A constant changes no prediction, but rounds every number."""
    logits = np.random.default_rng(0).standard_normal((5, 50)).astype(np.float32)
    for constant in np.linspace(0.1, 9, 20, dtype=np.float32):
        assert 0 <= compare(logits + constant, logits, [0] * 5).kl < 1e-6


def test_many_positions_are_the_mean_of_all() -> None:
    random = np.random.default_rng(1)
    a, b = random.standard_normal((2, 40, 12)).astype(np.float32)
    p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (b, a))
    ids = [int(i) for i in random.integers(0, 12, 40)]
    rows, after = np.arange(39), np.array(ids[1:])
    found = compare(a, b, ids)
    assert found.kl == pytest.approx((p * np.log(p / q)).sum() / 40, rel=1e-5)
    ratio = np.exp(np.log(p[rows, after] / q[rows, after]).mean())
    assert found.perplexity_ratio == pytest.approx(ratio, rel=1e-5)


def test_an_agreement_that_is_not_reached_fails_the_build(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    spec = {"id": "./m", "quantization": {"min_agreement": 1.0, "block_size": 16}}
    with pytest.raises(ModelError) as error:
        prepare(ModelSpec.model_validate(spec), root=tmp_path, cache=tmp_path / "c")
    assert "webgpu-f16 names the original's likeliest token at " in error.value.problem
    assert error.value.problem.endswith("; `min_agreement` asks for 100.0%")
    assert "the recipe q8 or fp16" in str(error.value.hint)
    assert not list((tmp_path / "c" / "models").glob("*"))
    spec["quantization"] = {"recipe": "fp32", "min_agreement": 1.0}
    model = prepare(ModelSpec.model_validate(spec), root=tmp_path, cache=tmp_path / "c")
    quality = model.manifest["variants"][0]["quality"]
    assert (quality["agreement"], quality["perplexity_ratio"]) == (1, 1)
    assert quality["bits_per_weight"] > 32
