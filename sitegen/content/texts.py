"""What a page says, without its markup: by this a model's vocabulary may be pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from .page import Page

BLOCKS = frozenset(
    "address blockquote dd div dt figcaption h1 h2 h3 h4 h5 h6 li p pre td th".split()
)
"""Elements whose text is a line of its own."""


def texts(page: Page) -> tuple[str, ...]:
    """A page's title, description and body, and the texts its apps are given: system, examples,
    labels, templates."""
    said = [page.title, page.description, _plain(page.html)]
    for app in page.apps:
        said += _strings(app.options)
    return tuple(text for text in said if text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _plain(html: str) -> str:
    text = _Text()
    text.feed(html)
    text.close()
    return "".join(text.parts).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.parts.append("\n")
