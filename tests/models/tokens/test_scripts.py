"""Scripts: their names, and what can be written with them, down to pieces of characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.errors import ModelError
from sitegen.models.tokens.scripts import Writing, codes, count, name

LATIN = Writing(codes(["Latin"]))


def test_names_are_those_of_unicode_however_they_are_written() -> None:
    assert codes(["Latin", "old persian", "OLD_TURKIC"]) == {"Latn", "Xpeo", "Orkh"}
    assert codes(["Japanese", "Common"]) == {"Hani", "Hira", "Kana"}
    assert codes(["Korean"]) == {"Hang", "Hani"}
    assert codes(["Chinese"]) == {"Hani", "Bopo"}
    assert [name(code) for code in ("Latn", "Xpeo")] == ["Latin", "Old Persian"]


@pytest.mark.parametrize(
    ("written", "hint"),
    [("Cyrilic", "Did you mean Cyrillic? "), ("English", ""), ("Unknown", ""), ("Zyyy", "")],
)
def test_a_name_unicode_does_not_know(written: str, hint: str) -> None:
    with pytest.raises(ModelError) as error:
        codes(["Latin", written])
    assert error.value.problem == f'`vocabulary` keeps "{written}", which is no script of Unicode'
    assert str(error.value.hint).startswith(f"{hint}Write names such as Latin, Cyrillic,")


def test_letters_are_counted_by_script() -> None:
    text = ["Hello, мир!", "東京 is 東京 \u0301\u0378"]
    assert count(text) == {"Latn": 7, "Cyrl": 3, "Hani": 4}


@pytest.mark.parametrize("text", ["", "a", "ẞ, ﬁ – “12”\n\t№ ≠ 🦊 👩‍🚀", "e\u0301", "▁the", "ª"])
def test_what_all_scripts_share_can_be_written_in_each(text: str) -> None:
    assert LATIN.holds(text)


@pytest.mark.parametrize("text", ["я", "aя", "漢", "「", "・", "ー", "\u0378", "\ud800", "\ue000"])
def test_what_others_use_cannot(text: str) -> None:
    assert not LATIN.holds(text)


def test_several_scripts_share_more_than_each() -> None:
    assert Writing(codes(["Japanese"])).holds("「東京タワー・2」")
    assert not Writing(codes(["Greek"])).holds("αβγ a")


@given(st.text(max_size=8), st.data())
def test_any_stretch_of_a_text_that_can_be_written_is_found_possible(
    text: str, data: st.DataObject
) -> None:
    encoded = "".join(c for c in text if LATIN.holds(c)).encode()
    start = data.draw(st.integers(0, len(encoded)))
    stop = data.draw(st.integers(start, len(encoded)))
    assert LATIN.may_hold(encoded[start:stop])


@given(st.binary(max_size=8))
def test_whole_characters_between_pieces_must_be_those_that_can_be_written(data: bytes) -> None:
    if LATIN.may_hold(data):
        assert LATIN.holds(data.decode(errors="ignore"))


@pytest.mark.parametrize(
    ("data", "possible"),
    [
        (b"\xc3", True),  # é
        (b"\xa9", True),
        (b"\xa9 caf\xc3", True),
        (b"\xd0", False),  # Cyrillic begins so
        (b" \xd0", False),
        (b"\xe2\x80", True),  # – “ ”
        (b"\xe4\xb8", False),  # Han
        (b"\xf0\x9f\xa6", True),  # emoji
        (b"\x9f\xa6", True),
        (b"\x9f\xa6\x8a", True),
        (b"\x9f", True),
        (b"\xa0\x80\x80a", False),  # the end of a Han character
        (b"\xff", False),
        (b"\xc0\xaf", False),  # a form that UTF-8 does not have
        (b"\xe4\xb8a", False),
        (b"a\xe2\x80a", False),
    ],
)
def test_pieces_of_characters(data: bytes, possible: bool) -> None:
    assert LATIN.may_hold(data) is possible
