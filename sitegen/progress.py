"""What work that takes a while says of itself: sentences, some of which also count.

Everything that reports progress takes a `Progress` and calls it with a sentence. `Amount` is a
sentence that carries its numbers along: one listener prints it, another draws a bar from it.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]


def silent(sentence: str) -> None:
    """The `Progress` of whoever does not want to hear any."""


class Amount(str):
    """'SmolLM2: downloading 24 of 257 MiB', and the parts that it was made of."""

    what: str
    done: int  # bytes
    total: int  # bytes, at least `done`

    def __new__(cls, what: str, done: int, total: int) -> Amount:
        total = max(done, total)
        amount = super().__new__(cls, f"{what} {mib(done)} of {mib(total)} MiB")
        amount.what, amount.done, amount.total = what, done, total
        return amount


def about(subject: str, progress: Progress) -> Progress:
    """`progress` that says first whom each sentence is about: 'SmolLM2: verifying wasm'."""

    def say(sentence: str) -> None:
        if isinstance(sentence, Amount):
            progress(Amount(f"{subject}: {sentence.what}", sentence.done, sentence.total))
        else:
            progress(f"{subject}: {sentence}")

    return say


def mib(size: int) -> str:
    """A size in MiB, with one decimal below ten."""
    return f"{size / 2**20:.0f}" if size >= 10 * 2**20 else f"{size / 2**20:.1f}"
