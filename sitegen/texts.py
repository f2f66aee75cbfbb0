"""What the pages that use a model say: gathered from content, read where models are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """What an app asks its model."""

    text: str
    system: str | None = None
    is_chat: bool = True
    """Whether a chat template, where the model has one, is put around it."""


@dataclass(frozen=True)
class Texts:
    """All that pages say, each text once."""

    prose: tuple[str, ...] = ()
    """Titles, descriptions, bodies, and what systems are told."""
    words: tuple[str, ...] = ()
    """What the apps are given beside that: examples, labels, templates."""
    prompts: tuple[Prompt, ...] = ()
    """What a reader is offered to ask."""

    def __add__(self, other: Texts) -> Texts:
        return Texts(
            tuple(dict.fromkeys(self.prose + other.prose)),
            tuple(dict.fromkeys(self.words + other.words)),
            tuple(dict.fromkeys(self.prompts + other.prompts)),
        )


SILENCE = Texts()
