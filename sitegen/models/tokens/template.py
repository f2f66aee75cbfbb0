"""Chat templates: rendered as transformers renders them, and kept to what the browser renders too.

The browser runs them with @huggingface/jinja and sitegen/runtime/template*.js. What those know is
listed here; tests/runtime holds each name of these lists against Jinja2. A template that uses
anything else is refused when the site is built, not when a reader asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

ANY = 99  # arguments: another filter's or a test's
FILTERS: dict[str, tuple[int, str]] = {
    **dict.fromkeys(
        "abs capitalize count first items last length list lower max min reverse safe string title "
        "unique upper".split(),
        (0, ""),
    ),
    **dict.fromkeys(["d", "default"], (2, "default_value boolean")),
    **dict.fromkeys(["float", "int"], (1, "default")),
    **dict.fromkeys("reject rejectattr select selectattr".split(), (ANY, "")),
    "dictsort": (3, "case_sensitive by reverse"),
    "indent": (3, "width first blank"),
    "join": (1, "attribute"),
    "map": (ANY, "attribute default"),
    "replace": (3, ""),
    "sort": (3, "reverse case_sensitive attribute"),
    "tojson": (1, "ensure_ascii indent separators sort_keys"),
    "trim": (1, ""),
}
"""Filter → how many arguments it takes by their place, and which by name."""
TESTS = frozenset(
    "boolean callable defined even false float integer iterable lower mapping none number odd "
    "sequence string true undefined upper".split()
)
TESTS_BY_NAME = TESTS | {"==", "!=", "eq", "equalto", "ne", "in"}  # of select and its relatives
METHODS: dict[str, int] = {
    **dict.fromkeys("capitalize isdigit items keys lower splitlines title upper values".split(), 0),
    **dict.fromkeys(
        "count endswith find join lstrip removeprefix removesuffix rstrip startswith strip".split(),
        1,
    ),
    **dict.fromkeys(["get", "split"], 2),
    "replace": 3,
    "format": ANY,
}
"""Method → how many arguments it takes; none but `format` takes them by name."""
LOOP = frozenset("first index index0 last length nextitem previtem revindex revindex0".split())
UNKNOWN_GLOBALS = frozenset("cycler dict joiner lipsum".split())
# Of strftime; "%-d" is the C library's way to leave a leading zero out.
DIRECTIVES = frozenset("% A B F H I M S T Y a b d e j m p y -H -I -d -m".split())
STATEMENTS: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.With: "with",
    nodes.ExprStmt: "do",
    nodes.ScopedEvalContextModifier: "autoescape",
}
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what training learns from; the text stays."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment(now: datetime) -> ImmutableSandboxedEnvironment:
    """Jinja as transformers/utils/chat_template_utils.py sets it up, at a fixed moment."""

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )
    environment.filters["tojson"] = tojson
    environment.globals.update(raise_exception=raise_exception, strftime_now=now.strftime)
    return environment


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    tokens: Mapping[str, str | None],
    now: datetime = datetime(2025, 1, 1),
    **variables: Any,
) -> str:
    """The conversation as transformers and the browser render it; raises what the template does.

    tokens: `bos_token` and `eos_token`. One that is missing is undefined, not empty: joining it
    to a text is an error. now: the same model must give the same export tomorrow.
    """
    known = {name: token for name, token in tokens.items() if token is not None}
    defaults = {"tools": None, "documents": None, "add_generation_prompt": True}
    compiled = environment(now).from_string(template)
    return compiled.render(messages=messages, **{**defaults, **known, **variables})


def texts_of(template: str | None) -> list[str]:
    """All texts that stand in a chat template itself, whether or not a conversation shows them."""
    if template is None:
        return []
    try:
        parsed = environment(datetime(2025, 1, 1)).parse(template)
    except TemplateError:
        return []  # rendering it says what is wrong
    data = [node.data for node in parsed.find_all(nodes.TemplateData)]
    values = [node.value for node in parsed.find_all(nodes.Const)]
    return data + [value for value in values if isinstance(value, str)]


def unknown_parts(template: str) -> list[str]:
    """What of a chat template the browser does not know, each with its line; [] when nothing.

    Raises jinja2.TemplateSyntaxError where it is no Jinja.
    """
    jinja = environment(datetime(2025, 1, 1))
    tree = jinja.parse(template)
    tokens = list(jinja.lex(template))
    found = [(line, part) for line, kind, text in tokens if (part := _unknown_token(kind, text))]
    written = [(line, text) for line, kind, text in tokens if kind != "whitespace"]
    found += [
        (line, "a comma before `)`")
        for (line, text), (_, following) in pairwise(written)
        if (text, following) == (",", ")")
    ]
    found += [
        (node.lineno, part) for node in tree.find_all(nodes.Node) for part in _unknown_in(node)
    ]
    return [f"{part} on line {line}" for line, part in sorted(found)]


def _unknown_token(kind: str, text: str) -> str | None:
    if kind == "string":
        # "x" and "u" alone are those without their digits.
        unknown = [e for e in ESCAPE.findall(text) if len(e) == 1 and e not in "\\\"'bfnrtv"]
        return f"the escape \\{unknown[0]} in a text" if unknown else None
    if kind in ("integer", "float") and not re.fullmatch(r"\d+(\.\d+)?", text):
        return f"the number {text}"
    if kind == "raw_begin":
        return "the statement `raw`"
    if "+" in text and kind in ("block_begin", "block_end", "variable_begin", "variable_end"):
        return f"the mark `{text.strip()}`"
    return None


def _unknown_in(node: nodes.Node) -> Iterator[str]:
    """What one node, without its children, asks of the browser that it has not."""
    match node:
        case nodes.Filter(name=name):
            if name not in FILTERS:
                yield f"the filter `{name}`"
            else:
                most, names = FILTERS[name]
                yield from _unknown_arguments(f"the filter `{name}`", node, most, names.split())
            if isinstance(node.node, nodes.Filter) and node.node.name == "safe":
                yield "a filter after `safe`"
            if node.args and isinstance(node.args[0], nodes.Const):
                yield from _unknown_by_name(name, node.args)
        case nodes.Test(name=name):
            if name not in TESTS:
                yield f"the test `{name}`"
            elif node.args:
                yield f"the test `{name}` with a value"
        case nodes.Call(node=nodes.Getattr(attr=method)):
            if method not in METHODS:
                yield f"the method `{method}`"
            elif method != "format":
                yield from _unknown_arguments(f"the method `{method}`", node, METHODS[method], [])
        case nodes.Call(node=nodes.Name(name="strftime_now"), args=[nodes.Const(value=form)]):
            for directive in re.findall(r"%(-?[A-Za-z]|.)", str(form)):
                if directive not in DIRECTIVES:
                    yield f"`%{directive}` in a date"
        case nodes.Getattr(node=nodes.Name(name="loop"), attr=attribute) if attribute not in LOOP:
            yield f"`loop.{attribute}`"
        case nodes.Name(name=name, ctx="load") if name in UNKNOWN_GLOBALS:
            yield f"the function `{name}`"
        case nodes.For(recursive=True):
            yield "a recursive loop"
        case nodes.AssignBlock(filter=nodes.Filter()):
            yield "a filter on a `set` block"
        case nodes.Compare() if len(node.ops) > 1:
            yield "a chain of comparisons"
        case nodes.Mod(left=nodes.Const(value=str())):
            yield "`%` as the formatting of a text"
        case nodes.Pair(key=nodes.Const(value=key)) if not isinstance(key, str):
            yield f"the key {key!r}, which is no text,"
        case nodes.Getattr(node=nodes.Filter(name="safe")):
            yield "a method of what `safe` gives"
        case _ if type(node) in STATEMENTS:
            yield f"the statement `{STATEMENTS[type(node)]}`"


def _unknown_arguments(
    called: str, node: nodes.Filter | nodes.Call, most: int, names: Sequence[str]
) -> Iterator[str]:
    """most: arguments that are taken by their place; names: those that are taken by name."""
    if len(node.args) > most:
        yield f"{called} with {len(node.args)} arguments"
    for argument in node.kwargs:
        if argument.key not in names:
            yield f"`{argument.key}` of {called}"


def _unknown_by_name(name: str, args: Sequence[nodes.Expr]) -> Iterator[str]:
    """Filters that take the name of a filter or of a test."""
    names = [arg.value if isinstance(arg, nodes.Const) else None for arg in args]
    if name == "map" and names[0] not in FILTERS:
        yield f"the filter `{names[0]}`"
    at = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}.get(name)
    if at is not None and len(names) > at and names[at] not in TESTS_BY_NAME:
        yield f"the test `{names[at]}`"
