"""The YAML between `---` lines at the top of a page."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from ..config import STRICT, ModelName, ModelSpec
from ..errors import ContentError, Where
from ..schema import describe, validate
from . import marks


class NamedModel(ModelSpec):
    """`model:` in front matter: a model, and the name that blocks and scripts call it by."""

    name: ModelName | None = None
    """Default: the last part of the id or folder."""


class FrontMatter(BaseModel):
    """What may stand in front matter."""

    model_config = STRICT

    title: str | None = Field(default=None, min_length=1)
    """Default: the first heading."""
    description: str = ""
    """One sentence for search engines; default: the site's."""
    model: NamedModel | None = None
    """The page's model; a page that has one and no app block ends with a chat."""
    models: dict[ModelName, ModelSpec] = Field(default_factory=dict)
    """Several models, by name: for blocks, and for the page's own script."""
    order: int | None = None
    """Place in the navigation among the pages of the same folder."""
    nav: Any = True
    """false keeps the page out of the navigation; text is its label there."""
    draft: bool = False
    """true: published only by `--drafts` or `[build] drafts = true`."""
    date: datetime.date | None = None
    """Day the text was last changed."""
    template: str = Field(default="page", min_length=1)
    """Template of the theme."""

    @field_validator("nav")
    @classmethod
    def _nav(cls, value: object) -> object:
        if isinstance(value, bool) or (isinstance(value, str) and value):
            return value
        raise ValueError(f"must be true, false or a label, but is {describe(value)}")


@dataclass(frozen=True)
class Split:
    """A page's file, taken apart."""

    yaml: str
    yaml_line: int
    body: str
    body_line: int
    """Line of the file on which the body starts."""


def split(text: str, path: Path) -> Split:
    """Front matter and body; the front matter is "" where the page has none.

    Raises ContentError for front matter that is opened and never closed.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return Split("", 1, text, 1)
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() in ("---", "..."):
            return Split("\n".join(lines[1 : number - 1]), 2, "\n".join(lines[number:]), number + 1)
    raise ContentError(
        "front matter is opened here and never closed",
        where=Where(path, 1),
        hint='Write a line "---" after its last key.',
    )


def check(parts: Split, path: Path) -> tuple[FrontMatter, marks.Marked]:
    """The front matter, checked, and the places of its keys. Raises ContentError."""
    marked = marks.read(parts.yaml, path, parts.yaml_line)
    data = {} if marked.data is None else marked.data
    if not isinstance(data, Mapping):
        raise ContentError(
            f"the front matter must be keys and values, but is {describe(data)}",
            where=marked.where((), False),
            hint="Write, for example: title: My page",
        )
    matter = validate(
        FrontMatter, data, locate=marked.where, error=ContentError, subject="the front matter"
    )
    return matter, marked
