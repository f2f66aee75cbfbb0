from __future__ import annotations

import datetime
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sitegen import config, content
from sitegen.config import ModelSpec
from sitegen.content import Page
from sitegen.errors import ContentError

Write = Callable[[Mapping[str, str]], Path]
WHOLE = Path(__file__).parents[1] / "sites" / "whole"
TELLER = ModelSpec(id="builtin:storyteller")


def read(root: Path) -> dict[str, Page]:
    return {page.url: page for page in content.read(config.load(root))}


def home(site: Write, text: str, **files: str) -> Page:
    return read(site({"content/index.md": text, **files}))[""]


def test_a_whole_site() -> None:
    pages = read(WHOLE)
    assert list(pages) == ["guide/", "guide/setup/", ""]
    assert [page.title for page in pages.values()] == ["Guide", "Set up", "Welcome"]
    assert pages[""].nav == "Start"
    assert pages["guide/"].order == 1
    assert pages["guide/setup/"].description == "Two steps & no more."
    assert pages["guide/setup/"].date == datetime.date(2026, 1, 31)
    assert [heading.id for heading in pages["guide/setup/"].toc] == [
        "set-up",
        "step-one",
        "step-two",
    ]
    assert set(content.assets(config.load(WHOLE))) == {
        "dot.svg", "notes/data.csv", "paper.txt", "robots.txt",
    }  # fmt: skip


def test_addresses_lead_from_where_the_page_will_lie() -> None:
    pages = read(WHOLE)
    assert re.findall(r'(?:href|src)="([^"]*)"', pages[""].html) == [
        "guide/", "guide/setup/#step-two", "notes/data.csv", "dot.svg", "paper.txt",
        "https://example.com/a.md",
    ]  # fmt: skip
    assert re.findall(r'(?:href|src)="([^"]*)"', pages["guide/setup/"].html) == [
        "../../dot.svg", "../?a=1&amp;b=2#x",
    ]  # fmt: skip


def test_files_that_sitegen_writes_later_may_be_linked(site: Write) -> None:
    home(site, "[a](/robots.txt) [b](_sitegen/sitegen.js)")
    with pytest.raises(ContentError, match="no page and no file content/robots.txt.bak"):
        home(site, "[a](/robots.txt.bak)")


def test_front_matter_is_read_with_any_line_ends(site: Write) -> None:
    page = home(site, "\ufeff---\r\ntitle: T\r\n---\r\n\r\nOne\r\ntwo.\r\n")
    assert (page.title, page.html) == ("T", "<p>One\ntwo.</p>")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Given\n---\n# Heading", "Given"),
        ("# Heading *one*", "Heading one"),
        ("## Second\n\n# First", "First"),
        ("Text only.", "My site"),
        ("", "My site"),
        ("---\n---\n# Empty", "Empty"),
        ("---\ntitle:\n---\n# Empty", "Empty"),
    ],
)
def test_titles(site: Write, text: str, title: str) -> None:
    assert home(site, text).title == title


def test_a_page_with_a_model_and_no_block_ends_with_a_chat(site: Write) -> None:
    page = home(site, "---\nmodel: builtin:storyteller\n---\nText.")
    assert page.html == "<p>Text.</p>\n<!--sitegen:app:0-->"
    assert [(app.kind, app.model, app.options, app.line) for app in page.apps] == [
        ("chat", "storyteller", {}, 2)
    ]
    assert page.models == {"storyteller": TELLER}


def test_several_models_are_offered_and_add_no_chat(site: Write) -> None:
    page = home(site, "---\nmodels: {a: builtin:storyteller}\n---\nText.")
    assert page.apps == ()
    assert page.models == {"a": TELLER}


@pytest.mark.parametrize(
    ("written", "name", "spec"),
    [
        (
            "{id: org/small, quantization: fp32, context: 64}",
            "small",
            ModelSpec(id="org/small", quantization="fp32", context=64),
        ),
        (
            "{id: org/small, name: other, quantization: {recipe: q4, head_bits: 8}}",
            "other",
            ModelSpec(id="org/small", quantization={"recipe": "q4", "head_bits": 8}),
        ),
        ("builtin:storyteller", "storyteller", TELLER),
        ("Org/Some-Model.v2", "Some-Model.v2", ModelSpec(id="Org/Some-Model.v2")),
        ("./models/tiny/", "tiny", ModelSpec(id="./models/tiny/")),
        ("{id: builtin:storyteller, name: bard, context: 64}", "bard",
         ModelSpec(id="builtin:storyteller", context=64)),
        ("shared", "shared", ModelSpec(id="builtin:storyteller", quantization="fp32")),
        ("{id: shared, name: alias}", "alias",
         ModelSpec(id="builtin:storyteller", quantization="fp32")),
    ],
)  # fmt: skip
def test_names_of_models(site: Write, written: str, name: str, spec: ModelSpec) -> None:
    toml = '[models.shared]\nid = "builtin:storyteller"\nquantization = "fp32"\n'
    site({"models/tiny/config.json": "{}"})
    page = home(site, f"---\nmodel: {written}\n---\n", **{"sitegen.toml": toml})
    assert page.models == {name: spec}
    assert page.apps[0].model == name


def test_a_block_means_the_only_model_of_the_site(site: Write) -> None:
    toml = '[models.shared]\nid = "builtin:storyteller"\n'
    page = home(site, "```chat\n```", **{"sitegen.toml": toml})
    assert page.apps[0].model == "shared"
    assert page.models == {"shared": TELLER}
    assert str(page.places["shared"]) == "sitegen.toml:1:9"


