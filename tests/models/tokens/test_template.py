"""Chat templates: what the build lets pass, and what it refuses because no browser renders it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jinja2 import nodes

from sitegen.models.tokens import template

RUNTIME = Path(__file__).parents[2] / "runtime"
CHAT = json.loads((RUNTIME / "oracles" / "chat.json").read_text(encoding="utf-8"))
NOW = template.datetime(2025, 7, 4, 9, 5, 7)


def sources() -> dict[str, str]:
    """Every template that tests/runtime/template.test.js holds against Jinja2."""
    files = {path.name: path.read_text("utf-8") for path in (RUNTIME / "templates").glob("*.jinja")}
    return files | {snippet["source"]: snippet["source"] for snippet in CHAT["snippets"]}


@pytest.mark.parametrize("source", sources().values(), ids=sources())
def test_what_the_browser_renders_passes(source: str) -> None:
    assert template.unknown_parts(source) == []


def test_each_name_that_passes_is_held_against_jinja() -> None:
    seen: dict[str, set[str]] = {"filters": set(), "tests": set(), "methods": set(), "loop": set()}
    for snippet in CHAT["snippets"]:
        for node in template.environment(NOW).parse(snippet["source"]).find_all(nodes.Expr):
            match node:
                case nodes.Filter(name=name):
                    seen["filters"].add(name)
                    seen["tests"].update(a.value for a in node.args if type(a) is nodes.Const)
                case nodes.Test(name=name):
                    seen["tests"].add(name)
                case nodes.Call(node=nodes.Getattr(attr=name)):
                    seen["methods"].add(name)
                case nodes.Getattr(node=nodes.Name(name="loop"), attr=name):
                    seen["loop"].add(name)
    assert seen["filters"] >= template.FILTERS.keys()
    assert seen["tests"] >= template.TESTS_BY_NAME
    assert seen["methods"] >= template.METHODS.keys()
    assert seen["loop"] >= template.LOOP
    dates = " ".join(s["source"] for s in CHAT["snippets"] if "strftime_now" in s["source"])
    assert all(f"%{directive}" in dates for directive in template.DIRECTIVES)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("a\n{{ x | wordcount }}", "the filter `wordcount` on line 2"),
        ("{{ x | map('wordcount') }}", "the filter `wordcount` on line 1"),
        ("{{ x | join('-', 'a') }}", "the filter `join` with 2 arguments on line 1"),
        ("{{ x | unique(attribute='a') }}", "`attribute` of the filter `unique` on line 1"),
        ("{{ x.split(sep=',') }}", "`sep` of the method `split` on line 1"),
        ("{{ x.startswith('a', 1) }}", "the method `startswith` with 2 arguments on line 1"),
        ("{{ x | selectattr('a', 'divisibleby', 2) }}", "the test `divisibleby` on line 1"),
        ("{{ x is sameas(y) }}", "the test `sameas` on line 1"),
        ("{{ 4 is number(2) }}", "the test `number` with a value on line 1"),
        ("{{ x.partition('a') }}", "the method `partition` on line 1"),
        ("{{ cycler(1, 2) }}", "the function `cycler` on line 1"),
        ("{% for i in x %}{{ loop.cycle(1) }}{% endfor %}", "`loop.cycle` on line 1"),
        ("{% for i in x recursive %}{% endfor %}", "a recursive loop on line 1"),
        ("{% include 'a' %}", "the statement `include` on line 1"),
        ("{% with a = 1 %}{% endwith %}", "the statement `with` on line 1"),
        ("{% raw %}{{ x }}{% endraw %}", "the statement `raw` on line 1"),
        ("{% set a | upper %}b{% endset %}", "a filter on a `set` block on line 1"),
        ("{{ 1 < 2 < 3 }}", "a chain of comparisons on line 1"),
        ("{{ '%s' % 1 }}", "`%` as the formatting of a text on line 1"),
        ("{{ {1: 2} }}", "the key 1, which is no text, on line 1"),
        ("{{ '\\a' }}", "the escape \\a in a text on line 1"),
        ("{{ (1,) }}", "a comma before `)` on line 1"),
        ("{{ 1e3 }}", "the number 1e3 on line 1"),
        ("{{ strftime_now('%c') }}", "`%c` in a date on line 1"),
        ("{%+ if x %}{% endif %}", "the mark `{%+` on line 1"),
        ("{{ (x | safe).strip() }}", "a method of what `safe` gives on line 1"),
    ],
)
def test_what_the_browser_does_not_know(source: str, part: str) -> None:
    assert part in template.unknown_parts(source)


def test_a_missing_token_is_undefined() -> None:
    messages = [{"role": "user", "content": "x"}]
    source = "{{ bos_token is defined }}{{ eos_token }}"
    assert template.render(source, messages, {"bos_token": None, "eos_token": "e"}) == "Falsee"


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_templates_render_as_in_transformers() -> None:
    reason = "parity compares with transformers, which is not installed: `make parity` installs it"
    utils = pytest.importorskip("transformers.utils.chat_template_utils", reason=reason)
    now = template.datetime.now()  # transformers' own clock; no template here shows the hour
    for case in CHAT["templates"]:
        source = (RUNTIME / "templates" / f"{case['name']}.jinja").read_text("utf-8")
        for messages in CHAT["conversations"]:
            for tools in (None, CHAT["tools"]):
                theirs = ours = None
                try:
                    [theirs], _ = utils.render_jinja_template(
                        [messages], tools, chat_template=source, **CHAT["tokens"]
                    )
                except Exception as error:
                    theirs = str(error)
                try:
                    ours = template.render(
                        source,
                        messages,
                        CHAT["tokens"],
                        now,
                        tools=tools,
                        add_generation_prompt=False,
                    )
                except Exception as error:
                    ours = str(error)
                assert ours == theirs, case["name"]
