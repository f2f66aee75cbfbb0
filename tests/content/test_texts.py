"""What a page says, without its markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sitegen import config, content
from sitegen.texts import Prompt

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
    said = content.texts(page)
    title, description, body, system = said.prose
    assert (title, description) == ("Fox & friends", "About foxes")
    assert [line for line in body.splitlines() if line.strip()] == [
        "Tales", "A red fox & a lost key.", "Who", "Where", "fox", "lighthouse",
    ]  # fmt: skip
    assert system == "Be brief."
    assert sorted(said.words) == ["Be brief.", "Tell a story.", "Where is the fox?"]


def test_prompts_are_what_a_reader_may_ask(site: Write) -> None:
    blocks = """
```chat
system: Be brief.
examples: [Where is the fox?, Tell a story.]
```
```complete
prompt: A fox
examples: [Once, A fox]
```
```form
system: Be kind.
prompt: "{% if brief %}Briefly: {% endif %}{{ n + 1 }} lines on {{ subject }}, {{ tone }}"
fields:
  - {name: subject, placeholder: the sea}
  - {name: tone, type: select, options: [gay, grave], default: grave}
  - {name: n, type: number, min: 3}
  - {name: brief, type: checkbox}
```
```form
prompt: "{{ name[100].upper() }}"
fields: [{name: name}]
```
"""
    head = "---\nmodel: builtin:storyteller\n---\n"
    [page] = content.read(config.load(site({"content/index.md": head + blocks})))
    assert content.texts(page).prompts == (
        Prompt("Where is the fox?", "Be brief."),
        Prompt("Tell a story.", "Be brief."),
        Prompt("A fox", is_chat=False),
        Prompt("Once", is_chat=False),
        Prompt("4 lines on the sea, grave", "Be kind."),
    )