def test_blocks_name_models_of_the_page_and_of_the_site(site: Write) -> None:
    text = "---\nmodel: ./tiny\n---\n```chat\n```\n```complete\nmodel: shared\n```\n"
    toml = '[models.shared]\nid = "builtin:storyteller"\n[models.unused]\nid = "./x"\n'
    page = home(site, text, **{"sitegen.toml": toml, "tiny/config.json": "{}"})
    assert [app.model for app in page.apps] == ["tiny", "shared"]
    assert set(page.models) == {"tiny", "shared"}


def test_options_are_what_was_written_ready_for_json(site: Write) -> None:
    text = """---
model: builtin:storyteller
---
```form
title: Letters
temperature: 0
stop: ["\\n\\n"]
fields:
  - {name: to_whom, required: true}
  - {name: tone, label: Tone, type: select, options: [kind, stern], default: kind}
  - {name: count, type: number, min: 1, max: 5, default: 2}
  - {name: short, type: checkbox, default: false}
prompt: |
  Write to {{ to_whom }}, {{ tone }}{% if short %}, in {{ count }} lines{% endif %}.
```
"""
    assert home(site, text).apps[0].options == {
        "title": "Letters",
        "temperature": 0,
        "stop": ["\n\n"],
        "fields": [
            {"name": "to_whom", "label": "To whom", "type": "text", "required": True},
            {"name": "tone", "label": "Tone", "type": "select", "options": ["kind", "stern"],
             "default": "kind"},
            {"name": "count", "label": "Count", "type": "number", "min": 1, "max": 5, "default": 2},
            {"name": "short", "label": "Short", "type": "checkbox", "default": False},
        ],
        "prompt": "Write to {{ to_whom }}, {{ tone }}{% if short %}, in {{ count }} lines"
        "{% endif %}.",
    }  # fmt: skip


def test_a_prompt_may_set_and_loop_over_names_of_its_own(site: Write) -> None:
    text = (
        "---\nmodel: builtin:storyteller\n---\n```form\nfields: [{name: a}]\n"
        'prompt: "{% set b = a %}{% for c in b %}{{ c }}{{ loop.index }}{% endfor %}"\n```\n'
    )
    assert home(site, text).apps[0].kind == "form"


def test_drafts_are_published_on_request(site: Write) -> None:
    files = {"content/index.md": "# Home", "content/soon.md": "---\ndraft: true\n---\n# Soon"}
    settings = config.load(site(files))
    assert [page.url for page in content.read(settings)] == [""]
    drafts = settings.model_copy(update={"build": config.BuildTable(drafts=True)})
    assert [page.url for page in content.read(drafts)] == ["", "soon/"]


def test_hidden_files_stay_home(site: Write) -> None:
    root = site({
        "content/index.md": "# Home", "content/.DS_Store": "", "content/.git/x.md": "",
        "static/.well-known/security.txt": "", "static/.hidden": "",
    })  # fmt: skip
    assert set(content.assets(config.load(root))) == {".well-known/security.txt"}


def test_a_link_inside_the_site_is_followed_one_out_of_it_is_refused(
    site: Write, tmp_path: Path
) -> None:
    root = site({"content/index.md": "# Home", "notes/a.txt": "a"})
    (root / "content" / "a.txt").symlink_to(Path("../notes/a.txt"))
    assert set(content.assets(config.load(root))) == {"a.txt"}
    (tmp_path / "secret.txt").write_text("secret")
    (root / "content" / "b.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ContentError, match="^content/b.txt: a symbolic link that leads out"):
        content.assets(config.load(root))
    (root / "content" / "b.txt").unlink()
    (root / "content" / "notes").symlink_to("../notes")
    with pytest.raises(ContentError, match="^content/notes: a symbolic link to a folder"):
        content.assets(config.load(root))
    (root / "content" / "notes").unlink()
    (root / "content" / "gone").symlink_to("nowhere")
    with pytest.raises(ContentError, match="^content/gone: a symbolic link to nothing"):
        content.assets(config.load(root))


@pytest.mark.parametrize("name", ["a..md", "a .md", "a./index.md"])
def test_a_page_s_folder_is_one_that_every_system_stores(site: Write, name: str) -> None:
    root = site({"content/index.md": "# Home", f"content/{name}": ""})
    with pytest.raises(ContentError, match=f'^content/{name}: "a[. ]" is a name that Windows'):
        read(root)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file")
def test_what_cannot_be_read_is_named(site: Write) -> None:
    root = site({"content/index.md": "# Home", "content/a/b.md": ""})
    (root / "content" / "index.md").chmod(0)
    with pytest.raises(ContentError, match="^content/index.md: cannot be read: Permission denied"):
        read(root)
    (root / "content" / "a").chmod(0)
    with pytest.raises(ContentError, match="^content/a: cannot be read: Permission denied"):
        read(root)
    (root / "content" / "a").chmod(0o700)


def test_text_that_is_not_utf8_is_named_by_line(site: Write) -> None:
    root = site({"content/index.md": ""})
    (root / "content" / "index.md").write_bytes(b"# Home\n\ncaf\xe9\n")
    with pytest.raises(ContentError, match="^content/index.md:3: this line is not UTF-8"):
        read(root)


def test_sitegen_s_own_manual_is_read() -> None:
    pages = read(Path(__file__).parents[2])
    assert {app.kind for page in pages.values() for app in page.apps} == {
        "chat",
        "complete",
        "form",
    }


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    shutil.copytree(WHOLE, tmp_path / "whole")
    settings = config.load(tmp_path / "whole")
    assert content.read(settings) == content.read(settings)
