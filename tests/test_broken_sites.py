"""Each folder of sites/broken is a site with one mistake; expected.txt is all that is printed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sitegen.cli import main

SITES = Path(__file__).parent / "sites" / "broken"


@pytest.mark.parametrize("name", sorted(path.name for path in SITES.iterdir()))
def test_the_mistake_is_said(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / name
    shutil.copytree(SITES / name, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("SITEGEN_CACHE", str(tmp_path / "cache"))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert main(["build"]) == 1
    printed = capsys.readouterr()
    assert printed.err == (root / "expected.txt").read_text("utf-8")
    assert printed.out == ""
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
