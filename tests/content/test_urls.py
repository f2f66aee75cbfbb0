from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.content.urls import page_url, relative, unfit

part = st.text(
    st.characters(codec="utf-8", exclude_characters="/:\\?#", exclude_categories=["C"]),
    min_size=1,
    max_size=8,
).filter(lambda text: text not in (".", ".."))
folder = st.lists(part, max_size=4).map(lambda parts: "".join(f"{part}/" for part in parts))


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("index.md", ""),
        ("about.md", "about/"),
        ("guide/index.md", "guide/"),
        ("guide/set.up.md", "guide/set.up/"),
    ],
)
def test_a_file_has_one_address(source: str, url: str) -> None:
    assert page_url(PurePosixPath(source)) == url


@pytest.mark.parametrize(
    ("start", "target", "expected"),
    [
        ("", "", "./"),
        ("", "a/", "a/"),
        ("a/", "", "../"),
        ("a/", "a/", "./"),
        ("a/b/", "a/c/", "../c/"),
        ("a/b/", "a/", "../"),
        ("a/", "a/b/", "b/"),
        ("a/", "x.png", "../x.png"),
        ("a/", "ü b/c%.png", "../%C3%BC%20b/c%25.png"),
    ],
)
def test_the_shortest_way_is_written(start: str, target: str, expected: str) -> None:
    assert relative(start, target) == expected


@given(start=folder, target=folder, name=part | st.just(""), base=st.sampled_from(["/", "/a/b/"]))
def test_a_browser_arrives_at_the_target(start: str, target: str, name: str, base: str) -> None:
    here = f"https://example.org{base}{start}"
    assert unquote(urljoin(here, relative(start, target + name))) == (
        f"https://example.org{base}{target}{name}"
    )


@pytest.mark.parametrize(
    "name", ["a:b", "what?", "con", "aux.md", "a.", "x\\y", "a\nb", "LPT1.md", "\udcff"]
)
def test_names_that_not_every_system_stores(name: str) -> None:
    assert unfit(PurePosixPath("folder") / name) is not None


@pytest.mark.parametrize("name", ["console.md", "über uns.md", "a.b.c", "100%.md", "auxiliary"])
def test_names_that_every_system_stores(name: str) -> None:
    assert unfit(PurePosixPath("folder") / name) is None
