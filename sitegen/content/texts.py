"""What a page says, without its markup: by this a model may be pruned and calibrated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import jinja2

from ..texts import SILENCE, Prompt, Texts
from .page import App, Page

BLOCKS = frozenset(
    "address blockquote dd div dt figcaption h1 h2 h3 h4 h5 h6 li p pre td th".split()
)
"""Elements whose text is a line of its own."""


def texts(page: Page) -> Texts:
    """All that a page and its apps say, and what a reader is offered to ask them."""
    prose = [page.title, page.description, _plain(page.html)]
    prose += [app.options.get("system") or "" for app in page.apps]
    words = [word for app in page.apps for word in _strings(app.options)]
    prompts = [prompt for app in page.apps for prompt in _prompts(app)]
    return SILENCE + Texts(tuple(filter(None, prose)), tuple(filter(None, words)), tuple(prompts))


def _prompts(app: App) -> Iterator[Prompt]:
    """The examples, the text that an editor starts with, a form as it is before anyone fills it."""
    system, asked = app.options.get("system"), app.options.get("examples", ())
    if app.kind == "form":
        filled = _filled(app.options)
        asked = [filled] if filled else []
    elif app.kind == "complete" and "prompt" in app.options:
        asked = [app.options["prompt"], *asked]
    for text in asked:
        yield Prompt(text, system, app.kind != "complete")


def _filled(form: Mapping[str, Any]) -> str:
    """A form's prompt with the defaults of its fields, else with what stands in for them."""
    values = {}
    for field in form["fields"]:
        choices = [*field.get("options", ()), field.get("placeholder"), field["label"]]
        if field["type"] in ("number", "checkbox"):
            choices = [field.get("min", field["type"] == "number")]
        value = field.get("default", next(filter(None, choices), False))
        is_whole = isinstance(value, float) and value.is_integer()  # JavaScript writes 3.0 as 3
        values[field["name"]] = int(value) if is_whole else value
    try:
        return jinja2.Environment(autoescape=False).from_string(form["prompt"]).render(values)
    except Exception:  # a template is a program: it may ask for what only a reader can give
        return ""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _plain(html: str) -> str:
    text = _Text()
    text.feed(html)
    text.close()
    return "".join(text.parts).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.parts.append("\n")
