"""From the path of a request to a file of the site, or to nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


@dataclass(frozen=True)
class Found:
    """What answers a request: a file, or the address with a slash that the client shall ask."""

    path: str
    """Decoded, from the site's base: `/guide/`."""
    file: Path | None = None
    redirect: str | None = None


def find(folder: Path, target: str, base_path: str = "/") -> Found | None:
    """The file of `folder` that the request target names; None for none, and for any trick.

    base_path: where on its host the site lies, `/` or `/docs/`. A folder stands for its
    index.html, asked for with a slash at the end. Refused: `..` in any spelling, backslashes,
    colons, control characters, hidden files except `.well-known`, links that lead out of `folder`.
    """
    raw, _, query = target.partition("#")[0].partition("?")
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return None
    # Windows takes a backslash for a slash and `C:` for a disk.
    if not path.startswith("/") or re.search(r"[\\\x00-\x1f:]", path):
        return None
    if path in ("/", base_path[:-1]) and path != base_path:
        return Found(path, redirect=quote(base_path))
    if not path.startswith(base_path):
        return None
    parts = [part for part in path[len(base_path) :].split("/") if part]
    if any(part.startswith(".") and part != ".well-known" for part in parts):
        return None
    clean = "/" + "/".join(parts)
    if file := _inside(folder, *parts):
        return None if path.endswith("/") else Found(clean, file)
    index = _inside(folder, *parts, "index.html")
    if index is None:
        return None
    if not path.endswith("/"):
        # Relative, so that no trick with slashes can make it lead to another host.
        return Found(clean, redirect=f"./{quote(parts[-1])}/{f'?{query}' if query else ''}")
    return Found(clean.rstrip("/") + "/", index)


def _inside(folder: Path, *parts: str) -> Path | None:
    """The file at this place, its links followed; None for none, and for one out of `folder`."""
    base = folder.resolve()
    try:
        place = base.joinpath(*parts).resolve()
        return place if place.is_file() and place.is_relative_to(base) else None
    except (OSError, RuntimeError):  # a name that is too long; links in a circle
        return None


def byte_range(header: str | None, size: int) -> tuple[int, int] | None | bool:
    """First and last byte that a Range header asks for.

    None: send the whole file, as for several ranges or a header that is none; False: cannot be
    satisfied.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, size - 1) if length else False
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return (first, last) if first < size else False
