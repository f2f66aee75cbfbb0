"""What the content room hands on: pages, complete and never changed afterwards."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..config import ModelSpec
from ..errors import Where

AppKind = Literal["chat", "complete", "form"]


@dataclass(frozen=True)
class App:
    """A block that lets the reader use a model."""

    kind: AppKind
    model: str
    """Name of the model, a key of `Page.models`."""
    options: Mapping[str, Any]
    """What the author wrote in the block, checked; ready for JSON."""
    line: int
    """Line of the opening fence; of `model` in the front matter for a chat nobody wrote."""


@dataclass(frozen=True)
class Heading:
    """An entry of a page's table of contents."""

    level: int
    id: str
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file, converted."""

    source: Path
    url: str
    """Relative to the site's base, with a slash at the end: `guide/`; "" is the home page."""
    title: str
    description: str
    html: str
    """The body; `placeholder(N)` stands where app N belongs."""
    toc: tuple[Heading, ...]
    models: Mapping[str, ModelSpec]
    """The models this page offers, by name."""
    places: Mapping[str, Where]
    """Where each of them is named: in this page, or in sitegen.toml."""
    apps: tuple[App, ...]
    order: int | None
    """Place among its neighbours; pages without one follow, by title."""
    nav: str | None
    """Label in the navigation; None keeps the page out of it."""
    date: datetime.date | None
    draft: bool
    template: str
    """Template of the theme, without `.html`."""

    @property
    def output(self) -> str:
        """The file the page is written to, relative to the output folder."""
        return f"{self.url}index.html"


def placeholder(index: int) -> str:
    """What stands in `Page.html` where app `index` belongs."""
    return f"<!--sitegen:app:{index}-->"
