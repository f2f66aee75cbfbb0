"""TOML files with the place of every key: sitegen.toml and theme.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import SitegenError, Where
from .schema import KeyPath


@dataclass(frozen=True)
class TomlFile:
    """What a TOML file holds, and its text to find places in."""

    path: Path
    text: str
    data: dict[str, Any]

    def where(self, keys: KeyPath, is_key: bool = True) -> Where:
        """The place of `keys`, by the file's headers and `key =` lines.

        tomllib keeps no positions. The line that names the longest part of `keys` wins, so that a
        key in an inline table is found on the line of its table.
        """
        wanted = tuple(str(key) for key in keys)
        table: tuple[str, ...] = ()
        best, line, column = 0, None, None
        for number, content in enumerate(self.text.split("\n"), 1):
            header = re.match(r"\s*\[\[?([^\[\]]+)\]", content)
            found = re.match(r"\s*([\w.\"' -]+?)\s*=\s*", content)
            if header:
                named = table = _parts(header[1])
            elif found:
                named = (*table, *_parts(found[1]))
            else:
                continue
            if len(named) > best and named == wanted[: len(named)]:
                best, line = len(named), number
                start = re.search(rf"(?<![\w-]){re.escape(wanted[-1])}(?![\w-])", content)
                at = start.start() if start else len(content) - len(content.lstrip())
                # Without the last key the value stands for a table: `quantization = "q4"`.
                if found and not is_key and (len(named) == len(wanted) or not start):
                    at = found.end()
                column = at + 1
        return Where(self.path, line, column)


def read(path: Path, error: type[SitegenError]) -> TomlFile:
    """The file's content, nothing for a file that is not there.

    Raises `error` with line and column for text that is no TOML.
    """
    try:
        text = path.read_text("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError as broken:
        line = path.read_bytes()[: broken.start].count(b"\n") + 1
        raise error(
            "this line is not UTF-8", where=Where(path, line), hint="Save the file as UTF-8."
        ) from None
    except OSError as broken:
        raise error(f"cannot be read: {broken.strerror}", where=path) from None
    try:
        return TomlFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as broken:
        message = str(broken)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        lines = text.rstrip("\n").split("\n")
        line, column = (int(place[1]), int(place[2])) if place else (len(lines), len(lines[-1]) + 1)
        problem = re.sub(r" \(at .*\)$", "", message)
        raise error(
            f"broken TOML: {problem[:1].lower()}{problem[1:]}",
            where=Where(path, line, column),
            hint='Text stands in quotes: title = "My site".' if "value" in problem else None,
        ) from None


def _parts(dotted: str) -> tuple[str, ...]:
    """The keys of `models."a.b".context`."""
    found = re.findall(r"""\"([^"]*)\"|'([^']*)'|([^\s."']+)""", dotted)
    return tuple("".join(groups) for groups in found)
