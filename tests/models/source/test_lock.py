"""sitegen.lock: the same text for the same pins, left alone when nothing changed, checked."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from sitegen.errors import ModelError
from sitegen.models.source import lock
from sitegen.models.source.lock import Pin, PinnedFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIN = Pin(
    "org/tiny",
    "main",
    COMMIT,
    (PinnedFile("config.json", 12, "a" * 40), PinnedFile("model.safetensors", 345, "b" * 64)),
)
TEXT = f"""\
# Written by sitegen: models of the Hugging Face hub, each pinned to one commit.
# Keep this file under version control. `sitegen models update` moves the pins.

version = 1

[[model]]
id = "org/tiny"
revision = "main"
commit = "{COMMIT}"
files = [
  {{ name = "config.json", bytes = 12, sha1 = "{"a" * 40}" }},
  {{ name = "model.safetensors", bytes = 345, sha256 = "{"b" * 64}" }},
]
"""


def other(id: str, revision: str = "main") -> Pin:
    return Pin(id, revision, COMMIT, PIN.files)


def test_what_is_written(tmp_path: Path) -> None:
    lock.enter(tmp_path, PIN)
    assert (tmp_path / "sitegen.lock").read_text("utf-8") == TEXT
    assert lock.read(tmp_path) == {("org/tiny", "main"): PIN}


def test_no_file_is_no_pins(tmp_path: Path) -> None:
    assert lock.read(tmp_path) == {}
    assert lock.write(tmp_path, {}) is False
    assert not (tmp_path / "sitegen.lock").exists()


def test_the_order_of_entering_does_not_matter(tmp_path: Path) -> None:
    pins = [PIN, other("org/tiny", "v1"), other("a/z"), other("Zorg/a")]
    for name, order in (("one", pins), ("two", pins[::-1])):
        (tmp_path / name).mkdir()
        for pin in order:
            lock.enter(tmp_path / name, pin)
    texts = {(tmp_path / name / "sitegen.lock").read_text("utf-8") for name in ("one", "two")}
    assert len(texts) == 1


def test_a_pin_that_is_there_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sitegen.lock"
    path.write_text(TEXT.replace("\n\nversion", "\n# A note of mine.\nversion"), "utf-8")
    os.utime(path, (1, 1))
    lock.enter(tmp_path, PIN)
    assert path.stat().st_mtime == 1
    lock.enter(tmp_path, other("org/other"))
    assert path.stat().st_mtime > 1


def test_without_pins_there_is_no_file(tmp_path: Path) -> None:
    lock.enter(tmp_path, PIN)
    assert lock.write(tmp_path, {}) is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version = 1", "version = ", "4:11: broken TOML: invalid value"),
        ("version = 1", "<<<<<<< HEAD", "broken TOML"),
        ("version = 1", "", "is not a lock file of sitegen"),
        ("version = 1", "version = 1\ntitle = 1", "is not a lock file of sitegen"),
        ("[[model]]", "[model]", "entry 1 is damaged"),
        ('id = "org/tiny"', "", "entry 1 is damaged: it has no 'id'"),
        ("org/tiny", "../tiny", "entry 1 is damaged: '../tiny' is not what was expected"),
        ("org/tiny", "org/..", "entry 1 is damaged: 'org/..' is not what was expected"),
        (COMMIT, "main", "entry 1 is damaged: 'main' is not what was expected"),
        ("config.json", "../config.json", "'../config.json' is not the name of a file"),
        ("config.json", "zzz", "its files are not in order"),
        ("bytes = 12", "bytes = -1", "the size of config.json is -1"),
        ("a" * 40, "a" * 39, "the hash of config.json is"),
        ("files = [", "files = 3\nother = [", "entry 1 is damaged"),
    ],
)
def test_a_broken_lock_is_one_sentence(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "sitegen.lock"
    path.write_text(TEXT.replace(old, new), "utf-8")
    with pytest.raises(ModelError) as error:
        lock.read(tmp_path)
    assert str(error.value).startswith(str(path)) and problem in str(error.value)
    assert "Restore the file from version control; or delete it" in (error.value.hint or "")
    before = path.read_bytes()
    with pytest.raises(ModelError):
        lock.enter(tmp_path, PIN)
    assert path.read_bytes() == before


def test_an_entry_twice_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "sitegen.lock"
    entry = TEXT[TEXT.index("[[model]]") :]
    path.write_text(f"{TEXT}\n{entry}", "utf-8")
    with pytest.raises(ModelError, match="entry 2 is damaged: org/tiny at main is there twice"):
        lock.read(tmp_path)


def test_a_lock_of_a_newer_sitegen(tmp_path: Path) -> None:
    (tmp_path / "sitegen.lock").write_text(TEXT.replace("version = 1", "version = 2"), "utf-8")
    with pytest.raises(ModelError, match="4:1: was written by a newer sitegen: version 2"):
        lock.read(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="sitegen.lock: cannot be written: "):
        lock.enter(tmp_path / "file", PIN)


@pytest.mark.skipif(sys.platform == "win32", reason="there, folders cannot be locked")
def test_builds_at_once_lose_no_pin(tmp_path: Path) -> None:
    def enter(number: int) -> None:
        for each in range(10):
            lock.enter(tmp_path, other(f"org/m{number}", f"v{each}"))

    builds = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert len(lock.read(tmp_path)) == 40


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "a/b",
        "a\\b",
        "a:b",
        "a\n",
        "a\x7f",
        "\ud800",
        "a.",
        "a ",
        "NUL",
        "con.safetensors",
    ],
)
def test_names_that_are_no_files_on_every_system(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a file"):
        PinnedFile(name, 1, "a" * 40)


@pytest.mark.parametrize(
    "name", ["config.json", "model-00001-of-00002.safetensors", "conf", "ü.md"]
)
def test_names_of_files(name: str) -> None:
    assert PinnedFile(name, 1, "a" * 40).name == name
