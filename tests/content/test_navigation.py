from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sitegen import config, content
from sitegen.content import Entry

Write = Callable[[Mapping[str, str]], Path]


def outline(entries: Sequence[Entry]) -> list[object]:
    found: list[object] = []
    for entry in entries:
        title = entry.title if entry.page else f"({entry.title})"
        found += [title, outline(entry.children)] if entry.children else [title]
    return found


def matter(**keys: object) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in keys.items()) + "---\n"


def test_folders_are_sections_ordered_by_order_then_title(site: Write) -> None:
    root = site({
        "content/index.md": "# Home",
        "content/zebra.md": matter(title="Zebra", order=1),
        "content/apple.md": "# apple",
        "content/Berry.md": "# Berry",
        "content/hidden.md": matter(nav="false"),
        "content/long.md": matter(title="A very long title", nav="Cherry"),
        "content/guide/index.md": matter(title="Guide", order=2),
        "content/guide/two.md": matter(order=2),
        "content/guide/one.md": matter(order=1),
        "content/how-to/deep/page.md": "# Page",
    })  # fmt: skip
    entries = content.tree(content.read(config.load(root)))
    assert outline(entries) == [
        "Home", "Zebra", "Guide", ["One", "Two"], "apple", "Berry", "Cherry",
        "(How to)", ["(Deep)", ["Page"]],
    ]  # fmt: skip


def test_reading_order_goes_down_before_it_goes_on(site: Write) -> None:
    root = site({
        "content/index.md": "", "content/a/index.md": "", "content/a/b.md": "", "content/c.md": "",
    })  # fmt: skip
    entries = content.tree(content.read(config.load(root)))
    assert [page.url for entry in entries for page in entry.pages()] == ["", "a/", "a/b/", "c/"]
