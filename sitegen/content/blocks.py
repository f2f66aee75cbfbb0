"""App blocks in Markdown text: fenced code whose info string is `chat`, `complete` or `form`.

A fence inside another fence is text, as in any Markdown: that is how a page shows an app block.
One inside an HTML comment is a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from ..errors import ContentError, Where
from .page import AppKind, placeholder

KINDS: tuple[str, ...] = get_args(AppKind)

_FENCE = re.compile(r"(?P<indent>[\s>]*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_RESERVED = placeholder(0).removesuffix("0-->")
_AS_TEXT = "To show the block instead of running it, put it in a fence of four backticks."


@dataclass(frozen=True)
class Block:
    """An app block as it was written."""

    kind: AppKind
    yaml: str
    line: int
    """Line of the opening fence; the YAML starts on the next one."""


def extract(text: str, path: Path, first_line: int) -> tuple[str, tuple[Block, ...]]:
    """The text with a placeholder for each app block, and the blocks.

    text: the body of `path` from line `first_line` on. Raises ContentError for a block that is
    indented, never closed, or that has options beside its kind.
    """
    lines = text.split("\n")
    kept: list[str] = []
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            after = _after_comment(lines, at)
            for number in range(at, after):
                if _RESERVED in lines[number]:
                    where = Where(path, first_line + number)
                    raise ContentError("this comment is reserved for sitegen", where=where)
            kept += lines[at:after]
            at = after
            continue
        end = _closing(lines, at, opening["fence"])
        kind = (opening["info"].split() or [""])[0]
        if kind in KINDS:
            where = Where(path, first_line + at, opening.start("fence") + 1)
            _check_opening(opening, kind, end, where)
        if end is None:
            kept.append(lines[at])
            at += 1
            continue
        if kind in KINDS:
            kept += ["", placeholder(len(blocks)), ""]
            yaml = "\n".join(lines[at + 1 : end])
            blocks.append(Block(cast(AppKind, kind), yaml, first_line + at))
        else:
            kept += lines[at : end + 1]
        at = end + 1
    return "\n".join(kept), tuple(blocks)


def _after_comment(lines: list[str], at: int) -> int:
    """The line after the HTML comment that starts on line `at`; the next one where none does."""
    if re.match(" {0,3}<!--", lines[at]):
        for number in range(at, len(lines)):
            if "-->" in lines[number]:
                return number + 1
    return at + 1


def _closing(lines: list[str], at: int, fence: str) -> int | None:
    for number in range(at + 1, len(lines)):
        if lines[number].strip(" \t>") == fence:
            return number
    return None


def _check_opening(opening: re.Match[str], kind: str, end: int | None, where: Where) -> None:
    if end is None:
        raise ContentError(
            f"the {kind} block is opened here and never closed",
            where=where,
            hint=f"End it with a line of its own: {opening['fence']}",
        )
    if opening["indent"]:
        raise ContentError(
            f"the {kind} block is indented",
            where=where,
            hint=f"An app block starts in the first column. {_AS_TEXT}",
        )
    if opening["info"].strip() != kind:
        raise ContentError(
            f'"{opening["info"].strip()}" is more than the kind of the block',
            where=where,
            hint=f"Write only {opening['fence']}{kind} here, and its options on lines of their own "
            f"below. {_AS_TEXT}",
        )
