"""What may be written in an app block, and how it becomes an App."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
import jinja2.meta
from pydantic import BaseModel, Field, Strict

from ..config import STRICT
from ..errors import ContentError, Where
from ..schema import KeyPath, describe, suggest, validate
from . import marks
from .blocks import Block
from .page import App
from .references import Declared

Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]


class AppOptions(BaseModel):
    """Options that every app block has. Those left out are the model's own, or the engine's."""

    model_config = STRICT

    model: str | None = None
    """Name of the model; default: the page's only one."""
    title: str | None = None
    """Shown above the app; default: the model's title."""
    placeholder: str | None = None
    """Shown in the empty input."""
    examples: Texts = ()
    """Inputs to try, offered as buttons."""
    temperature: float | None = Field(default=None, ge=0)
    """0 always takes the likeliest token."""
    top_k: int | None = Field(default=None, ge=0)
    """Choose among the k likeliest tokens; 0: among all."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Choose among the likeliest tokens that together have this probability."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    """Choose among the tokens at least so probable as this share of the likeliest."""
    repetition_penalty: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Above 1: tokens of the prompt and the answer become less likely."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Taken from a token's score for each time it came in the answer."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Taken from a token's score once it came in the answer."""
    seed: int | None = Field(default=None, ge=0, lt=2**53)
    """Makes answers repeatable on one backend."""
    max_new_tokens: int | None = Field(default=None, ge=1)
    """Longest answer."""
    stop: Texts = ()
    """Texts that end the answer."""


class ChatOptions(AppOptions):
    """A `chat` block: a conversation."""

    system: str | None = None
    """What the model is told before the conversation."""
    context_overflow: Literal["stop", "drop_oldest"] = "stop"
    """What happens to a conversation that leaves no room for its answer."""
    greeting: str | None = None
    """The first message, shown as if the model had written it."""


class CompleteOptions(AppOptions):
    """A `complete` block: the model continues the reader's text."""

    prompt: str | None = None
    """Text the editor starts with."""


class FormField(BaseModel):
    """One input of a form."""

    model_config = STRICT

    name: str = Field(min_length=1)
    """What the prompt calls it: letters, digits and "_"."""
    label: str | None = None
    """What the reader sees; default: the name, as words."""
    type: Literal["text", "textarea", "select", "number", "checkbox"] = "text"
    options: Texts = ()
    """Choices of a select."""
    default: Any = None
    placeholder: str | None = None
    required: bool = False
    min: float | None = None
    max: float | None = None


class FormOptions(AppOptions):
    """A `form` block: fields, and a Jinja prompt over them."""

    fields: Annotated[tuple[FormField, ...], Strict(False)] = Field(min_length=1)
    prompt: str = Field(min_length=1)
    """Jinja template over the fields' names."""
    system: str | None = None
    submit: str | None = None
    """Label of the button."""


SCHEMAS: Mapping[str, type[AppOptions]] = {
    "chat": ChatOptions,
    "complete": CompleteOptions,
    "form": FormOptions,
}

_DEFAULTS: Mapping[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "select": str,
    "number": (int, float),
    "checkbox": bool,
}


def build(block: Block, declared: Declared, path: Path) -> App:
    """The app that `block` describes. Raises ContentError with the line of the mistake."""
    marked = marks.read(block.yaml, path, block.line + 1)
    data = {} if marked.data is None else marked.data
    if not isinstance(data, Mapping):
        raise ContentError(
            f"the {block.kind} block must hold keys and values, but holds {describe(data)}",
            where=marked.where((), False),
            hint="Write, for example: temperature: 0.7",
        )
    fence = Where(path, block.line, 1)
    options = validate(
        SCHEMAS[block.kind],
        data,
        locate=lambda keys, is_key: marked.where(keys, is_key) if keys else fence,
        error=ContentError,
        subject=f"the {block.kind} block",
    )
    if isinstance(options, FormOptions):
        _check_form(options, marked)
    name, _ = declared.pick(
        options.model, marked.where(("model",), False) if options.model else fence
    )
    wire = options.model_dump(mode="json", exclude={"model"}, exclude_defaults=True)
    if isinstance(options, FormOptions):
        wire["fields"] = [_wire(field) for field in options.fields]
    return App(block.kind, name, wire, block.line)


