"""What a page says, without its markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sitegen import config, content

Write = Callable[[Mapping[str, str]], Path]

PAGE = """---
title: Fox & friends
description: About foxes
model: builtin:storyteller
---

# Tales

A *red* fox &amp; a `lost key`.

| Who | Where |
| --- | --- |
| fox | lighthouse |

```chat
system: Be brief.
examples: [Where is the fox?, Tell a story.]
```
"""


def test_title_description_body_and_prompts(site: Write) -> None:
    [page] = content.read(config.load(site({"content/index.md": PAGE})))
    title, description, body, *prompts = content.texts(page)
    assert (title, description) == ("Fox & friends", "About foxes")
    assert [line for line in body.splitlines() if line.strip()] == [
        "Tales", "A red fox & a lost key.", "Who", "Where", "fox", "lighthouse",
    ]  # fmt: skip
    assert sorted(prompts) == ["Be brief.", "Tell a story.", "Where is the fox?"]
