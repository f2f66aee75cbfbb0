from __future__ import annotations

import re

import pytest

from sitegen.content.markdown import Blocked, Converter
from sitegen.content.page import Heading

PAGE = """
# One

| left | right |
|:-----|------:|
| a    | 1     |

- item

  ```python
  x = "<&>"
  ```

- [x] done

!!! note
    Text[^1].

[^1]: A note.

Term
:   Meaning

~~old~~ {: .lede }
"""


def convert(text: str) -> str:
    return Converter().convert(text, lambda address: address)[0]


def test_a_strict_policy_forbids_nothing_that_markdown_makes() -> None:
    html = convert(PAGE)
    assert re.search(r"<[^>]*\s(style|on\w+)=", html) is None
    assert "<script" not in html and "<style" not in html


def test_extensions_that_authors_expect() -> None:
    html = convert(PAGE)
    for part in ("<table>", 'class="highlight"', 'type="checkbox"', "admonition", "footnote",
                 "<dt>Term</dt>", "<del>old</del>"):  # fmt: skip
        assert part in html, part


def test_code_in_a_list_is_coloured_and_escaped() -> None:
    html = convert("- item\n\n  ```python\n  x = '<&>'\n  ```\n")
    assert '<span class="n">x</span>' in html
    assert "&lt;&amp;&gt;" in html


def test_contents_are_plain_text_with_unicode_anchors() -> None:
    _, toc = Converter().convert("# A & *b*\n\n## Über `x`\n", lambda address: address)
    assert toc == (Heading(1, "a-b", "A & b"), Heading(2, "über-x", "Über x"))


def test_a_converter_forgets_the_page_before() -> None:
    converter = Converter()
    first = converter.convert("# One\n\n[^1]\n\n[^1]: note\n\n[x]: /x", str)
    second = converter.convert("# One\n\n[x]", str)
    assert first != second
    assert second == Converter().convert("# One\n\n[x]", str)


@pytest.mark.parametrize(
    ("text", "snippet"),
    [
        ("<script>\nx()\n</script>", "<script"),
        ('<script type="module">x()</script>', "<script"),
        ("<STYLE>p {}</STYLE>", "<STYLE"),
        ('<div\n class="a" style="x">\n</div>', '<div\n class="a" style='),
        ("Inline <b onclick='x()'>b</b>.", "<b onclick="),
        ("*Text*{: style='color: red' }", "style="),
        ("Text\n{: onclick='x()' }", "onclick="),
        ("- <span style=x>in a list</span>", "<span style="),
        ("<DIV CLASS=a ONCLICK=x></DIV>", "<DIV CLASS=a ONCLICK="),
    ],
)
def test_what_the_policy_would_block_is_refused(text: str, snippet: str) -> None:
    with pytest.raises(Blocked) as blocked:
        convert(text)
    assert blocked.value.snippet == snippet


@pytest.mark.parametrize(
    "text",
    [
        '<script type="module" src="page.js"></script>',
        "<script src=page.js></script>",
        '<script type="application/ld+json">{}</script>',
        "`<script>` and `<p style=x>`",
        "```html\n<script>x()</script>\n<p style='x' onclick='y'>\n```",
        "    <style>",
        "<!-- <script> -->",
        "a style=b, and once on=c",
        "<div class='style=x'></div>",
        "<p title='plan one = a, style = b'>text</p>",
    ],
)
def test_what_the_policy_allows_passes(text: str) -> None:
    convert(text)


def test_every_address_is_resolved_in_markdown_and_in_raw_html() -> None:
    text = """
[a](a.md) ![b](b.png) [c]

[c]: c.md

<div><a href="d.md?x=1&amp;y=2">d</a><img src='e.png'></div>

Inline <a href="f.md">f</a>. <video src="h.mp4" poster="g.png"></video>

<picture><source srcset="i.png 1x, j.png 2x"><img alt="1 > 0" src="k.png"></picture>

<IMG SRC=l.png alt="no src=no.png"> [escaped](m\\_n.md)

<div>
<!-- <a href="inner-comment.md"> <script>x()</script> -->
</div>

`[no](no.md)` <!-- <a href="comment.md"> -->

<!-- <a href="block-comment.md"> -->

```html
<a href="code.md">
```
"""
    seen: list[str] = []

    def resolve(address: str) -> str:
        seen.append(address)
        return "X&" + address

    html, _ = Converter().convert(text, resolve)
    found = {
        "a.md",
        "b.png",
        "c.md",
        "d.md?x=1&y=2",
        "e.png",
        "f.md",
        "g.png",
        "h.mp4",
        "i.png",
        "j.png",
        "k.png",
        "l.png",
        "m_n.md",
    }
    assert set(seen) == found
    assert 'href="X&amp;a.md"' in html
    assert 'srcset="X&amp;i.png 1x, X&amp;j.png 2x"' in html
    assert 'href="X&amp;d.md?x=1&amp;y=2"' in html
    assert '<IMG SRC="X&amp;l.png" alt="no src=no.png">' in html
    assert 'href="comment.md"' in html
    assert 'href="inner-comment.md"' in html
