"""The corpus of the built-in model: the same for everyone, in good English, and honest."""

from __future__ import annotations

import importlib.util
import re
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[1] / "tools" / "storyteller"


def load_corpus() -> ModuleType:
    """The tool is no package: it is loaded from its file."""
    spec = importlib.util.spec_from_file_location("storyteller_corpus", FOLDER / "corpus.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


corpus = load_corpus()


def texts(seed: int, count: int) -> list[str]:
    return [corpus.render(doc) for doc in corpus.documents(seed, 0, count)]


def exchanges(seed: int, count: int) -> list:
    return [corpus.exchange(corpus.Dice(seed, "test", i)) for i in range(count)]


def test_the_same_seed_gives_the_same_text():
    assert texts(5, 40) == texts(5, 40)
    assert texts(5, 40) != texts(6, 40)


def test_a_document_depends_on_its_number_alone():
    later = [corpus.render(doc) for doc in corpus.documents(5, 30, 40)]
    assert later == texts(5, 40)[30:]


def test_articles_fit_the_word_after_them():
    assert corpus.article("owl") == "an owl"
    assert corpus.article("unicorn") == "a unicorn"
    assert corpus.article("old fox") == "an old fox"
    assert corpus.article("hourglass") == "an hourglass"
    for text in texts(11, 1500):
        for word in re.findall(r"\ba ([a-z]+)", text):
            assert word[0] not in "aeiou" or word.startswith("uni"), f"a {word}: {text}"
        for word in re.findall(r"\ban ([a-z]+)", text):
            assert word[0] in "aeiou" or word.startswith(("hour", "honest")), f"an {word}: {text}"


def test_every_story_has_what_was_asked_for():
    for told in exchanges(12, 1500):
        for word, kind in zip(told.cast.triple, ("hero", "place", "thing"), strict=True):
            if kind in told.asked:
                assert word in told.story, f"{told.request}\n{told.story}"


def test_an_adjective_in_the_request_is_in_the_story():
    for told in exchanges(13, 1500):
        lost = told.cast.thing_adjective
        if "thing" in told.asked and lost and f"{lost} {told.cast.thing.noun}" in told.request:
            assert f"{lost} {told.cast.thing.noun}" in told.story, f"{told.request}\n{told.story}"


def test_held_out_triples_are_never_told():
    for told in exchanges(14, 3000):
        assert not corpus.held_out(*told.cast.triple)


def test_the_unseen_casts_are_held_out():
    casts = corpus.unseen_casts(7, 30)
    assert len(casts) == 30
    assert all(corpus.held_out(*cast.triple) for cast in casts)


def test_no_template_shows_through():
    for text in texts(15, 1500):
        assert not re.search(r"[{}\[\]~]", text), text
        for before, after in pairwise(text):
            assert before + after != "  ", text


def test_stories_are_short():
    for told in exchanges(16, 500):
        assert 70 <= len(told.story.split()) <= 165


def test_every_pronoun_is_the_heros():
    """The second character gets none, so a reader and a small model always know who is meant."""
    others = {"m": "she|her|hers|herself", "f": "he|him|his|himself"}
    for told in exchanges(17, 800):
        found = re.search(rf"\b({others[told.cast.gender]})\b", told.story, re.IGNORECASE)
        assert not found, (
            f"{found}, but the {told.cast.hero.noun} is {told.cast.gender}: {told.story}"
        )
