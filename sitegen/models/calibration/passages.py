"""What a model is calibrated with: what its pages say, and what it writes.

Most of it is the model's own answers to the page's prompts: of the built-in storyteller these
bring the rounded model nearer to the original than prose of the page does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from sitegen.models.tokens.tokenizer import Text
from sitegen.models.verification.passages import SENTENCES
from sitegen.models.verification.runner import Runner
from sitegen.texts import Texts

T = TypeVar("T")

TOKENS = 192  # of a passage, at most
PROMPT_TOKENS = 128  # of them, at most, before the model goes on
MOST, LEAST = 16, 4  # passages
INPUTS = 1 << 24  # numbers in the inputs of the widest matrix: 64 MiB, a few times
WRITTEN_X_WEIGHTS = 2e12  # tokens that the model writes, times its weights: minutes


def count(parameters: int, widest: int) -> tuple[int, int]:
    """How many passages there may be, and how many of them written by the model itself.

    widest: columns of the widest matrix, or rows, but for those of the vocabulary.
    """
    most = min(MOST, max(LEAST, INPUTS // (TOKENS * widest)))
    return most, min(most, max(LEAST, int(WRITTEN_X_WEIGHTS / parameters / TOKENS)))


def read(text: Text, texts: Texts, context: int, most: int) -> list[list[int]]:
    """The pages' prose in passages; of a long text some, evenly spread."""
    if not texts.prose:
        return []
    pieces = text.pieces("\n\n".join(texts.prose), min(TOKENS, context))
    return list(_spread(pieces, most)) if len(pieces) > most else pieces


def write(
    runner: Runner, text: Text, texts: Texts, context: int, number: int
) -> Iterator[list[int]]:
    """What the model writes at temperature 1, answering the pages' prompts or going on from them;
    where there are none, from sentences of ours."""
    prompts = text.encode_prompts(texts.prompts) or text.encode(SENTENCES)
    random = np.random.default_rng(0)
    for prompt in _spread(prompts, number):
        most = min(PROMPT_TOKENS, context // 2)
        start = prompt[:1] + prompt[1:][1 - most :]  # the first token may stand for the beginning
        yield _write(runner, text, start or [0], min(TOKENS, context), random)


def _write(
    runner: Runner, text: Text, page: list[int], length: int, random: np.random.Generator
) -> list[int]:
    logits, past = runner.forward(page, runner.empty(), 1)
    while len(page) < length:
        page.append(int((logits[-1] + random.gumbel(size=logits.shape[-1])).argmax()))
        if page[-1] in text.eos_token_ids:
            break
        logits, past = runner.forward(page[-1:], past, 1)
    return page


def _spread(items: Sequence[T], number: int) -> Iterator[T]:
    """So many of the items: evenly spread where there are more, else in turns."""
    if len(items) > number:
        yield from (items[i * len(items) // number] for i in range(number))
    else:
        yield from (items[i % len(items)] for i in range(number))
