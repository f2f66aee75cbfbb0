"""A page whose model folder has one mistake: all that is printed, and a site left as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import write_model

from sitegen.cli import main
from sitegen.models.families import known

PAGE = "---\ntitle: Home\n{model}---\n\nText.\n"


def remove_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def remove_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncate_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 100)


def mistype_config(folder: Path) -> None:
    (folder / "config.json").write_text('{\n "model_type" "llama"\n}\n')


def configure(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = folder / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    "mistake, expected",
    [
        (
            remove_folder,
            'content/index.md:3:8: there is no model folder "./my-model"\n'
            "  3 | model: ./my-model\n"
            "    |        ^\n"
            "  Folders are relative to the site's own folder, where sitegen.toml stands.\n",
        ),
        (
            remove_tokenizer,
            "my-model: the model has no tokenizer.json, the file that turns text into tokens\n"
            "  Save it with `save_pretrained`, or copy it from where the model came from.\n",
        ),
        (
            pickle_weights,
            "my-model: the weights are pickled (pytorch_model.bin): refused, because opening "
            "a pickle runs whatever code it carries\n"
            "  Convert them to safetensors: load the model with transformers where you trust it "
            "and call `model.save_pretrained(folder, safe_serialization=True)`.\n",
        ),
        (
            truncate_weights,
            "my-model/model.safetensors: the file is truncated: the tensor 'model.norm.weight' "
            "ends at byte 189056 of the data, the file holds 188956\n"
            "  Download or save it again.\n",
        ),
        (
            mistype_config,
            "my-model/config.json:2:15: invalid JSON: Expecting ':' delimiter\n"
            '  2 |  "model_type" "llama"\n'
            "    |               ^\n",
        ),
        (
            configure(model_type="lama"),
            "my-model/config.json: `model_type` is 'lama'; did you mean 'llama'?\n"
            f"  Exported without PyTorch: {', '.join(known())}.\n"
            "  Most others with it: pip install 'sitegen[optimum]'\n",
        ),
        (
            configure(intermediate_size=160),
            "my-model/model.safetensors: the tensor 'model.layers.0.mlp.gate_proj.weight' has "
            "shape [96, 64]; config.json makes it [160, 64] (hidden_size is 64, intermediate_size "
            "is 160)\n",
        ),
    ],
)
def test_the_mistake_is_said_and_the_site_stays(
    mistake: Callable[[Path], None],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SITEGEN_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "content" / "index.md"
    page.parent.mkdir()
    page.write_text(PAGE.format(model=""))
    assert main(["build"]) == 0
    capsys.readouterr()
    published = {path: path.read_bytes() for path in Path("dist").rglob("*") if path.is_file()}
    assert published

    page.write_text(PAGE.format(model="model: ./my-model\n"))
    mistake(write_model(tmp_path / "my-model", dtype="F16"))
    assert main(["build"]) == 1
    printed = capsys.readouterr()
    assert printed.err.removeprefix("My model: reading model.safetensors\n") == expected
    assert {
        path: path.read_bytes() for path in Path("dist").rglob("*") if path.is_file()
    } == published