def _wire(field: FormField) -> dict[str, Any]:
    label = field.label or field.name.replace("_", " ").capitalize()
    given = field.model_dump(mode="json", exclude_defaults=True)
    return {"name": field.name, "label": label, "type": field.type, **given}


def _check_form(form: FormOptions, marked: marks.Marked) -> None:
    names: list[str] = []
    for number, field in enumerate(form.fields):
        _check_field(field, ("fields", number), marked)
        if field.name in names:
            raise ContentError(
                f'two fields are called "{field.name}"',
                where=marked.where(("fields", number, "name"), False),
                hint="Give each field a name of its own.",
            )
        names.append(field.name)
    _check_prompt(form.prompt, names, marked)


def _check_field(field: FormField, at: KeyPath, marked: marks.Marked) -> None:
    def wrong(problem: str, key: str, hint: str) -> ContentError:
        return ContentError(problem, where=marked.where((*at, key), False), hint=hint)

    if not (field.name.isascii() and field.name.isidentifier()):
        raise wrong(
            f'"{field.name}" cannot be the name of a field',
            "name",
            'Names are made of letters, digits and "_"; what the reader sees is the label.',
        )
    if field.type == "select" and not field.options:
        raise wrong(
            f'the select "{field.name}" has no options', "type", "Add them: options: [one, two]"
        )
    if field.type != "select" and field.options:
        raise wrong(
            f'the field "{field.name}" has options, and its type is {field.type}',
            "options",
            "Only a select has options: write type: select.",
        )
    for key, value in (("min", field.min), ("max", field.max)):
        if value is not None and field.type != "number":
            raise wrong(
                f'the field "{field.name}" has "{key}", and its type is {field.type}',
                key,
                f'Only a number has "{key}": write type: number.',
            )
    if field.min is not None and field.max is not None and field.min > field.max:
        raise wrong(f'the field "{field.name}" has a min above its max', "min", "Swap the two.")
    _check_default(field, wrong)


def _check_default(field: FormField, wrong: Any) -> None:
    value = field.default
    if value is None:
        return
    fits = isinstance(value, _DEFAULTS[field.type])
    if isinstance(value, bool) and field.type != "checkbox":
        fits = False
    if isinstance(value, float) and not math.isfinite(value):
        fits = False  # JSON has neither infinity nor NaN
    if not fits:
        wanted = {"number": "a number", "checkbox": "true or false"}.get(field.type, "text")
        raise wrong(
            f'the default of "{field.name}" must be {wanted}, but is {describe(value)}',
            "default",
            "Put it in quotes to make it text."
            if wanted == "text"
            else f"The field is a {field.type}.",
        )
    if field.type == "select" and value not in field.options:
        raise wrong(
            f'the default of "{field.name}" is none of its options',
            "default",
            suggest(value, field.options, title="Options"),
        )


def _check_prompt(prompt: str, names: list[str], marked: marks.Marked) -> None:
    try:
        tree = jinja2.Environment(autoescape=False).parse(prompt)
        unknown = jinja2.meta.find_undeclared_variables(tree) - set(names)
    except jinja2.TemplateSyntaxError as error:
        raise ContentError(
            f"the prompt is no Jinja template: {error.message}",
            where=marked.where_in_text(("prompt",), error.lineno),
            hint="A field's value is written {{ name }}.",
        ) from None
    if unknown:
        first, line = min(
            (
                (node.name, node.lineno)
                for node in tree.find_all(jinja2.nodes.Name)
                if node.name in unknown
            ),
            key=lambda found: found[1],
        )
        raise ContentError(
            f'the prompt uses "{first}", which is no field',
            where=marked.where_in_text(("prompt",), line),
            hint=suggest(first, names, title="Fields"),
        )
