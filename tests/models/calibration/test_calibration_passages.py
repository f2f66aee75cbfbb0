"""What a model is calibrated with: the page's text, and its own answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import VOCAB, write_tokenizer

from sitegen.models.calibration.passages import LEAST, MOST, TOKENS, count, read
from sitegen.models.tokens.tokenizer import Text, read_text
from sitegen.texts import SILENCE, Texts


@pytest.fixture
def text(tmp_path: Path) -> Text:
    write_tokenizer(tmp_path)
    return read_text({path.name: path for path in tmp_path.iterdir()}, VOCAB)


def test_a_short_page_is_read_whole(text: Text) -> None:
    found = read(text, Texts(("Title", "One, two, three.")), 4096, 8)
    assert found == text.pieces("Title\n\nOne, two, three.", TOKENS)
    assert read(text, SILENCE, 4096, 8) == []


def test_of_a_long_text_passages_from_everywhere(text: Text) -> None:
    prose = tuple(f"{n} times {n} is {n * n}, and so on." for n in range(4000))
    everything = text.pieces("\n\n".join(prose), TOKENS)
    assert len(everything) > 100
    found = read(text, Texts(prose), 4096, 8)
    places = [everything.index(passage) for passage in found]
    assert len(found) == 8
    steps = {after - before for before, after in zip(places, places[1:], strict=False)}
    assert max(steps) - min(steps) <= 1


def test_no_passage_is_longer_than_the_context(text: Text) -> None:
    found = read(text, Texts(("All the words of a page. " * 100,)), 16, 8)
    assert {len(passage) for passage in found} == {16}


def test_half_a_surrogate_pair_is_replaced(text: Text) -> None:
    assert text.pieces("a \ud83e b", TOKENS) == text.pieces("a ? b", TOKENS)


def test_larger_models_read_and_write_less() -> None:
    assert count(4_000_000, 1024) == (MOST, MOST)
    assert count(135_000_000, 1536) == (MOST, MOST)
    assert count(1_240_000_000, 8192) == (10, 8)
    assert count(70_000_000_000, 28672) == (LEAST, LEAST)
