"""Addresses inside a site: of a page by its file, and from one page to another."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

# Names that Windows cannot store, or that no host serves: a site must unpack everywhere.
# Surrogates stand for bytes that are no UTF-8.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


def page_url(source: PurePosixPath) -> str:
    """The address of a page: `guide/setup.md` → `guide/setup/`, `guide/index.md` → `guide/`."""
    parts = source.with_suffix("").parts
    if parts[-1] == "index":
        parts = parts[:-1]
    return "".join(f"{part}/" for part in parts)


def relative(start: str, target: str) -> str:
    """From the page at `start` to `target`, both relative to the site's base; percent-encoded.

    relative("guide/", "about/") → "../about/"; relative("", "") → "./".
    """
    here, there = start.split("/")[:-1], target.split("/")
    shared = 0
    while shared < min(len(here), len(there) - 1) and here[shared] == there[shared]:
        shared += 1
    path = "../" * (len(here) - shared) + "/".join(there[shared:])
    return quote(path or "./", safe="/!$&'()*+,;=@~")


def unfit(path: PurePosixPath) -> str | None:
    """Why a file name cannot be published, or None."""
    for part in path.parts:
        if bad := _FORBIDDEN.search(part):
            return f"the name holds {bad[0]!r}, which some systems cannot store"
        if _RESERVED.match(part) or part.endswith((".", " ")):
            return f'"{part}" is a name that Windows cannot store'
    return None
