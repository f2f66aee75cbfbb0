"""The sample by which a vocabulary is pruned: where it comes from, and what of it decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.config import Vocabulary
from sitegen.errors import ModelError
from sitegen.models.sample import take

ENGLISH = "The fox said: “Привет!”\nand went home.\n"


def test_the_pages_text_and_its_scripts(tmp_path: Path) -> None:
    sample = take(Vocabulary(), ["Γειά σου κόσμε, καλημέρα.", "Hello."], tmp_path)
    assert sample.scripts == {"Grek", "Latn"}
    assert (sample.bound, len(sample.texts)) == ((), 2)


def test_a_quotation_is_not_a_script_of_the_text(tmp_path: Path) -> None:
    sample = take(Vocabulary(), [ENGLISH, "Plain words. " * 60], tmp_path)
    assert sample.scripts == {"Latn"}
    assert sample.bound == ("The fox said: “Привет!”\n",)


def test_scripts_that_are_named_come_before_those_that_are_found(tmp_path: Path) -> None:
    sample = take(Vocabulary(keep=("Greek",)), [ENGLISH], tmp_path)
    assert sample.scripts == {"Grek"}
    assert sample.bound == tuple(ENGLISH.splitlines(keepends=True))


def test_a_new_sentence_decides_nothing_unless_there_is_a_size(tmp_path: Path) -> None:
    more = [ENGLISH, "A new sentence in the same script."]
    for vocabulary in (Vocabulary(), Vocabulary(keep=("Latin",))):
        assert (
            take(vocabulary, [ENGLISH * 50], tmp_path).digest()
            == take(vocabulary, [ENGLISH * 50, *more], tmp_path).digest()
            != take(vocabulary, [ENGLISH * 50, "and 月"], tmp_path).digest()
        )
    sized = Vocabulary(size=500)
    assert take(sized, [ENGLISH], tmp_path).digest() != take(sized, more, tmp_path).digest()
    other = take(Vocabulary(keep=("Latin", "Greek")), [ENGLISH], tmp_path)
    assert take(Vocabulary(keep=("Latin",)), [ENGLISH], tmp_path).digest() != other.digest()


def test_files_in_place_of_the_pages(tmp_path: Path) -> None:
    for name, text in {"a.txt": "Привет", "b/c.md": "мир", "b/d.py": "# code"}.items():
        path = tmp_path / "samples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    folder = take(Vocabulary(text="./samples"), [ENGLISH], tmp_path)
    assert (folder.texts, folder.scripts) == (("Привет", "мир"), {"Cyrl"})
    file = take(Vocabulary(text="samples/b/d.py"), [ENGLISH], tmp_path)
    assert (file.texts, file.scripts) == (("# code",), {"Latn"})


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    assert take(Vocabulary(), ["a \ud83e b"], tmp_path).texts == ("a ? b",)


@pytest.mark.parametrize(
    ("vocabulary", "pages", "problem"),
    [
        (Vocabulary(), ["12", ""], "keeps the scripts of the page's text, and there is no letter"),
        (Vocabulary(text="none"), ["a"], 'there is no file or folder "none"'),
        (
            Vocabulary(text="empty"),
            ["a"],
            'the folder "empty", which `vocabulary` takes its sample',
        ),
        (Vocabulary(text="latin-1.txt"), ["a"], "the sample text is not UTF-8"),
        (Vocabulary(keep=("Klingon",)), ["a"], "which is no script of Unicode"),
    ],
)
def test_what_is_no_sample(
    tmp_path: Path, vocabulary: Vocabulary, pages: list[str], problem: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin-1.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ModelError) as error:
        take(vocabulary, pages, tmp_path)
    assert problem in error.value.problem
