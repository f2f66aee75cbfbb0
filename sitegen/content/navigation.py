"""The tree of pages: folders are sections, ordered by `order`, then by title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .page import Page


@dataclass(frozen=True)
class Entry:
    """A page or a section of the navigation."""

    title: str
    url: str
    """Of the page, or of the folder: all that lies below starts with it."""
    page: Page | None
    """None for a folder without an index.md."""
    children: tuple[Entry, ...] = ()

    def pages(self) -> list[Page]:
        """This entry's page and all below it, in reading order."""
        own = [self.page] if self.page else []
        return own + [page for child in self.children for page in child.pages()]


def tree(pages: Iterable[Page]) -> tuple[Entry, ...]:
    """The home page, then what lies beside it; pages with `nav: false` are left out."""
    shown = [page for page in pages if page.nav is not None]
    home = [page for page in shown if page.url == ""]
    return (
        *(Entry(page.nav or page.title, page.url, page) for page in home),
        *_below("", [page for page in shown if page.url]),
    )


def title_of(name: str) -> str:
    """A file's or folder's name as words: `getting-started` → "Getting started"."""
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _below(prefix: str, pages: Sequence[Page]) -> list[Entry]:
    sections: dict[str, list[Page]] = {}
    for page in pages:
        sections.setdefault(page.url[len(prefix) :].split("/")[0], []).append(page)
    entries: list[tuple[tuple[bool, int, str], Entry]] = []
    for name, members in sections.items():
        url = f"{prefix}{name}/"
        own = next((page for page in members if page.url == url), None)
        children = _below(url, [page for page in members if page is not own])
        title = (own.nav or own.title) if own else title_of(name)
        order = own.order if own else None
        key = (order is None, order or 0, title.casefold())
        entries.append((key, Entry(title, url, own, tuple(children))))
    return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]
