"""Which of the author's texts an export depends on, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models.samples import NO_SAMPLES, Samples
from sitegen.texts import Prompt, Texts

SAID = Texts(("A page.",), ("Send",), (Prompt("Who?"),))


def samples(root: Path, texts: Texts = SAID, **spec: Any) -> Samples:
    return Samples.take(ModelSpec.model_validate({"id": "./m", **spec}), texts, root)


def by_page(text: str | None = None) -> dict[str, Any]:
    return {"quantization": {"calibration": {"text": text} if text else "page"}}


def test_pages_count_only_where_the_model_is_made_by_them(tmp_path: Path) -> None:
    assert samples(tmp_path) == NO_SAMPLES
    assert samples(tmp_path, quantization={"calibration": "generated"}) == NO_SAMPLES
    assert samples(tmp_path, **by_page()).calibration == SAID
    pruned = samples(tmp_path, vocabulary="prune").vocabulary
    assert pruned is not None
    assert pruned.texts == ("A page.", "Send")


def test_an_edit_makes_another_calibration(tmp_path: Path) -> None:
    """The words that apps show are not read by the model."""

    def digests(*texts: Any) -> object:
        return samples(tmp_path, Texts(*texts), **by_page()).digests()

    first = digests(("A page.",), ("Send",), (Prompt("Who?"),))
    assert first == digests(("A page.",), ("Ask",), (Prompt("Who?"),))
    assert first != digests(("A page!",), ("Send",), (Prompt("Who?"),))
    assert first != digests(("A page.",), ("Send",), (Prompt("Who?", is_chat=False),))
    assert first != digests(("A page.",), ("Send",), (Prompt("Who?", "Be brief."),))


def test_files_in_place_of_the_pages(tmp_path: Path) -> None:
    for name, text in {"a.txt": "Привет", "b/c.md": "мир", "b/d.py": "# code"}.items():
        path = tmp_path / "samples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    folder = samples(tmp_path, vocabulary={"text": "./samples"}, **by_page("samples"))
    assert folder.vocabulary is not None
    assert folder.vocabulary.texts == ("Привет", "мир")
    assert folder.calibration == Texts(("Привет", "мир"))
    file = samples(tmp_path, **by_page("samples/b/d.py"))
    assert file.calibration == Texts(("# code",))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none", 'there is no file or folder "none", which `calibration` takes its sample text'),
        ("empty", 'the folder "empty", which `calibration` takes its sample text from, holds no'),
        ("latin-1.txt", "the sample text is not UTF-8"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin-1.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ModelError) as error:
        samples(tmp_path, **by_page(name))
    assert problem in error.value.problem
