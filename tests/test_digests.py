"""Digests that are remembered must still notice a changed file."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from sitegen.digests import Digests, sha256_of, write_atomically


def write_settled(path: Path, content: bytes) -> None:
    """A file that was last changed an hour ago."""
    path.write_bytes(content)
    hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (hour_ago, hour_ago))


def test_reads_files_larger_than_a_block(tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 7)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_changed_file_of_equal_length_is_noticed_by_the_next_build(tmp_path: Path) -> None:
    path, memo = tmp_path / "file", tmp_path / "digests.json"
    write_settled(path, b"before")
    first = Digests(memo)
    assert first.of(path) == hashlib.sha256(b"before").hexdigest()
    first.save()
    path.write_bytes(b"after!")
    assert Digests(memo).of(path) == hashlib.sha256(b"after!").hexdigest()


def test_a_file_changed_just_now_is_read_again(tmp_path: Path) -> None:
    """It may change once more within a tick of the clock, and its times would not show it."""
    path, memo = tmp_path / "file", tmp_path / "digests.json"
    path.write_bytes(b"before")
    first = Digests(memo)
    first.of(path)
    first.save()
    assert Digests(memo).remembered(path) is None


def test_a_remembered_file_is_not_read(tmp_path: Path) -> None:
    path, memo = tmp_path / "file", tmp_path / "digests.json"
    write_settled(path, b"content")
    first = Digests(memo)
    expected = first.of(path)
    first.save()
    # The memo is believed: a wrong digest in it comes back.
    memo.write_text(memo.read_text().replace(expected, "0" * 64))
    assert Digests(memo).of(path) == "0" * 64


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", '{"/file": 3}', json.dumps({"/" + "a" * 5000: [1, 2, 3, "0"]})]
)
def test_a_damaged_memo_costs_time_only(tmp_path: Path, text: str) -> None:
    path, memo = tmp_path / "file", tmp_path / "digests.json"
    write_settled(path, b"content")
    memo.write_text(text)
    digests = Digests(memo)
    assert digests.of(path) == hashlib.sha256(b"content").hexdigest()
    digests.save()
    assert str(path) in memo.read_text()


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    memo = tmp_path / "digests.json"
    for name in ("one", "two"):
        write_settled(tmp_path / name, b"content")
    digests = Digests(memo)
    digests.of(tmp_path / "one")
    digests.of(tmp_path / "two")
    (tmp_path / "one").unlink()
    digests.save()
    assert list(json.loads(memo.read_text())) == [str((tmp_path / "two").resolve())]


def test_a_memo_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    write_settled(tmp_path / "file", b"content")
    digests = Digests(tmp_path / "file" / "digests.json")
    digests.of(tmp_path / "file")
    digests.save()
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask to speak of")
def test_others_may_read_what_is_written_when_the_umask_says_so(tmp_path: Path) -> None:
    for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            write_atomically(tmp_path / "file", b"content")
        finally:
            os.umask(before)
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode
