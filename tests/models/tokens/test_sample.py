"""The sample by which a vocabulary is pruned: where it comes from, and what of it decides."""

from __future__ import annotations

import pytest

from sitegen.config import Vocabulary
from sitegen.errors import ModelError
from sitegen.models.tokens.sample import take

ENGLISH = "The fox said: “Привет!”\nand went home.\n"


def test_the_pages_text_and_its_scripts() -> None:
    sample = take(Vocabulary(), ["Γειά σου κόσμε, καλημέρα.", "Hello."])
    assert sample.scripts == {"Grek", "Latn"}
    assert (sample.bound, len(sample.texts)) == ((), 2)


def test_a_quotation_is_not_a_script_of_the_text() -> None:
    sample = take(Vocabulary(), [ENGLISH, "Plain words. " * 60])
    assert sample.scripts == {"Latn"}
    assert sample.bound == ("The fox said: “Привет!”\n",)


def test_one_letter_of_a_hundred_is_a_script_of_the_text() -> None:
    assert take(Vocabulary(), ["a" * 99 + "ж"]).scripts == {"Cyrl", "Latn"}
    assert take(Vocabulary(), ["a" * 100 + "ж"]).scripts == {"Latn"}
    assert take(Vocabulary(), ["aж"]).scripts == {"Cyrl", "Latn"}


def test_scripts_that_are_named_come_before_those_that_are_found() -> None:
    sample = take(Vocabulary(keep=("Greek",)), [ENGLISH])
    assert sample.scripts == {"Grek"}
    assert sample.bound == tuple(ENGLISH.splitlines(keepends=True))


def test_a_new_sentence_decides_nothing_unless_there_is_a_size() -> None:
    more = [ENGLISH, "A new sentence in the same script."]
    for vocabulary in (Vocabulary(), Vocabulary(keep=("Latin",))):
        assert (
            take(vocabulary, [ENGLISH * 50]).digest()
            == take(vocabulary, [ENGLISH * 50, *more]).digest()
            != take(vocabulary, [ENGLISH * 50, "and 月"]).digest()
        )
    sized = Vocabulary(size=500)
    assert take(sized, [ENGLISH]).digest() != take(sized, more).digest()
    other = take(Vocabulary(keep=("Latin", "Greek")), [ENGLISH])
    assert take(Vocabulary(keep=("Latin",)), [ENGLISH]).digest() != other.digest()


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert take(Vocabulary(), ["a \ud83e b"]).texts == ("a ? b",)


@pytest.mark.parametrize(
    ("vocabulary", "pages", "problem"),
    [
        (Vocabulary(), ["12", ""], "keeps the scripts of the page's text, and there is no letter"),
        (Vocabulary(keep=("Klingon",)), ["a"], "which is no script of Unicode"),
    ],
)
def test_what_is_no_sample(vocabulary: Vocabulary, pages: list[str], problem: str) -> None:
    with pytest.raises(ModelError) as error:
        take(vocabulary, pages)
    assert problem in error.value.problem
