"""What quantization changes: a variant's predictions against those of the original weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitegen.models.weights import Float32

ROWS = 16  # at a time: the tables of a large vocabulary are copied a few times


@dataclass(frozen=True)
class Quality:
    """Means over the positions of one text.

    agreement: share of positions at which the likeliest token is the original's; kl: divergence of
    the distribution from the original's in nats, https://doi.org/10.1214/aoms/1177729694;
    perplexity_ratio: perplexity of the text, divided by what it is to the original.
    """

    positions: int
    agreement: float
    kl: float
    perplexity_ratio: float


def compare(logits: Float32, reference: Float32, ids: Sequence[int]) -> Quality:
    """logits and reference: of every position of `ids`, (len(ids), vocab)."""
    agreed, divergence, surprise = 0, 0.0, 0.0
    for start in range(0, len(ids), ROWS):
        ours, theirs = logits[start : start + ROWS], reference[start : start + ROWS]
        likeliest = theirs.argmax(axis=-1)
        agreed += int((ours.argmax(axis=-1) == likeliest).sum())
        # With p = exp(theirs) / total: KL = sum(p * (theirs - ours)) + what they are divided by.
        odds = np.exp(theirs - theirs.max(axis=-1, keepdims=True))
        shift = (odds * (theirs - ours)).sum(axis=-1) / odds.sum(axis=-1)
        apart = _log_sum_exp(ours) - _log_sum_exp(theirs)
        divergence += float((shift + apart).sum())
        following = np.array(ids[start + 1 : start + ROWS + 1], np.int64)
        rows = np.arange(len(following))
        surprise += float((theirs[rows, following] - ours[rows, following] + apart[rows]).sum())
    return Quality(
        positions=len(ids),
        agreement=agreed / len(ids),
        kl=max(0.0, divergence / len(ids)),  # rounding may leave a little less than nothing
        perplexity_ratio=float(np.exp(surprise / max(1, len(ids) - 1))),
    )


def _log_sum_exp(x: Float32) -> NDArray[np.float64]:
    top = x.max(axis=-1)
    total = np.exp(x - top[:, None]).sum(axis=-1, dtype=np.float64)
    log: NDArray[np.float64] = top + np.log(total)
    return log
