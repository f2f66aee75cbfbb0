"""No export ships unless onnxruntime computes with it what a plain reference computes.

Each variant is loaded from its cut shards, joined as the browser joins them, and run on a short
prompt: against the family's reference, and against itself through the KV cache. Then it writes
down the tokens that a browser must find again (the self-check).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sitegen.errors import ModelError
from sitegen.models.quantization.quantize import Storage
from sitegen.models.quantization.variants import Variant
from sitegen.models.verification.quality import Quality, compare
from sitegen.models.verification.runner import Feed, Reached, Runner
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
    gpu_prompts: Sequence[Sequence[int]]  # the same for variants that a GPU may run


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
    steps = [ids[start:stop] for start, stop in pieces(len(ids))]
    prompts = task.gpu_prompts if "webgpu" in variant.backends else task.prompts
    empty = runner.empty()
    try:
        [([logits], _), (stepwise, _), begun] = runner.run(
            [Feed([ids], empty), Feed(steps, empty), Feed([prompts[0]], empty, 1)]
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
        self_check=_self_check(runner, variant, prompts, [begun], tolerance),
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


def pieces(length: int) -> list[tuple[int, int]]:
    """What goes through the cache at a time: a first part, then several tokens at once, then one.

    All of these passes must turn the keys by the same angles: see `short_context`.
    """
    bounds = sorted({0, length * 3 // 4, length - 1, length})
    return list(zip(bounds, bounds[1:], strict=False))


@dataclass
class _Answer:
    """Greedy tokens after a prompt for as long as each leads by the tolerance."""

    prompt: Sequence[int]
    first: int = 0  # the likeliest token, whatever it leads by
    lead: float = -1.0
    ids: list[int] = field(default_factory=list)


def _self_check(
    runner: Runner,
    variant: Variant,
    prompts: Sequence[Sequence[int]],
    begun: Sequence[Reached],
    tolerance: float,
) -> SelfCheck:
    """The first greedy continuation that leads by the tolerance for some tokens, else the longest.

    begun: what the first prompt gave, in one pass, as the browser does it: int8 activations depend
    on that. Should it not do, the others follow: one by one, or through a cut graph, which is
    loaded again for every run, side by side.
    Where no prompt leads far enough even once (random weights), the one that leads most is taken
    for a single token, and the tolerance is what it leads by.
    """
    enough = SELF_CHECK_TOKENS // 2
    most = enough if runner.is_cut else SELF_CHECK_TOKENS  # each token loads a cut graph again
    answers: list[_Answer] = []
    while begun:
        group = [_Answer(prompt) for prompt in prompts[len(answers) :][: len(begun)]]
        _answer(runner, variant, group, begun, tolerance, most)
        answers += group
        for answer in group:
            if len(answer.ids) >= enough:
                return SelfCheck(tuple(answer.prompt), tuple(answer.ids), tolerance)
        others = prompts[len(answers) :] if runner.is_cut else prompts[len(answers) :][:1]
        begun = runner.run([Feed([prompt], runner.empty(), 1) for prompt in others])
    longest = max(answers, key=lambda answer: len(answer.ids))
    if longest.ids:
        return SelfCheck(tuple(longest.prompt), tuple(longest.ids), tolerance)
    surest = max(answers, key=lambda answer: answer.lead)
    return SelfCheck(tuple(surest.prompt), (surest.first,), round(surest.lead, 4))


def _answer(
    runner: Runner,
    variant: Variant,
    answers: Iterable[_Answer],
    begun: Sequence[Reached],
    tolerance: float,
    most: int,
) -> None:
    """Continue prompts side by side, each for at most so many tokens."""
    going = list(zip(answers, begun, strict=True))
    while going:
        following: list[tuple[_Answer, Feed]] = []
        for answer, ([logits], past) in going:
            _require_finite(logits, variant)
            second, first = np.partition(logits[-1], -2)[-2:]
            token, lead = int(logits[-1].argmax()), float(first - second)
            if not answer.ids:
                answer.first, answer.lead = token, lead
            if lead >= tolerance:
                answer.ids.append(token)
                if len(answer.ids) < most:
                    following.append((answer, Feed([[token]], past, 1)))
        reached = runner.run([feed for _, feed in following])
        going = [(answer, state) for (answer, _), state in zip(following, reached, strict=True)]


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
