"""What an author may name as a model, and what each mistake answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models.source import find


def test_a_folder_with_one_file(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "tiny-llama")
    source = find(ModelSpec(id="./models/tiny-llama"), tmp_path)
    assert list(source.weights) == ["model.safetensors"]
    assert source.index is None
    assert source.title == "Tiny llama"
    assert {"config.json", "tokenizer.json", "README.md"} <= source.files.keys()


def test_a_folder_beside_the_site(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    write_model(tmp_path / "SmolLM2-Tales")
    source = find(ModelSpec(id="../SmolLM2-Tales"), tmp_path / "site")
    assert source.title == "SmolLM2 Tales"


def test_a_folder_with_several_files(tmp_path: Path) -> None:
    write_model(tmp_path / "m", files=3)
    source = find(ModelSpec(id="./m"), tmp_path)
    assert len(source.weights) == 3
    assert source.index == tmp_path / "m" / "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("id", "problem", "hint"),
    [
        ("./nowhere", "the model folder './nowhere' does not exist", ""),
        ("builtin:storytelle", "no built-in model 'storytelle'", "Known:"),
        ("/srv/models/a", "absolute path, which would be published", "../models/my-model"),
        ("~/models/a", "absolute path, which would be published", ""),
        ("org/name", "org/name is not in the cache, and HF_HUB_OFFLINE forbids to ask", "once"),
        ("org/../name", "the model folder 'org/../name' does not exist", ""),
        ("storyteller", "neither a built-in model nor a folder", "./storyteller"),
        ("org/two--dashes", "no model of the Hugging Face hub is named so", "./two--dashes"),
        ("org/dot.", "no model of the Hugging Face hub is named so", ""),
        ("org/name.git", "no model of the Hugging Face hub is named so", ""),
        ("org/" + "n" * 97, "no model of the Hugging Face hub is named so", ""),
    ],
)
def test_names_that_lead_nowhere(
    tmp_path: Path, id: str, problem: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as error:
        find(ModelSpec(id=id), tmp_path)
    assert problem in error.value.problem
    assert hint in (error.value.hint or "")


def test_a_name_longer_than_the_system_allows(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: File name too long"):
        find(ModelSpec(id="./" + "a" * 300), tmp_path)


def test_a_near_miss_of_a_builtin_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean builtin:storyteller\?"):
        find(ModelSpec(id="builtin:storyteler"), tmp_path)


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    with pytest.raises(ModelError, match="is a folder and has no revision 'main'"):
        find(ModelSpec(id="./m", revision="main"), tmp_path)


@pytest.mark.parametrize("revision", ["", "a b", "../main", "refs/../x", "-x"])
def test_what_cannot_be_a_revision(tmp_path: Path, revision: str) -> None:
    with pytest.raises(ModelError, match="cannot be a revision"):
        find(ModelSpec(id="org/name", revision=revision), tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("config.json", "the model has no config.json, the file that says which architecture"),
        ("tokenizer.json", "the model has no tokenizer.json, the file that turns text into tokens"),
        ("model.safetensors", "the model has no weights: neither model.safetensors nor"),
    ],
)
def test_missing_files(tmp_path: Path, name: str, problem: str) -> None:
    write_model(tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    with pytest.raises(ModelError) as error:
        find(ModelSpec(id="./m"), tmp_path)
    assert problem in error.value.problem
    assert str(tmp_path / "m") in str(error.value)


SLOW = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json")


def test_the_files_of_a_slow_tokenizer_count_where_there_is_no_other(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    for name in SLOW:
        (tmp_path / "m" / name).touch()
    assert find(ModelSpec(id="./m"), tmp_path).files.keys().isdisjoint(SLOW)
    (tmp_path / "m" / "tokenizer.json").unlink()
    assert find(ModelSpec(id="./m"), tmp_path).files.keys() >= set(SLOW)


def test_a_vocabulary_without_its_merges_is_no_tokenizer(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").rename(tmp_path / "m" / "vocab.json")
    with pytest.raises(ModelError, match=r"the model has no tokenizer\.json"):
        find(ModelSpec(id="./m"), tmp_path)


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        (
            "pytorch_model.bin",
            "pickled (pytorch_model.bin): refused, because",
            "safe_serialization",
        ),
        ("weights.pt", "opening a pickle runs whatever code it carries", "save_pretrained"),
        ("adapter_model.safetensors", "holds an adapter only", "merge_and_unload"),
        ("other.safetensors", "holds other.safetensors, but neither model.safetensors", "Rename"),
    ],
)
def test_weights_of_another_kind(tmp_path: Path, name: str, problem: str, hint: str) -> None:
    write_model(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / name)
    with pytest.raises(ModelError) as error:
        find(ModelSpec(id="./m"), tmp_path)
    assert problem in error.value.problem
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', "[" * 100_000]
)
def test_a_damaged_index(tmp_path: Path, text: str) -> None:
    write_model(tmp_path / "m", files=2)
    (tmp_path / "m" / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="not a safetensors index"):
        find(ModelSpec(id="./m"), tmp_path)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a\\b"])
def test_an_index_reads_only_files_beside_it(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "m", files=2)
    text = json.dumps({"weight_map": {"a": name}})
    (tmp_path / "m" / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="names of files beside it"):
        find(ModelSpec(id="./m"), tmp_path)


def test_an_index_with_a_missing_file(tmp_path: Path) -> None:
    write_model(tmp_path / "m", files=2)
    (tmp_path / "m" / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lists model-00002-of-00002\.safetensors, which is"):
        find(ModelSpec(id="./m"), tmp_path)
