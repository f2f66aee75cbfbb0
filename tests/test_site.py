from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sitegen.errors import ContentError, OutputError
from sitegen.site import build

Write = Callable[[Mapping[str, str]], Path]
WHOLE = Path(__file__).parent / "sites" / "whole"


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    shutil.copytree(WHOLE, tmp_path / "whole")
    return tmp_path / "whole"


def test_a_whole_site_is_built(whole: Path, tmp_path: Path) -> None:
    report = build(whole, cache=tmp_path / "cache")
    assert report.output == whole / "dist"
    assert report.pages == 3
    assert list(report.seconds) == ["content", "models", "bundle", "render", "output"]
    built = tree(whole / "dist")
    assert report.write.bytes == sum(
        len(content) for path, (content, _) in built.items() if path != ".sitegen-output.json"
    )
    for path in (
        "index.html",
        "guide/setup/index.html",
        "404.html",
        "sw.js",
        "_sitegen/sitegen.js",
    ):
        assert path in built
    assert built["paper.txt"][0] == b"A paper.\n"
    assert built["notes/data.csv"][0] == b"a,b\n1,2\n"
    assert "notes/later/index.html" not in built


def test_an_author_s_file_replaces_what_may_be_replaced(whole: Path, tmp_path: Path) -> None:
    build(whole, cache=tmp_path / "cache")
    assert (whole / "dist" / "robots.txt").read_text() == "User-agent: *\nDisallow: /notes/\n"


def test_building_again_writes_nothing(whole: Path, tmp_path: Path) -> None:
    build(whole, cache=tmp_path / "cache")
    before = tree(whole / "dist")
    report = build(whole, cache=tmp_path / "cache")
    assert (report.write.written, report.write.deleted) == ((), ())
    assert tree(whole / "dist") == before


def test_two_builds_of_one_site_are_equal(whole: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(whole, output=tmp_path / name, cache=tmp_path / "cache")
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert {path: content for path, (content, _) in one.items()} == {
        path: content for path, (content, _) in two.items()
    }


def test_a_failed_build_leaves_the_site_as_it_was(whole: Path, tmp_path: Path) -> None:
    build(whole, cache=tmp_path / "cache")
    before = tree(whole / "dist")
    (whole / "content" / "new.md").write_text("# New")
    (whole / "content" / "guide" / "index.md").write_text("[broken](nowhere.md)")
    with pytest.raises(ContentError):
        build(whole, cache=tmp_path / "cache")
    assert tree(whole / "dist") == before


def test_a_page_that_is_gone_leaves_the_site(whole: Path, tmp_path: Path) -> None:
    build(whole, cache=tmp_path / "cache")
    (whole / "content" / "index.md").write_text("# Home")
    (whole / "content" / "guide" / "index.md").write_text("# Guide")
    (whole / "content" / "guide" / "setup.md").unlink()
    report = build(whole, cache=tmp_path / "cache")
    assert "guide/setup/index.html" in report.write.deleted
    assert not (whole / "dist" / "guide" / "setup").exists()


def test_drafts_on_request(whole: Path, tmp_path: Path) -> None:
    assert build(whole, cache=tmp_path / "cache", drafts=True).pages == 4
    sitemap = (whole / "dist" / "sitemap.xml").read_text()
    assert (whole / "dist" / "notes" / "later" / "index.html").is_file()
    assert "later" not in sitemap
    assert build(whole, cache=tmp_path / "cache").pages == 3
    assert not (whole / "dist" / "notes" / "later").exists()


@pytest.mark.parametrize("name", ["404.html", "index.html", "_sitegen/models.json"])
def test_an_author_s_file_replaces_nothing_else(site: Write, tmp_path: Path, name: str) -> None:
    root = site({"content/index.md": "# Home", f"static/{name}": "mine"})
    with pytest.raises((ContentError, OutputError), match=f"static/{name}: "):
        build(root, cache=tmp_path / "cache")
    assert not (root / "dist").exists()
