"""The author's own text, by which a vocabulary is pruned, and what of it decides.

Imported only when a model is pruned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sitegen.config import Vocabulary
from sitegen.errors import ModelError
from sitegen.models.scripts import Writing, codes, count

SUFFIXES = (".md", ".txt")
LEAST_SHARE = 0.01  # of the letters: a text is written in a script; below it only quotes from one


@dataclass(frozen=True)
class Sample:
    """What an author writes, as far as it decides which tokens stay."""

    scripts: frozenset[str]
    """ISO 15924 codes of the scripts whose tokens stay."""
    bound: tuple[str, ...]
    """The lines of the text whose tokens stay whatever script they are in. Without a limit on the
    size these are the few that use other scripts: the tokens of all others stay anyway."""
    texts: tuple[str, ...]
    """All of the text; not part of the digest."""

    def digest(self) -> str:
        """Equal for equal decisions, so that a new sentence on a page makes no new export."""
        parts = [sorted(self.scripts), self.bound]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def take(vocabulary: Vocabulary, pages: Sequence[str], root: Path) -> Sample:
    """The sample for a model: the files that `vocabulary` names, else the texts of `pages`.

    root: the site's folder. Raises ModelError for files that cannot be read, scripts that do not
    exist, and a text that has none.
    """
    texts = tuple(pages) if vocabulary.text is None else _read(root, vocabulary.text)
    # A lone surrogate, which JSON and YAML can write, has no UTF-8 form and no tokens.
    texts = tuple(text.encode(errors="replace").decode() for text in texts)
    if vocabulary.keep is not None:
        scripts = codes(vocabulary.keep)
    else:
        letters = count(texts)
        least = max(1, letters.total() * LEAST_SHARE)
        scripts = frozenset(script for script, times in letters.items() if times >= least)
        if not letters:
            raise ModelError(
                "`vocabulary: prune` keeps the scripts of the page's text, and there is no letter "
                "in it",
                hint="Name the scripts: `vocabulary: {keep: [Latin]}`.",
            )
    lines = dict.fromkeys(line for text in texts for line in text.splitlines(keepends=True))
    if vocabulary.size is None:
        writing = Writing(scripts)
        bound = [line for line in lines if not writing.holds(line)]
    else:
        bound = list(lines)
    return Sample(scripts, tuple(bound), texts)


def _read(root: Path, name: str) -> tuple[str, ...]:
    path = root / name
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise ModelError(
                f'the folder "{name}", which `vocabulary` takes its sample text from, holds no '
                f"{' or '.join(SUFFIXES)} file",
            )
    elif path.is_file():
        files = [path]
    else:
        raise ModelError(
            f'there is no file or folder "{name}", which `vocabulary` takes its sample text from',
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
