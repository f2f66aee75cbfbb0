"""Addresses that an author writes in a page, checked and made relative to the page's URL.

They are relative to the Markdown file (`../guide/setup.md#gpu`, `picture.png`) or, with a slash in
front, to `content/`; what lies in `static/` is found as if it lay in `content/`.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..errors import ContentError, Where
from .urls import relative

# A scheme, a host, or an e-mail address that Python-Markdown has hidden from harvesters.
_EXTERNAL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|\x02")
_WRITTEN_LATER = ("manifest.webmanifest", "robots.txt", "sitemap.xml")


@dataclass(frozen=True)
class Site:
    """Everything that a page may link to."""

    pages: Mapping[str, str]
    """Source below content/ → URL."""
    urls: frozenset[str]
    """URLs of the pages."""
    drafts: frozenset[str]
    """Sources of the pages that this build leaves out."""
    assets: frozenset[str]
    """Files that are published as they are."""


@dataclass(frozen=True)
class Links:
    """Resolves the addresses of one page."""

    site: Site
    source: str
    """The page, relative to content/."""
    url: str
    path: Path
    text: str
    """The page's file as written: to find the line of a broken link."""

    def resolve(self, address: str) -> str:
        """The address to write. Raises ContentError for one that leads to nothing."""
        if _EXTERNAL.match(address):
            return address
        path, tail = re.fullmatch(r"([^?#]*)(.*)", address, re.DOTALL).groups()  # type: ignore[union-attr]
        if not path:
            return address
        target = self._target(unquote(path), address)
        if target in self.site.pages:
            return relative(self.url, self.site.pages[target]) + tail
        as_page = "" if target == "." else f"{target}/"
        if as_page in self.site.urls:
            return relative(self.url, as_page) + tail
        is_written_later = target in _WRITTEN_LATER or target.startswith("_sitegen/")
        if target in self.site.assets or is_written_later:
            return relative(self.url, target) + tail
        raise self._broken(address, target)

    def _target(self, path: str, address: str) -> str:
        folder = "" if path.startswith("/") else posixpath.dirname(self.source)
        target = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
        if target == ".." or target.startswith("../"):
            raise ContentError(
                f'the link "{address}" leads out of content/', where=self.where(address)
            )
        return target

    def _broken(self, address: str, target: str) -> ContentError:
        where = self.where(address)
        if target in self.site.drafts:
            return ContentError(
                f'the link "{address}" leads to a draft',
                where=where,
                hint=f"content/{target} is published by `--drafts` only.",
            )
        near = difflib.get_close_matches(target, [*self.site.pages, *self.site.assets], 1, 0.7)
        hint = "Links are relative to this file, or start with / for content/."
        if near:
            start = posixpath.dirname(self.source) or "."
            hint = f'Did you mean "{posixpath.relpath(near[0], start)}"? {hint}'
        what = "there is no page" if target.endswith(".md") else "there is no page and no file"
        return ContentError(
            f'the link "{address}" is broken: {what} content/{target}', where=where, hint=hint
        )

    def where(self, written: str) -> Where:
        """The first place where the text is written; Markdown's parser keeps no positions."""
        lines = self.text.split("\n")
        for pattern in (rf"[(<\"'\s:]{re.escape(written)}(?=[)>\"'\s]|$)", re.escape(written)):
            for number, line in enumerate(lines, 1):
                if found := re.search(pattern, line):
                    column = found.start() + found[0].index(written) + 1
                    return Where(self.path, number, column)
        return Where(self.path)
