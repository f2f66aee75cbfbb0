from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.content.blocks import Block, extract
from sitegen.errors import ContentError

PATH = Path("page.md")


def blocks(text: str) -> tuple[Block, ...]:
    return extract(text, PATH, 1)[1]


@pytest.mark.parametrize("fence", ["```", "````", "~~~", "~~~~~"])
@pytest.mark.parametrize("kind", ["chat", "complete", "form"])
def test_a_block_is_taken_out(fence: str, kind: str) -> None:
    text, found = extract(f"a\n{fence}{kind}\nx: 1\ny: 2\n{fence}\nb", PATH, 10)
    assert found == (Block(kind, "x: 1\ny: 2", 11),)  # type: ignore[arg-type]
    assert text == "a\n\n<!--sitegen:app:0-->\n\nb"


def test_blocks_are_counted_in_order() -> None:
    text, found = extract("```chat\n```\n```form\na: 1\n```", PATH, 1)
    assert [block.kind for block in found] == ["chat", "form"]
    assert [block.line for block in found] == [1, 3]
    assert text.index("app:0") < text.index("app:1")


@pytest.mark.parametrize(
    "text",
    [
        "````\n```chat\n```\n````",
        "~~~markdown\n```chat\n```\n~~~",
        "- item\n\n  ````\n  ```chat\n  ```\n  ````",
        "> ~~~\n> ```chat\n> ```\n> ~~~",
        "```chatty\n```",
        "``` python\n```",
        "`chat`",
        "```inline chat```",
        "text ```chat",
        "<!-- later:\n```chat\n```\n-->",
        "<!-- a --> b\n```python\n```",
        "<!-- never closed",
    ],
)
def test_what_is_no_block_stays(text: str) -> None:
    assert extract(text, PATH, 1) == (text, ())


def test_a_fence_that_is_never_closed_hides_nothing() -> None:
    assert [block.kind for block in blocks("```python\n\n~~~chat\n~~~")] == ["chat"]


def test_a_shorter_fence_does_not_close() -> None:
    assert blocks("````chat\na: |\n  ```\n````") == (Block("chat", "a: |\n  ```", 1),)


@pytest.mark.parametrize("text", ["  ```chat\n  ```", "> ```chat\n> ```"])
def test_an_indented_block_is_refused(text: str) -> None:
    with pytest.raises(ContentError, match="^page.md:1:3: the chat block is indented"):
        blocks(text)


def test_only_a_line_of_text_is_checked_for_the_reserved_comment() -> None:
    shown = "```\n<!--sitegen:app:0-->\n```"
    assert extract(shown, PATH, 1) == (shown, ())
    with pytest.raises(ContentError, match="^page.md:2: this comment is reserved"):
        blocks("a\n<!--sitegen:app:0-->")
    with pytest.raises(ContentError, match="^page.md:2: this comment is reserved"):
        blocks("<!-- a\n<!--sitegen:app:0-->")


def test_a_block_after_a_comment_is_taken_out() -> None:
    for comment in ("<!-- one line -->", "<!-- two\nlines -->", "    <!-- code"):
        assert len(blocks(f"{comment}\n```chat\n```")) == 1
