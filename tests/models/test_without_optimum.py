"""What is said of a model that would need optimum, when it is not there or came to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import VOCAB, write_model, write_tokenizer

from sitegen.cli import main
from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import prepare
from sitegen.models.tracing import optimum, process
from sitegen.models.tracing.slow_tokenizer import PACKAGES


@pytest.mark.skipif(bool(optimum.versions()), reason="the extra is installed")
def test_without_the_extra_the_error_names_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "opt", "vocab_size": VOCAB}))
    (folder / "model.safetensors").write_bytes(bytes(8))
    write_tokenizer(folder)
    with pytest.raises(ModelError) as error:
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "cache")
    assert error.value.problem == "`model_type` is 'opt'"
    assert error.value.hint is not None
    assert error.value.hint.endswith("Most others with it: pip install 'sitegen[optimum]'")


@pytest.mark.skipif(bool(process.versions(PACKAGES)), reason="the extra is installed")
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["tokenizer.model"], "tokenizer.model"),
        (["vocab.json", "merges.txt"], "vocab.json, merges.txt"),
    ],
)
def test_a_slow_tokenizer_names_the_command(tmp_path: Path, names: list[str], found: str) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    for name in names:
        (folder / name).touch()
    with pytest.raises(ModelError) as error:
        prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "cache")
    assert error.value.problem == (
        "the model has no tokenizer.json, the file that turns text into tokens; it has "
        f"{found}, which transformers can convert"
    )
    assert error.value.hint == "Let the build convert it: pip install 'sitegen[optimum]'"


Inspect = Callable[[], tuple[dict[str, Any], list[str]]]


@pytest.fixture
def inspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inspect:
    """What `sitegen models inspect` says of ./m, as JSON and as lines."""

    def inspect() -> tuple[dict[str, Any], list[str]]:
        command = ["models", "inspect", "./m", "--root", str(tmp_path)]
        assert main([*command, "--json"]) == 0
        [values] = json.loads(capsys.readouterr().out)
        assert main(command) == 0
        return values, capsys.readouterr().out.splitlines()

    monkeypatch.setenv("SITEGEN_CACHE", str(tmp_path / "cache"))
    return inspect


@pytest.mark.skipif(bool(process.versions(PACKAGES)), reason="the extra is installed")
def test_who_inspects_a_slow_tokenizer_is_told_the_command(
    tmp_path: Path, inspect: Inspect
) -> None:
    write_model(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").rename(tmp_path / "m" / "tokenizer.model")
    values, lines = inspect()
    problem, hint = values["problem"], values["hint"]
    assert problem.endswith("it has tokenizer.model, which transformers can convert")
    assert hint == "Let the build convert it: pip install 'sitegen[optimum]'"
    assert {f"exported      {problem}", f"hint          {hint}"} < set(lines)
    assert values["context_length"] == 512


@pytest.mark.skipif(bool(optimum.versions()), reason="the extra is installed")
def test_who_inspects_a_model_without_a_family_is_told_the_command(
    tmp_path: Path, inspect: Inspect
) -> None:
    folder = write_model(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text("utf-8")) | {"model_type": "opt"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    values, lines = inspect()
    command = "Most others with it: pip install 'sitegen[optimum]'"
    assert values["hint"].endswith(command)
    assert f"hint          {command}" in lines


def test_an_end_without_an_answer_is_explained(tmp_path: Path) -> None:
    (tmp_path / "errors.txt").write_text("Traceback …\nMemoryError: 3 GiB\n", encoding="utf-8")
    with pytest.raises(ModelError, match="the export with PyTorch failed: MemoryError: 3 GiB"):
        optimum.WORK.answer(tmp_path, 1, tmp_path)
    with pytest.raises(ModelError, match="the system ended the export with PyTorch, most likely"):
        optimum.WORK.answer(tmp_path, -9, tmp_path)
