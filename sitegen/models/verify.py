"""No export ships unless onnxruntime computes with it what a plain reference computes.

Each variant is loaded from its cut shards, joined as the browser joins them, and run on a short
prompt: against the family's reference, and against itself through the KV cache. Then it writes
down the tokens that a browser must find again (the self-check).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sitegen.errors import ModelError
from sitegen.models.quality import Quality, compare
from sitegen.models.quantize import Storage
from sitegen.models.runner import Feed, Runner, State
from sitegen.models.variants import Variant
from sitegen.models.weights import Float32


@dataclass(frozen=True)
class Limits:
    """What a sound export stays within; errors are |logits - reference| / |reference|.

    A wrong graph gives unrelated logits: error about 1.4, cosine about 0. Random weights are the
    worst case that is right: 30 layers of them gave errors of 0.77 for int4 and 0.11 for int8,
    where a trained model of 5 layers gave 0.07 and 0.016. So int4 alone proves little; but it is
    exported together with int8, from the same family's graph, and its two variants are held
    against each other (`HALF`).

    The margin of the self-check must outlast what differs between devices: int8 or float32
    activations, half or single precision. Over the same int4 weights these moved the margin of the
    first token over the second by 0.03 standard deviations at most (trained), 0.07 (random); int4
    asks for twice that, because graphics cards round in ways not measured here.
    """

    error: float
    cosine: float
    cache: float  # error of the steps through the KV cache against one pass
    margin: float  # of the self-check, in standard deviations of the logits


LIMITS: dict[Storage, Limits] = {
    "fp32": Limits(1e-3, 0.999, 1e-3, 0.01),
    # Activations are quantized over all tokens of a pass: other passes round otherwise.
    "int8": Limits(0.35, 0.93, 0.35, 0.1),
    # Half-precision activations, and int8 in blocks of a token's own.
    "fp16": Limits(0.2, 0.95, 0.1, 0.15),
    "int8-blocks": Limits(0.35, 0.93, 0.1, 0.15),
    "int4": Limits(1.0, 0.5, 0.1, 0.15),
}
HALF = 0.2  # error of float16 activations against float32; found: 0.01 trained, 0.06 random

SELF_CHECK_TOKENS = 8


@dataclass(frozen=True)
class SelfCheck:
    """Greedy tokens after a prompt; `tolerance` is the least margin of the best over the second."""

    prompt_ids: tuple[int, ...]
    next_ids: tuple[int, ...]
    tolerance: float


@dataclass(frozen=True)
class Task:
    """What every variant of a model must do."""

    ids: Sequence[int]
    reference: Float32  # logits of `ids`: (len(ids), vocab)
    prompts: Sequence[Sequence[int]]  # candidates for the self-check


@dataclass(frozen=True)
class Verified:
    """What was measured of a variant on the verification prompt."""

    logits: Float32  # (seq, vocab)
    error: float
    quality: Quality
    self_check: SelfCheck


def verify(runner: Runner, variant: Variant, task: Task) -> Verified:
    """Hold one variant against the reference; raises ModelError."""
    limits, ids, reference = LIMITS[variant.storage], task.ids, task.reference
    # In one pass; and through the cache a first part, then several tokens at once, then one.
    pieces = [ids[start:stop] for start, stop in _pieces(len(ids))]
    try:
        [([logits], whole), (stepwise, _)] = runner.run(
            [Feed([ids], runner.empty()), Feed(pieces, runner.empty())]
        )
    except Exception as refusal:  # those of onnxruntime have nothing else in common
        raise _wrong(variant, f"onnxruntime cannot run it: {refusal}") from refusal
    _require_finite(logits, variant)
    error, cosine = distance(logits, reference), _cosine(logits, reference)
    if not (error <= limits.error and cosine >= limits.cosine):
        raise _wrong(
            variant,
            f"its logits differ from the reference by {error:.3g} of their size (at most "
            f"{limits.error} is allowed), their cosine is {cosine:.3g} (at least {limits.cosine})",
        )
    cached = distance(np.concatenate(stepwise), logits)
    if not cached <= limits.cache:
        raise _wrong(
            variant,
            f"its logits through the KV cache differ from one pass by {cached:.3g} of their size "
            f"(at most {limits.cache} is allowed)",
        )
    tolerance = round(float(limits.margin * logits.std(axis=-1).mean()), 4)
    return Verified(
        logits=logits,
        error=error,
        quality=compare(logits, reference, ids),
        self_check=_self_check(runner, variant, task, (logits, whole), tolerance),
    )


def _require_finite(logits: Float32, variant: Variant) -> None:
    if not np.isfinite(logits).all():
        raise _wrong(variant, "its logits are not finite")


def compare_halves(half: Verified, single: Verified, variant: Variant) -> None:
    """Hold float16 activations against float32 over the same weights; raises ModelError."""
    error = distance(half.logits, single.logits)
    if not error <= HALF:
        raise _wrong(
            variant,
            f"its logits differ from those in single precision by {error:.3g} of their size (at "
            f"most {HALF} is allowed)",
        )


def _pieces(length: int) -> list[tuple[int, int]]:
    bounds = sorted({0, length * 3 // 4, length - 1, length})
    return list(zip(bounds, bounds[1:], strict=False))


def _self_check(
    runner: Runner, variant: Variant, task: Task, after_ids: State, tolerance: float
) -> SelfCheck:
    """The first greedy continuation that leads by the tolerance for some tokens, else the longest.

    Each prompt is run in one pass, as the browser does it: int8 activations depend on that.
    Where no prompt leads far enough even once (random weights), the one that leads most is taken
    for a single token, and the tolerance is what it leads by.
    """
    best, fallback, lead = SelfCheck((), (), 0.0), SelfCheck((), (), 0.0), -1.0
    enough = SELF_CHECK_TOKENS // 2
    most = enough if runner.is_cut else SELF_CHECK_TOKENS  # each token loads a cut graph again
    for prompt in task.prompts:
        known = list(prompt) == list(task.ids)
        logits, past = after_ids if known else runner.forward(prompt, runner.empty(), 1)
        found: list[int] = []
        while True:
            _require_finite(logits, variant)
            second, first = np.partition(logits[-1], -2)[-2:]
            token, margin = int(logits[-1].argmax()), float(first - second)
            if not found and margin > lead:
                lead = margin
                fallback = SelfCheck(tuple(prompt), (token,), round(margin, 4))
            if margin < tolerance:
                break
            found.append(token)
            if len(found) == most:
                break
            logits, past = runner.forward([token], past, 1)
        if len(found) > len(best.next_ids):
            best = SelfCheck(tuple(prompt), tuple(found), tolerance)
        if len(best.next_ids) >= enough:
            break
    return best if best.next_ids else fallback


def distance(a: Float32, b: Float32) -> float:
    """|a - b| / |b|."""
    return float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-30))


def _cosine(a: Float32, b: Float32) -> float:
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / max(size, 1e-30)


def _wrong(variant: Variant, problem: str) -> ModelError:
    return ModelError(
        f"the export {variant.name} is not usable: {problem}",
        hint="Nothing was published. Should the model answer well elsewhere, try "
        "`quantization: fp32`, and report it as a bug of sitegen.",
    )
