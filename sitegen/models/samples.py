"""The author's own text, as far as an export depends on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.texts import Texts

if TYPE_CHECKING:
    from sitegen.models.tokens.sample import Sample

SUFFIXES = (".md", ".txt")


@dataclass(frozen=True)
class Samples:
    vocabulary: Sample | None = None
    """By which the vocabulary is pruned; None: it stays whole."""
    calibration: Texts | None = None
    """For which int4 is rounded; None: for nothing, or for what the model writes by itself."""

    @classmethod
    def take(cls, spec: ModelSpec, texts: Texts, root: Path) -> Self:
        """What `spec` goes by: the files that it names, else `texts`, which the pages say.

        root: the site's folder. Raises ModelError for files that cannot be read, and as
        `tokens.sample.take` does.
        """
        vocabulary = calibration = None
        if spec.vocabulary is not None:
            from sitegen.models.tokens.sample import take

            name = spec.vocabulary.text
            said = dict.fromkeys((*texts.prose, *texts.words))
            vocabulary = take(
                spec.vocabulary, tuple(said) if name is None else _read(root, name, "vocabulary")
            )
        if spec.quantization.calibration.by == "page":
            name = spec.quantization.calibration.text
            calibration = texts if name is None else Texts(_read(root, name, "calibration"))
        return cls(vocabulary, calibration)

    def digests(self) -> Mapping[str, str]:
        """Of the decisions about the vocabulary, and of every word that is calibrated by."""
        found = {}
        if self.vocabulary is not None:
            found["vocabulary"] = self.vocabulary.digest()
        if (texts := self.calibration) is not None:
            read = [texts.prose, [astuple(prompt) for prompt in texts.prompts]]
            found["calibration"] = hashlib.sha256(json.dumps(read).encode()).hexdigest()
        return found


NO_SAMPLES = Samples()


def _read(root: Path, name: str, option: str) -> tuple[str, ...]:
    path = root / name
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise ModelError(
                f'the folder "{name}", which `{option}` takes its sample text from, holds no '
                f"{' or '.join(SUFFIXES)} file",
            )
    elif path.is_file():
        files = [path]
    else:
        raise ModelError(
            f'there is no file or folder "{name}", which `{option}` takes its sample text from',
            hint="Write a path relative to the site's folder.",
        )
    return tuple(_text(file) for file in files)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError("the sample text is not UTF-8", where=file) from None
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", where=file) from None
