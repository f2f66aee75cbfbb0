"""The models that come with sitegen are exported like any other, and survive it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.config import ModelSpec
from sitegen.models import prepare
from sitegen.models.source import BUILTIN

NAMES = sorted(path.parent.name for path in BUILTIN.glob("*/config.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_model(tmp_path: Path, name: str) -> None:
    said: list[str] = []
    model = prepare(
        ModelSpec(id=f"builtin:{name}"), root=tmp_path, cache=tmp_path / "c", progress=said.append
    )
    assert model.manifest["tokenizer"]["eos_token_ids"]
    for variant in model.manifest["variants"]:
        assert len(variant["self_check"]["next_ids"]) >= 4, variant["name"]
    errors = [float(s.split("logits off by ")[1][:-1]) for s in said if "logits off by" in s]
    half, single, int8 = errors
    assert max(half, single) < 0.2
    assert int8 < 0.05
