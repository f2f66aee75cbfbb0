"""Checks data against a pydantic model and says what is wrong in an author's words.

sitegen.toml, front matter, app blocks and theme.toml all go through `validate`; it knows nothing of
TOML or YAML: the caller's `locate` turns a key's path into a place in the file.
"""

from __future__ import annotations

import datetime
import difflib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import SitegenError, Where

KeyPath = tuple[str | int, ...]
"""("models", "librarian", "context"): the keys and list positions that lead to a value."""

Locate = Callable[[KeyPath, bool], Where]
"""The place of a key (True) or of its value (False)."""

M = TypeVar("M", bound=BaseModel)


def validate(
    model: type[M], data: object, *, locate: Locate, error: type[SitegenError], subject: str
) -> M:
    """`data` as a `model`, or `error` for the first mistake found.

    subject: what the keys belong to, for a sentence such as 'unknown key "x" in SUBJECT'.
    """
    try:
        return model.model_validate(data)
    except ValidationError as found:
        # A misspelt required key is both unknown and missing: the unknown one says more.
        mistakes = sorted(found.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise _explain(mistakes[0], model, locate, error, subject) from None


class WrongKey(ValueError):
    """For validators: a key of the mapping that may not stand beside another one."""

    def __init__(self, key: str, problem: str):
        self.key = key
        super().__init__(problem)


def suggest(word: str, allowed: Iterable[str], *, title: str = "Allowed") -> str:
    """'Did you mean "x"? Allowed: a, b, x.', the first sentence only where something is near."""
    names = list(allowed)
    if not names:
        return "None is allowed here."
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in names], 1)
    did_you_mean = ""
    if near:
        match = next(name for name in names if name.lower() == near[0])
        did_you_mean = f'Did you mean "{match}"? '
    return f"{did_you_mean}{title}: {', '.join(names)}."


def describe(value: object) -> str:
    """What an author wrote, in words: 'the number 3', 'the text "abc"', 'a list'."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{_shorten(value)}"' if value else "empty text"
        case datetime.date():
            return f"the date {value}"
        case Mapping():
            return "a mapping of keys to values"
        case Sequence():
            return "a list" if value else "an empty list"
    return f"of type {type(value).__name__}"


def _explain(
    found: ErrorDetails,
    model: type[BaseModel],
    locate: Locate,
    error: type[SitegenError],
    subject: str,
) -> SitegenError:
    path: KeyPath = tuple(part for part in found["loc"] if part != "[key]")
    name = dotted(path)
    value = found["input"]
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            owner = _model_at(model, path[:-1])
            inside = f'"{dotted(path[:-1])}"' if path[:-1] else subject
            return error(
                f'unknown key "{path[-1]}" in {inside}',
                where=locate(path, True),
                hint=suggest(str(path[-1]), owner.model_fields if owner else ()),
            )
        case "missing":
            return error(
                f'"{path[-1]}" is missing in {subject if not path[:-1] else dotted(path[:-1])}',
                where=locate(path[:-1], True),
                hint=f'Add "{path[-1]}".',
            )
        case "literal_error":
            owner = _model_at(model, path[:-1])
            allowed = _literals(owner, path) if owner else []
            return error(
                f'"{name}" is {describe(value)}',
                where=locate(path, False),
                hint=suggest(str(value), allowed),
            )
        case "value_error":
            problem = context["error"]
            return error(
                f'"{name}" {problem}' if path else str(problem),
                where=locate((*path, problem.key), True)
                if isinstance(problem, WrongKey)
                else locate(path, False),
            )
    if found["type"] == "invalid_key" or (
        found["type"] == "string_type" and found["loc"][-1] == "[key]"
    ):
        return error(
            f"a key must be text, but is {describe(value)}",
            where=locate(path, True),
            hint="Put it in quotes to make it text.",
        )
    wanted = _wanted(found["type"], context) or found["msg"]
    quotes = found["type"] == "string_type" and isinstance(value, bool | int | float)
    return error(
        f'"{name}" must be {wanted}, but is {describe(value)}'
        if path
        else f"{subject} must be {wanted}, but is {describe(value)}",
        where=locate(path, False),
        hint="Put it in quotes to make it text." if quotes else None,
    )


def _wanted(kind: str, context: Mapping[str, Any]) -> str | None:
    match kind:
        case "string_type":
            return "text"
        case "int_type" | "int_from_float":
            return "a whole number"
        case "float_type":
            return "a number"
        case "bool_type":
            return "true or false"
        case "list_type" | "tuple_type":
            return "a list"
        case "dict_type" | "model_type" | "mapping_type" | "model_attributes_type":
            return "a mapping of keys to values"
        case "date_type" | "date_from_datetime_parsing" | "date_from_datetime_inexact":
            return "a date such as 2026-01-31"
        case "string_pattern_mismatch":  # the only pattern there is: of names
            return 'made of letters, digits, ".", "_" and "-"'
        case "string_too_short":
            return "some text"
        case "too_short":
            return f"a list of {context['min_length']} or more"
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "greater_than":
            return f"more than {context['gt']:g}"
        case "less_than":
            return f"less than {context['lt']}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "finite_number":
            return "a finite number"
    return None


def dotted(path: KeyPath) -> str:
    """("fields", 0, "name") as an author would say it: fields[1].name."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def _model_at(annotation: Any, path: KeyPath) -> type[BaseModel] | None:
    """The pydantic model that `path` leads to, starting below `annotation`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            return annotation
        field = annotation.model_fields.get(str(path[0]))
        return _model_at(field.annotation, path[1:]) if field else None
    origin = get_origin(annotation)
    transparent = origin in (Union, types.UnionType) or origin is None or not path
    for argument in get_args(annotation):
        model = _model_at(argument, path if transparent else path[1:])
        if model:
            return model
    return None


def _literals(owner: type[BaseModel], path: KeyPath) -> list[str]:
    field = owner.model_fields.get(str(path[-1]))
    return [str(value) for value in _values(field.annotation)] if field else []


def _values(annotation: Any) -> Iterable[Any]:
    """What a Literal allows, also inside of `Literal | None`."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [value for inner in get_args(annotation) for value in _values(inner)]


def _shorten(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
