"""Whole exports that are calibrated: what decides about them, and what an interruption leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.models import Model, key_of, prepare
from sitegen.texts import SILENCE, Prompt, Texts

PAGE = Texts(("A page on foxes.",), (), (Prompt("Where is the fox?"), Prompt("Who?", "Be brief.")))


def export(root: Path, texts: Texts = SILENCE, cache: str = "c", say: Any = None) -> Model:
    return prepare(spec("page"), root=root, cache=root / cache, texts=texts, progress=say)


def spec(calibration: str) -> ModelSpec:
    return ModelSpec.model_validate({"id": "./m", "quantization": {"calibration": calibration}})


def test_an_edit_of_the_page_makes_another_export(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    edited = Texts(("A page on wolves.",), (), PAGE.prompts)

    def key(calibration: str, texts: Texts) -> str | None:
        return key_of(spec(calibration), root=tmp_path, cache=tmp_path / "c", texts=texts)

    assert key("page", PAGE) != key("page", edited)
    for calibration in ("none", "generated"):
        assert key(calibration, PAGE) == key(calibration, edited)
    first = export(tmp_path, PAGE)
    assert export(tmp_path, PAGE).manifest == first.manifest
    assert export(tmp_path, edited).files.keys() != first.files.keys()


def test_a_page_that_says_nothing_leaves_the_writing_to_the_model(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    generated = prepare(spec("generated"), root=tmp_path, cache=tmp_path / "c")
    assert export(tmp_path).files.keys() == generated.files.keys()


def test_the_page_is_read_and_its_prompts_are_answered(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    said: list[str] = []
    export(tmp_path, PAGE, say=said.append)
    assert "M: writing 15 of 15 passages to calibrate with" in said
    silent = Texts(PAGE.prose)
    assert export(tmp_path, silent).files.keys() != export(tmp_path, PAGE).files.keys()


@pytest.mark.parametrize("moment", ["writing 3", "calibrating 0", "int4 weights", "webgpu-f32"])
def test_the_next_build_goes_on_with_the_calibration(tmp_path: Path, moment: str) -> None:
    def interrupt(sentence: str) -> None:
        if moment in sentence:
            raise KeyboardInterrupt

    write_model(tmp_path / "m")
    fresh = export(tmp_path, PAGE, "fresh")
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, PAGE, say=interrupt)
    said: list[str] = []
    again = export(tmp_path, PAGE, say=said.append)
    assert again.manifest == fresh.manifest
    assert again.files.keys() == fresh.files.keys()
    assert any("writing 1 of" in sentence for sentence in said) == (moment == "writing 3")
    assert any("calibrating with" in sentence for sentence in said) == (moment != "webgpu-f32")
    assert not list((tmp_path / "c" / "staging").iterdir())


def test_the_storyteller_is_nearer_to_itself(tmp_path: Path) -> None:
    def divergence(**options: str) -> float:
        spec = ModelSpec.model_validate({"id": "builtin:storyteller", "quantization": options})
        model = prepare(spec, root=tmp_path, cache=tmp_path / "c")
        return float(model.manifest["variants"][1]["quality"]["kl"])

    assert divergence(calibration="generated") < 0.8 * divergence()
