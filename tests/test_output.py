from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitegen.errors import OutputError
from sitegen.output import STAGING, STATE, Content, write


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, but for the list of files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != STATE
    }


def owned(folder: Path) -> dict[str, str]:
    state = json.loads((folder / STATE).read_text())
    assert state["version"] == 1
    files: dict[str, str] = state["files"]
    return files


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_first_write_makes_the_folder(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_bytes(b"from a file")
    folder = tmp_path / "a" / "dist"
    report = write({"index.html": b"home", "deep/er/file.txt": source}, folder)
    assert tree(folder) == {"index.html": b"home", "deep/er/file.txt": b"from a file"}
    assert owned(folder) == {
        "index.html": sha256(b"home"),
        "deep/er/file.txt": sha256(b"from a file"),
    }
    assert set(report.written) == {"index.html", "deep/er/file.txt"}
    assert (report.deleted, report.unchanged, report.bytes) == ((), 0, 15)
    assert not (folder / STAGING).exists()


def test_what_is_unchanged_is_not_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write({"same.txt": b"1", "other.txt": b"1"}, folder)
    before = {name: (folder / name).stat() for name in ("same.txt", "other.txt", STATE)}
    assert write({"same.txt": b"1", "other.txt": b"1"}, folder).written == ()
    for name, status in before.items():
        after = (folder / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    report = write({"same.txt": b"1", "other.txt": b"2"}, folder)
    assert report.written == ("other.txt",)
    assert (folder / "same.txt").stat().st_ino == before["same.txt"].st_ino


def test_ours_are_deleted_others_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write({"a/ours.txt": b"", "b/ours.txt": b"", "index.html": b""}, folder)
    (folder / "a" / "theirs.txt").write_text("theirs")
    report = write({"index.html": b""}, folder)
    assert report.deleted == ("a/ours.txt", "b/ours.txt")
    assert tree(folder) == {"a/theirs.txt": b"theirs", "index.html": b""}
    assert not (folder / "b").exists()


def test_a_file_changed_by_hand_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write({"index.html": b"home", "gone.html": b"gone"}, folder)
    (folder / "index.html").write_bytes(b"hoax")
    (folder / "gone.html").unlink()
    assert set(write({"index.html": b"home", "gone.html": b"gone"}, folder).written) == {
        "index.html",
        "gone.html",
    }
    assert tree(folder) == {"index.html": b"home", "gone.html": b"gone"}


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "thesis.tex").write_text("important")
    with pytest.raises(OutputError) as error:
        write({"index.html": b""}, folder)
    assert str(error.value) == (
        f"{folder}: the output folder holds files that sitegen did not write\n"
        "  Name an empty folder, or empty this one yourself: nothing was touched."
    )
    assert tree(folder) == {"thesis.tex": b"important"}


def test_an_empty_folder_becomes_ours(tmp_path: Path) -> None:
    write({"index.html": b""}, tmp_path)
    assert tree(tmp_path) == {"index.html": b""}


def test_a_file_instead_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("")
    with pytest.raises(OutputError, match="the output folder is a file"):
        write({"index.html": b""}, tmp_path / "dist")


def test_a_list_of_files_that_cannot_be_read_stops_the_write(tmp_path: Path) -> None:
    (tmp_path / STATE).mkdir()
    with pytest.raises(OutputError, match="the site cannot be written: .*directory"):
        write({"index.html": b""}, tmp_path)
    assert tree(tmp_path) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks of folders")
def test_a_second_write_at_the_same_time_is_refused(tmp_path: Path) -> None:
    import fcntl

    write({"index.html": b"1"}, tmp_path)
    first = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    with pytest.raises(OutputError, match="another build is writing to this folder"):
        write({"index.html": b"2"}, tmp_path)
    assert tree(tmp_path) == {"index.html": b"1"}
    os.close(first)
    write({"index.html": b"2"}, tmp_path)
    assert tree(tmp_path) == {"index.html": b"2"}


def test_a_damaged_list_of_files_stops_the_write(tmp_path: Path) -> None:
    write({"index.html": b"1"}, tmp_path)
    for damage in (
        "{",
        "[]",
        '{"version": 2, "files": {}}',
        '{"version": 1, "files": {"../x": ""}}',
    ):
        (tmp_path / STATE).write_text(damage)
        with pytest.raises(OutputError, match="the list of files that sitegen wrote is damaged"):
            write({"index.html": b"2"}, tmp_path)
    assert (tmp_path / "index.html").read_bytes() == b"1"


@pytest.mark.parametrize(
    "path",
    ["", "/etc/x", "../x", "a/../x", "a//b", "./a", "a/", "a\\b", "a\0b", "C:/x", STATE,
     f"{STAGING}/x"],
)  # fmt: skip
def test_paths_that_are_none(path: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no path inside the output folder"):
        write({"index.html": b"", path: b""}, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("About/x", "about/x"), '"About/x" and "about/x" are one file on Windows and macOS'),
        (("a", "a/b"), '"a" is a file, and "a/b" needs a folder of that name'),
        (("A", "a/b"), '"A" is a file, and "a/b" needs a folder of that name'),
    ],
)
def test_paths_that_do_not_go_together(
    paths: tuple[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(OutputError) as error:
        write(dict.fromkeys(paths, b""), tmp_path / "dist")
    assert error.value.problem == message
    assert not (tmp_path / "dist").exists()


def test_a_foreign_file_in_the_way_stops_the_write(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write({"index.html": b"1"}, folder)
    (folder / "CNAME").write_text("example.org")
    for files in ({"index.html": b"2", "CNAME": b"x"}, {"index.html": b"2", "CNAME/x": b""}):
        with pytest.raises(
            OutputError, match="CNAME: a file that sitegen did not write lies where"
        ):
            write(files, folder)
    (folder / "page").mkdir()
    (folder / "page" / "notes.txt").write_text("theirs")
    with pytest.raises(OutputError, match="notes.txt: a file that sitegen did not write"):
        write({"index.html": b"2", "page": b""}, folder)
    (folder / "page" / "notes.txt").unlink()
    (folder / "page" / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="link: a file that sitegen did not write"):
        write({"index.html": b"2", "page": b""}, folder)
    assert (folder / "page" / "link").is_symlink()
    assert (folder / "index.html").read_bytes() == b"1"
    assert (folder / "CNAME").read_bytes() == b"example.org"


def test_symbolic_links_do_not_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.html").write_text("theirs")
    folder = tmp_path / "dist"
    write({"a/x.html": b"1", "b.html": b"1"}, folder)
    (folder / "a" / "x.html").unlink()
    (folder / "a").rmdir()
    (folder / "a").symlink_to(outside)
    for files in ({"a/x.html": b"2", "b.html": b"1"}, {"b.html": b"1"}):
        with pytest.raises(OutputError, match="a symbolic link lies where the site needs a folder"):
            write(files, folder)
    (folder / "a").unlink()
    (folder / "b.html").unlink()
    (folder / "b.html").symlink_to(outside / "x.html")
    write({"a/x.html": b"2", "b.html": b"2"}, folder)
    assert not (folder / "b.html").is_symlink()
    assert (outside / "x.html").read_text() == "theirs"


def test_files_become_folders_and_folders_files(tmp_path: Path) -> None:
    write({"a": b"1", "b/c/d": b"1"}, tmp_path)
    write({"a/x": b"2", "b": b"2"}, tmp_path)
    assert tree(tmp_path) == {"a/x": b"2", "b": b"2"}


def test_only_the_capitals_change(tmp_path: Path) -> None:
    write({"About/index.html": b"1"}, tmp_path)
    write({"about/index.html": b"1"}, tmp_path)
    assert tree(tmp_path) == {"about/index.html": b"1"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the test above shows it there")
def test_only_the_capitals_change_where_they_make_no_difference(tmp_path: Path) -> None:
    """Two names of one file, as on Windows and macOS."""
    write({"About.txt": b"1", "b.txt": b"1"}, tmp_path)
    (tmp_path / "about.txt").hardlink_to(tmp_path / "About.txt")
    write({"about.txt": b"2", "b.txt": b"1"}, tmp_path)
    assert tree(tmp_path) == {"about.txt": b"2", "b.txt": b"1"}
    (tmp_path / "B.txt").write_bytes(b"theirs")
    with pytest.raises(OutputError, match="B.txt: a file that sitegen did not write"):
        write({"B.txt": b"1"}, tmp_path)


def test_a_file_that_is_not_what_its_name_says_stops_the_write(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    good, bad = b"weights", b"weighty"
    name = f"files/{sha256(good)}.bin"
    source = tmp_path / "cached"
    source.write_bytes(good)
    write({name: source, "index.html": b"1"}, folder)
    before = tree(folder)
    source.write_bytes(bad)
    other = f"files/{sha256(b'others.')}.bin"
    with pytest.raises(OutputError, match="this file is damaged: its SHA-256 is"):
        write({name: source, other: source, "index.html": b"2"}, folder)
    assert tree(folder) == before


def test_a_source_that_is_missing_stops_the_write(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write({"index.html": b"1"}, folder)
    with pytest.raises(OutputError, match='gone: the source of "x" is no file'):
        write({"index.html": b"2", "x": tmp_path / "gone"}, folder)
    assert tree(folder) == {"index.html": b"1"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file")
def test_a_source_that_cannot_be_read_stops_the_write(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    source = tmp_path / "source"
    source.write_bytes(b"")
    source.chmod(0)
    with pytest.raises(OutputError, match="the site cannot be written"):
        write({"index.html": b"1", "x": source}, folder)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_files_are_copies_that_every_host_can_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    source.chmod(0o600)
    write({"x": source, "y": b""}, tmp_path / "dist")
    for name in ("x", "y"):
        status = (tmp_path / "dist" / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o644, 1)


def test_a_write_after_a_cut_completes_it(tmp_path: Path) -> None:
    """The states a cut may leave: staged only, claimed, half moved; each is taken up."""
    old: Mapping[str, Content] = {"a": b"1", "b": b"1", "gone": b"1"}
    new: Mapping[str, Content] = {"a": b"2", "b": b"1", "c": b"2"}
    claimed = {"a": "", "b": sha256(b"1"), "gone": sha256(b"1"), "c": ""}
    for moved in ({}, {"a": b"2"}, {"a": b"2", "c": b"2"}, {"c": b"half"}):
        folder = tmp_path / f"{len(moved)}{moved.get('c')!r}"
        write(old, folder)
        (folder / STAGING).mkdir()
        (folder / STAGING / "0").write_bytes(b"2")
        (folder / STATE).write_text(json.dumps({"version": 1, "files": claimed}))
        for name, content in moved.items():
            (folder / name).write_bytes(content)
        write(new, folder)
        assert tree(folder) == {"a": b"2", "b": b"1", "c": b"2"}
        assert set(owned(folder)) == {"a", "b", "c"}


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_cut_between_a_file_and_a_folder_of_one_name(is_moved: bool, tmp_path: Path) -> None:
    write({"a": b"1", "b/c": b"1"}, tmp_path)
    claimed = {"a": sha256(b"1"), "b/c": sha256(b"1"), "a/x": "", "b": ""}
    (tmp_path / STATE).write_text(json.dumps({"version": 1, "files": claimed}))
    if is_moved:
        (tmp_path / "a").unlink()
        (tmp_path / "b" / "c").unlink()
        (tmp_path / "b").rmdir()
        (tmp_path / "b").write_bytes(b"2")
    write({"a/x": b"2", "b": b"2"}, tmp_path)
    assert tree(tmp_path) == {"a/x": b"2", "b": b"2"}
    assert set(owned(tmp_path)) == {"a/x", "b"}
    claimed = {"a/x": sha256(b"2"), "b": sha256(b"2"), "a": "", "b/c": ""}
    (tmp_path / STATE).write_text(json.dumps({"version": 1, "files": claimed}))
    write({"c": b"3"}, tmp_path)
    assert tree(tmp_path) == {"c": b"3"}


def test_a_first_write_after_a_cut_first_write(tmp_path: Path) -> None:
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / "0").write_text("x")
    write({"index.html": b""}, tmp_path)
    assert tree(tmp_path) == {"index.html": b""}


KILLED = """
import sys
from pathlib import Path
from sitegen.output import write
one = {f"{n}/a.txt": b"1" * 1000 for n in range(200)} | {"x": b"1", "only-one": b""}
two = {f"{n}/a.txt": b"2" * 1000 for n in range(0, 300, 2)} | {"x/y": b"2"}
print("ready", flush=True)
while True:
    for files in (one, two):
        write(files, Path(sys.argv[1]))
"""


def test_a_killed_write_is_completed_by_the_next(tmp_path: Path) -> None:
    """Killed for good, at a moment nobody chose."""
    folder = tmp_path / "dist"
    for delay_ms in (1, 20, 45, 80):
        command = [sys.executable, "-c", KILLED, str(folder)]
        root = Path(__file__).parents[1]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay_ms / 1000)
            process.kill()
        wanted = {"index.html": b"home", "3/a.txt": b"new", "x": b"x"}
        write(wanted, folder)
        assert tree(folder) == wanted
        assert set(owned(folder)) == set(wanted)


names = st.sampled_from(["a", "b", "c", "D", "d"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from([b"", b"1", b"2", b"22"])
sites = st.dictionaries(paths, contents, max_size=6)


def fits(files: Mapping[str, bytes]) -> bool:
    folded = [path.lower() for path in files]
    return len(set(folded)) == len(folded) and not any(
        other.startswith(f"{path}/") for path in folded for other in folded
    )


@settings(max_examples=60)
@given(history=st.lists(sites.filter(fits), min_size=1, max_size=4))
def test_a_later_write_equals_a_fresh_one(history: list[dict[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        used, fresh = Path(name, "used"), Path(name, "fresh")
        for files in history:
            write(files, used)
        write(history[-1], fresh)
        assert tree(used) == tree(fresh) == history[-1]
        assert owned(used) == owned(fresh)
        folders = [
            sorted(p.relative_to(f) for p in f.rglob("*") if p.is_dir()) for f in (used, fresh)
        ]
        assert folders[0] == folders[1]
