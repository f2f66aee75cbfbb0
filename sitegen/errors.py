"""What an author did wrong, said in one clear sentence.

    SitegenError            base: caught by the command line, printed without a traceback
    ├── ConfigError         sitegen.toml
    ├── ContentError        front matter, Markdown, app blocks
    ├── ModelError          model folders, weights, tokenizers, export, verification
    ├── VendorError         pinned browser packages
    ├── ThemeError          templates and theme.toml
    └── OutputError         the folder the site is written to

Any other exception is a bug of sitegen and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FRAME_WIDTH = 72
"""Characters of a line shown on each side of a mistake: a terminal's line, and a little less."""


@dataclass(frozen=True)
class Where:
    """A place in an author's file; `line` and `column` count from 1."""

    path: Path | str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [str(self.path)]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


class SitegenError(Exception):
    """A mistake its author can mend.

    problem: what was found, in one sentence without the place.
    where:   the place, printed first as `file:line:column`.
    hint:    what is allowed, or what to do next.
    """

    def __init__(
        self, problem: str, *, where: Where | Path | str | None = None, hint: str | None = None
    ):
        self.problem = problem
        self.where = where if isinstance(where, Where) or where is None else Where(where)
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{place}{self.problem}{hint}"


class ConfigError(SitegenError):
    """sitegen.toml cannot be used."""


class ContentError(SitegenError):
    """A page cannot be used."""


class ModelError(SitegenError):
    """A model cannot be found, read, exported or verified."""


class VendorError(SitegenError):
    """A pinned browser package is missing or is not the one that was pinned."""


class ThemeError(SitegenError):
    """A theme is missing or broken."""


class OutputError(SitegenError):
    """The output folder cannot be written."""


def code_frame(where: Where | None) -> str | None:
    """The line at `where` with a caret under its column; None where there is none to show."""
    if where is None or where.line is None:
        return None
    try:
        # Not splitlines(): it also ends a line at characters that no editor counts.
        line = Path(where.path).read_text("utf-8-sig").split("\n")[where.line - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    if not line.strip():
        return None
    start = max(0, (where.column or 1) - FRAME_WIDTH)
    shown = line[start : start + 2 * FRAME_WIDTH].replace("\t", " ")
    number = str(where.line)
    frame = f"  {number} | {shown}"
    if where.column is not None:
        frame += f"\n  {' ' * len(number)} | {' ' * (where.column - 1 - start)}^"
    return frame
