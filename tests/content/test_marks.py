from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sitegen.content import marks
from sitegen.errors import ContentError

PATH = Path("page.md")
TEXT = """\
title: One
model:
  id: x
  context: 12
fields:
  - name: a
  - name: b
    label: |
      first
      second
flow: {deep: [1, 2]}
"""


@pytest.mark.parametrize(
    ("keys", "is_key", "place"),
    [
        (("title",), True, "page.md:3:1"),
        (("title",), False, "page.md:3:8"),
        (("model", "context"), True, "page.md:6:3"),
        (("model", "context"), False, "page.md:6:12"),
        (("fields", 1, "name"), False, "page.md:9:11"),
        (("flow", "deep", 1), False, "page.md:13:18"),
        (("model", "nothing"), True, "page.md:4:1"),
        (("nothing",), True, "page.md:3:1"),
    ],
)
def test_keys_and_values_have_places(keys: Any, is_key: bool, place: str) -> None:
    assert str(marks.read(TEXT, PATH, 3).where(keys, is_key)) == place


def test_a_line_inside_a_text_has_a_place() -> None:
    marked = marks.read(TEXT, PATH, 3)
    assert str(marked.where_in_text(("fields", 1, "label"), 2)) == "page.md:12"
    assert str(marked.where_in_text(("title",), 1)) == "page.md:3:8"


def test_nothing_is_nothing() -> None:
    marked = marks.read("", PATH, 2)
    assert marked.data is None
    assert str(marked.where(("title",), True)) == "page.md:2"


def test_a_key_written_twice_deep_inside_is_found() -> None:
    with pytest.raises(ContentError, match='page.md:2:12: the key "b" is written twice'):
        marks.read("a:\n  - {b: 1, b: 2}", PATH, 1)


def test_an_alias_may_lead_back_to_itself() -> None:
    data = marks.read("a: &x\n  b: *x", PATH, 1).data
    assert data["a"]["b"] is data["a"]


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [ls]", "a: !!python/name:os"])
def test_yaml_makes_no_objects(text: str) -> None:
    with pytest.raises(ContentError, match="broken YAML: could not determine a constructor"):
        marks.read(text, PATH, 1)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("[What is new?]", ["What is new?"]),
        ("{label: Who is it?, of: a?b}", {"label": "Who is it?", "of": "a?b"}),
        ("[one ? two,\n three?\n four]", ["one ? two", "three? four"]),
        ("a: What?", {"a": "What?"}),
        ("{? a : b}", {"a": "b"}),
    ],
)
def test_a_question_may_stand_in_brackets(text: str, data: object) -> None:
    assert marks.read(text, PATH, 1).data == data


@given(st.text(max_size=60).filter(lambda text: "?" not in text))
def test_any_text_is_read_as_yaml_reads_it_or_refused_with_a_place(text: str) -> None:
    try:
        data = marks.read(text, PATH, 1).data
    except ContentError as error:
        assert error.where is not None and error.where.line is not None
        assert 1 <= error.where.line <= text.count("\n") + text.count("\r") + 2
    else:
        assert repr(data) == repr(yaml.safe_load(text))
