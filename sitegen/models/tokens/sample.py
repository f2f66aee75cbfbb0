"""The author's own text, by which a vocabulary is pruned, and what of it decides.

Imported only when a model is pruned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.config import Vocabulary
from sitegen.errors import ModelError
from sitegen.models.tokens.scripts import Writing, codes, count

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


def take(vocabulary: Vocabulary, texts: Sequence[str]) -> Sample:
    """The sample for a model. Raises ModelError for scripts that do not exist, and a text that has
    none."""
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
