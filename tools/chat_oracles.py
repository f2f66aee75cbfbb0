"""Chat templates as Jinja2 renders them: what sitegen/runtime/template.js must reproduce."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sitegen.models.tokens.template import DIRECTIVES, environment

TEMPLATES = Path(__file__).parent.parent / "tests" / "runtime" / "templates"
NOW = datetime(2025, 7, 4, 9, 5, 7)
MOMENTS = [  # midnight, noon, leap years, and numbers of few and of many digits
    datetime(2024, 2, 29, 0, 30),
    datetime(2025, 1, 5, 12, 0, 59),
    datetime(2024, 12, 31, 23, 59, 59),
    datetime(2009, 3, 30, 13, 7, 8),
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'Wetter für <Ort> & "mehr" 🦊',
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Città"},
                    "days": {"type": "array", "items": {"type": "integer"}, "default": []},
                },
                "required": ["city"],
            },
        },
    }
]
CALL = {
    "id": "abcdefghi",
    "type": "function",
    "function": {
        "name": "get_weather",
        "arguments": {"city": "Köln", "days": [1, 2], "unit": None, "now": True, "x": 1.5},
    },
}
CONVERSATIONS = [
    [{"role": "user", "content": "Hello!"}],
    [
        {"role": "system", "content": " Be brief.\n/no_think"},
        {"role": "user", "content": "  Two\nlines 🦊 with spaces  "},
    ],
    [
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": " It is 4. "},
        {"role": "user", "content": "Thanks {{ not a template }} <b>"},
    ],
    [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "<think>\n hm \n</think>\n\n  so  "},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "<think>\n hm \n</think>\n\n  so  "},
    ],
    [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
    [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "abcdefghi", "name": "get_weather", "content": '{"t": 3}'},
        {"role": "assistant", "content": "3 °C"},
        {"role": "user", "content": "Thanks"},
    ],
    [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
    ],
    [{"role": "user", "content": [{"type": "text", "text": " part "}]}],
    [],
]

# One thing on each line; together they name every filter, test, method and loop variable that the
# build lets pass (tests/models/tokens/test_template.py).
SNIPPETS = [
    *(TEMPLATES / "snippets.txt").read_text(encoding="utf-8").splitlines(),
    "a\n  {% if true %}\n  b\n  {% endif %}\nc {{- ' d ' -}} e\n{# note #}\n  {#- note -#}  f\n",
]
VARIABLES = {
    "text": " Some <Text>\n",
    "tool": {
        "type": "array",
        "items": ["é", 1.5],
        "name": "<n>",
        "none": None,
        "yes": True,
        "o": {},
    },
}


def rendered(source: str, variables: dict[str, Any]) -> dict[str, str]:
    try:
        return {"text": environment(NOW).from_string(source).render(**variables)}
    except Exception as error:  # a template may raise anything
        return {"error": str(error)}


def cases(source: str) -> Iterator[dict[str, Any]]:
    """A template on the conversations, by their number, with and without tools and prompt."""
    for number, messages in enumerate(CONVERSATIONS):
        for tools, prompt in [
            (False, True),
            (True, True),
            *([(False, False)] if number == 3 else []),
        ]:
            variables = {
                **TOKENS,
                "messages": messages,
                "tools": TOOLS if tools else None,
                "documents": None,
                "add_generation_prompt": prompt,
            }
            case = {"conversation": number, "tools": tools, "prompt": prompt}
            yield {**case, **rendered(source, variables)}


def dates() -> Iterator[dict[str, str]]:
    form = " ".join(f"%{directive}" for directive in sorted(DIRECTIVES))
    for moment in MOMENTS:
        yield {"now": moment.isoformat(), "form": form, "text": moment.strftime(form)}


def chat() -> dict[str, Any]:
    return {
        "now": NOW.isoformat(),
        "dates": list(dates()),
        "tokens": TOKENS,
        "conversations": CONVERSATIONS,
        "tools": TOOLS,
        "templates": [
            {"name": path.stem, "cases": list(cases(path.read_text(encoding="utf-8")))}
            for path in sorted(TEMPLATES.glob("*.jinja"))
        ],
        "variables": VARIABLES,
        "snippets": [{"source": source, **rendered(source, VARIABLES)} for source in SNIPPETS],
    }
