"""Markdown to HTML: one converter, set up once, used for every page.

The HTML holds no inline style and no script, so that a page's content security policy can forbid
both. Addresses go through the caller's `resolve`; this file knows no page but the one at hand.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.extensions.toc import slugify_unicode
from markdown.treeprocessors import Treeprocessor

from .page import Heading

Resolve = Callable[[str], str]
"""The address to write for the one an author wrote."""

_EXTENSIONS: dict[str, dict[str, Any]] = {
    "abbr": {},
    "admonition": {},
    "attr_list": {},
    "def_list": {},
    "footnotes": {},
    "md_in_html": {},
    "sane_lists": {},
    # The default writes style="text-align: …", which the content security policy forbids.
    "tables": {"use_align_attribute": True},
    "toc": {"slugify": slugify_unicode, "marker": ""},
    # Unlike fenced_code, fences inside lists and admonitions.
    "pymdownx.superfences": {"disable_indented_code_blocks": False},
    "pymdownx.highlight": {"guess_lang": False, "noclasses": False, "linenums": False},
    "pymdownx.tasklist": {},
    "pymdownx.tilde": {"subscript": False},
}

_ATTRIBUTE = {"a": "href", "img": "src", "audio": "src", "video": "src", "source": "src"}

# In raw HTML: a comment or a tag, and an attribute of a tag.
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"""<!--.*?-->|<[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
_WRITTEN = re.compile(r"""(\s([^\s"'<>/=]+)\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>=`]+)""")
_ADDRESSES = ("href", "src", "poster", "srcset")

# What the content security policy makes the browser ignore, as it does style="" and onclick="".
# Scripts of a data type never run.
_INLINE = re.compile(
    r"<style\b|<script\b(?![^>]*\s(?:src\s*=|type\s*=\s*[\"']?application/))", re.IGNORECASE
)


class Blocked(Exception):
    """Script or style inside a page: the browser would ignore it without a word.

    snippet: the start of it, as it was written.
    """

    def __init__(self, snippet: str) -> None:
        super().__init__(snippet)
        self.snippet = snippet


class Converter:
    """Markdown with sitegen's extensions; holds no state from one page to the next."""

    def __init__(self) -> None:
        self._addresses = _Addresses()
        self._markdown = Markdown(
            extensions=[*_EXTENSIONS, self._addresses],
            extension_configs=_EXTENSIONS,
            output_format="html",
        )

    def convert(self, text: str, resolve: Resolve) -> tuple[str, tuple[Heading, ...]]:
        """HTML and table of contents of `text`; what `resolve` raises passes through.

        Raises Blocked.
        """
        self._addresses.resolve = resolve
        self._markdown.reset()
        converted = self._markdown.convert(text)
        tokens = getattr(self._markdown, "toc_tokens", [])
        return converted, tuple(_flatten(tokens))


def _flatten(tokens: list[dict[str, Any]]) -> list[Heading]:
    headings = []
    for token in tokens:
        headings.append(Heading(token["level"], token["id"], html.unescape(token["name"])))
        headings += _flatten(token["children"])
    return headings


class _Addresses(Extension):
    """Rewrites the addresses of links and images, in Markdown and in raw HTML."""

    resolve: Resolve = staticmethod(lambda address: address)

    def extendMarkdown(self, md: Markdown) -> None:
        processor = _AddressProcessor(md)
        processor.addresses = self
        # After backslashes are resolved (0), before raw HTML is put back.
        md.treeprocessors.register(processor, "sitegen_addresses", -1)


class _AddressProcessor(Treeprocessor):
    addresses: _Addresses

    def run(self, root: Element) -> None:
        resolve = self.addresses.resolve
        for element in root.iter():
            for name in element.keys():
                if _is_inline(name):
                    raise Blocked(f"{name}=")
            attribute = _ATTRIBUTE.get(element.tag) if isinstance(element.tag, str) else None
            address = element.get(attribute) if attribute else None
            if attribute and address is not None:
                element.set(attribute, resolve(address))
        stash = self.md.htmlStash.rawHtmlBlocks
        for index, raw in enumerate(stash):
            if isinstance(raw, str):
                if inline := _INLINE.search(_COMMENT.sub("", raw)):
                    raise Blocked(inline[0])
                stash[index] = _TAG.sub(lambda tag: _rewritten(tag[0], resolve), raw)


def _is_inline(attribute: str) -> bool:
    return attribute == "style" or attribute.startswith("on")


def _rewritten(tag: str, resolve: Resolve) -> str:
    """A tag of raw HTML with its addresses resolved; a comment as it is. Raises Blocked."""

    def attribute(match: re.Match[str]) -> str:
        start, name, value = match[1], match[2].lower(), match[3]
        if _is_inline(name):
            raise Blocked(tag[: match.start(3)])
        if name not in _ADDRESSES:
            return match[0]
        value = html.unescape(value.strip("\"'"))
        value = _source_set(value, resolve) if name == "srcset" else resolve(value)
        return f'{start}"{html.escape(value)}"'

    return tag if tag.startswith("<!--") else _WRITTEN.sub(attribute, tag)


def _source_set(candidates: str, resolve: Resolve) -> str:
    """`a.png 1x, b.png 2x` with each address resolved; one comma a candidate, none in addresses."""
    found = []
    for candidate in filter(None, map(str.strip, candidates.split(","))):
        address, *descriptor = candidate.split()
        found.append(" ".join([resolve(address), *descriptor]))
    return ", ".join(found)
