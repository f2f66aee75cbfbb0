"""One model from its files to the cache: graphs and shards written, verified, described, stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path

import numpy as np

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import manifest as wire
from sitegen.models.cache import Cache, Model
from sitegen.models.calibrated import write_calibrated
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME, caches_in_place
from sitegen.models.jobs import CORES_EACH, Jobs
from sitegen.models.original import Original, read
from sitegen.models.quantization.variants import Variant, variants
from sitegen.models.samples import Samples
from sitegen.models.shards import File, write_file
from sitegen.models.source import Source
from sitegen.models.verification.passages import (
    gpu_self_check_prompts,
    passage,
    self_check_prompts,
)
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import (
    Task,
    Verified,
    compare_halves,
    pieces,
    verify,
)
from sitegen.models.written import Written, write
from sitegen.progress import Progress, about, mib
from sitegen.texts import SILENCE, Texts


def export(
    source: Source,
    spec: ModelSpec,
    samples: Samples,
    cache: Cache,
    key: str,
    progress: Progress,
) -> Model:
    """Export, verify and store a model; raises ModelError and stores nothing when it is wrong.

    samples: text by which the vocabulary is pruned and int4 calibrated; key: what `cache` calls the
    source's files as they are now.
    """
    say = about(source.title, progress)

    def require_unchanged() -> None:
        if cache.key(source, spec, samples) != key:
            raise ModelError(
                "a file of the model changed while it was exported",
                where=source.folder,
                hint="Build again when nothing writes to the folder any more.",
            )

    with cache.staging(key, say) as folder:
        if (other := cache.load(key)) is not None:
            return other  # made by a build that held the folder until now
        try:
            original = read(source, spec, samples.vocabulary, folder, say)
            manifest = _export(original, spec, samples.calibration or SILENCE, folder, say)
        except ModelError:
            require_unchanged()  # half old and half new, it would be blamed on the export
            raise
        require_unchanged()
        staged = sorted(folder.glob("*.bin"))
        dropped = None if original.dropped is None else dataclasses.asdict(original.dropped)
        return cache.store(key, manifest.to_json(), staged, original.packages, dropped)


def _export(
    original: Original, spec: ModelSpec, said: Texts, folder: Path, say: Progress
) -> wire.Manifest:
    """Write all files of the export into `folder` under their hashes."""
    source, model, text = original.source, original.model, original.text
    short = model.short_context
    texts = _text_files(original, folder)
    text_bytes = sum(file.bytes for file in texts.values())
    described: list[wire.Variant] = []
    for files, checked in _write_and_verify(original, spec.quantization, said, folder, say):
        for variant, found in checked.items():
            about = _describe(variant, files, found, text_bytes, model.parameters)
            say(_sentence(about, found))
            _require_agreement(about, spec, source)
            described.append(about)
    return wire.Manifest(
        id=source.id,
        revision=source.revision,
        title=source.title,
        architecture=model.model_type,
        parameters=model.parameters,
        licence=_licence(original, folder),
        quantization=spec.quantization.recipe,
        context_length=original.context,
        short_context=short if short and short < original.context else None,
        vocab_size=model.vocab,
        cache=tuple(wire.layer_cache(layer) for layer in model.layers),
        tokenizer=wire.Tokenizer(
            file=wire.File.of(texts["tokenizer.json"]),
            config=_maybe(texts.get("tokenizer_config.json")),
            chat_template=text.chat_template,
            bos_token=text.bos_token,
            eos_token=text.eos_token,
            eos_token_ids=text.eos_token_ids,
        ),
        generation=wire.Generation.model_validate(dict(text.generation)),
        variants=tuple(described),
    )


def _write_and_verify(
    original: Original, quantization: Quantization, said: Texts, folder: Path, say: Progress
) -> list[tuple[Written, dict[Variant, Verified]]]:
    """Every weights file with its variants, in their order; raises ModelError."""
    fitting = [
        variant
        for variant in variants(quantization)
        if original.model.half_precision or variant.dtype != "float16"
    ]
    groups = groupby(fitting, lambda variant: variant.storage)
    model, context = original.model, original.context
    with Jobs() as jobs:
        tell = jobs.telling(say)
        *others, last = [tuple(group) for _, group in groups]
        writing: list[Future[Written]] = []
        if quantization.calibration.by == "none":
            # First what takes longest, int4; meanwhile int8 is written and verified.
            writing += [jobs.start(write, each, model, context, folder, tell) for each in others]
        judged = quantization.min_agreement is not None
        task = jobs.start(_task, original, judged, tell)
        writing.insert(0, jobs.start(write, last, model, context, folder, tell))
        if quantization.calibration.by != "none":
            writing += [
                jobs.start(write_calibrated, each, original, said, writing[0], folder, tell)
                for each in others
            ]
        verifying: list[dict[Variant, Future[Verified]]] = []
        for job in writing:
            jobs.wait([task, job])
            files, held = job.result(), task.result()
            verifying.append(
                {v: jobs.start(_verify, v, files, original, held, tell) for v in files.graphs}
            )
        jobs.wait([job for group in verifying for job in group.values()])
    found = [
        (files.result(), {variant: job.result() for variant, job in group.items()})
        for files, group in zip(writing, verifying, strict=True)
    ]
    for _, checked in found:
        _compare(checked)
    return found[::-1]


def _task(original: Original, judged: bool, say: Progress) -> Task:
    """What every variant is held against; judged: see `passage`."""
    say("computing the reference")
    text, context = original.text, original.context
    # Where a sequence outgrows its short context the browser computes it again; nobody does here.
    within = min(context, original.model.short_context or context)
    ids = passage(text, context, original.model.parameters, judged=judged)
    if pieces(len(ids))[0][1] <= within:
        ids = ids[:within]
    with np.errstate(over="ignore", invalid="ignore"):
        reference = original.model.reference(ids)
    if not np.isfinite(reference).all():
        raise ModelError(
            "the model computes infinite numbers from an ordinary sentence",
            where=original.source.folder,
            hint="The weights are damaged, or training diverged.",
        )
    prompts, gpu = self_check_prompts(text, within), gpu_self_check_prompts(text, within)
    return Task(ids, reference, prompts, gpu)


def _verify(
    variant: Variant, files: Written, original: Original, task: Task, say: Progress
) -> Verified:
    """Hold one variant against the reference; raises ModelError."""
    say(f"verifying {variant.name}")
    layers = original.model.layers
    runner = Runner(files.graph(variant), files.joined, layers, variant, threads=CORES_EACH)
    return verify(runner, variant, task)


def _compare(checked: Mapping[Variant, Verified]) -> None:
    """Hold the variants of one weights file against each other; raises ModelError."""
    found = {variant.name: (variant, verified) for variant, verified in checked.items()}
    if "webgpu-f16" in found and "webgpu-f32" in found:
        variant, half = found["webgpu-f16"]
        compare_halves(half, found["webgpu-f32"][1], variant)


def _text_files(original: Original, folder: Path) -> dict[str, File]:
    """tokenizer.json, packed, and tokenizer_config.json, where there is one, as it is."""
    files = {"tokenizer.json": write_file(folder, original.text.packed())}
    if config := original.source.files.get("tokenizer_config.json"):
        files[config.name] = write_file(folder, config.read_bytes())
    return files


def _licence(original: Original, folder: Path) -> wire.Licence:
    """What the model may be used for, with the texts that say it."""
    card, licence = (original.source.files.get(name) for name in ("README.md", "LICENSE"))
    return wire.Licence(
        id=original.licence_id,
        file=_maybe(write_file(folder, licence.read_bytes()) if licence else None),
        card=_maybe(write_file(folder, card.read_bytes()) if card else None),
    )


def _maybe(file: File | None) -> wire.File | None:
    return None if file is None else wire.File.of(file)


def _describe(
    variant: Variant, files: Written, checked: Verified, text_bytes: int, parameters: int
) -> wire.Variant:
    graph = files.graphs[variant]
    size = sum(shard.bytes for shard in files.shards)
    shards = tuple(wire.File.of(shard) for shard in files.shards)
    return wire.Variant(
        name=variant.name,
        backends=variant.backends,
        features=variant.features,
        dtype=variant.dtype,
        cache_in_place=caches_in_place(files.graph(variant)),
        graph=wire.File.of(graph),
        weights=wire.Weights(name=EXTERNAL_NAME, bytes=size, shards=shards),
        bytes=graph.bytes + size + text_bytes,
        self_check=wire.SelfCheck(
            prompt_ids=checked.self_check.prompt_ids,
            next_ids=checked.self_check.next_ids,
            tolerance=checked.self_check.tolerance,
        ),
        quality=wire.Quality(
            positions=checked.quality.positions,
            bits_per_weight=round(8 * size / parameters, 3),
            agreement=round(checked.quality.agreement, 4),
            kl=round(checked.quality.kl, 6),
            perplexity_ratio=round(checked.quality.perplexity_ratio, 4),
        ),
    )


def _require_agreement(variant: wire.Variant, spec: ModelSpec, source: Source) -> None:
    """Raise ModelError when a variant is worse than the author allows."""
    wanted, quality = spec.quantization.min_agreement, variant.quality
    if wanted is not None and quality.agreement < wanted:
        raise ModelError(
            f"{variant.name} names the original's likeliest token at {quality.agreement:.1%} of "
            f"{quality.positions} positions; `min_agreement` asks for {wanted:.1%}",
            where=source.folder,
            hint="Lower `min_agreement`, or spend more bits: `head_bits: 8`, `symmetric: false`, "
            "or the recipe q8 or fp16.",
        )


def _sentence(variant: wire.Variant, checked: Verified) -> str:
    return (
        f"{variant.name} is {mib(variant.bytes)} MiB, {variant.quality.bits_per_weight:.2f} bits a "
        f"weight, and names the original's likeliest token at {variant.quality.agreement:.0%} of "
        f"{variant.quality.positions} positions (KL {variant.quality.kl:.2g}, perplexity times "
        f"{variant.quality.perplexity_ratio:.3f}, logits off by {checked.error:.2g})"
    )
