"""One model from its files to the cache: read, write graphs and shards, verify, describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import manifest as wire
from sitegen.models import optimum
from sitegen.models.cache import Cache, Model
from sitegen.models.calibrate import write_pages
from sitegen.models.direct import Direct
from sitegen.models.exportable import Exportable
from sitegen.models.families import known, read_decoder, require_unquantized
from sitegen.models.fields import Fields, read_json
from sitegen.models.jobs import CORES_EACH, Jobs
from sitegen.models.onnx_graph import EXTERNAL_NAME
from sitegen.models.passages import passage, self_check_prompts
from sitegen.models.runner import Runner
from sitegen.models.shards import File, write_file
from sitegen.models.source import Source
from sitegen.models.tokenizer import Text, read_text
from sitegen.models.traced import Traced
from sitegen.models.variants import WEIGHT_BYTES, Variant, variants
from sitegen.models.verify import (
    Task,
    Verified,
    compare_halves,
    verify,
)
from sitegen.models.weights import open_weights
from sitegen.models.written import Written, write
from sitegen.progress import Progress, about, mib

if TYPE_CHECKING:
    from sitegen.models.sample import Sample

DEFAULT_CONTEXT = 4096


@dataclass(frozen=True)
class Original:
    """The model as it was found: read, checked, and nothing of it computed yet."""

    source: Source
    model: Exportable
    text: Text
    context: int
    licence_id: str | None


def export(
    source: Source,
    spec: ModelSpec,
    sample: Sample | None,
    cache: Cache,
    key: str,
    progress: Progress,
) -> Model:
    """Export, verify and store a model; raises ModelError and stores nothing when it is wrong.

    sample: text by which the vocabulary is pruned, None to keep it whole; key: what `cache` calls
    the source's files as they are now.
    """
    say = about(source.title, progress)

    def require_unchanged() -> None:
        if cache.key(source, spec, sample) != key:
            raise ModelError(
                "a file of the model changed while it was exported",
                where=source.folder,
                hint="Build again when nothing writes to the folder any more.",
            )

    with cache.staging(key) as folder:
        if (other := cache.load(key)) is not None:
            return other  # made by a build that held the folder until now
        try:
            original = _read(source, spec, sample, folder, say)
            manifest = _export(original, spec, folder, say)
        except ModelError:
            require_unchanged()  # half old and half new, it would be blamed on the export
            raise
        require_unchanged()
        staged = sorted(folder.glob("*.bin"))
        return cache.store(key, manifest.to_json(), staged, original.model.packages)


def require_supported(source: Source, spec: ModelSpec, sample: Sample | None) -> None:
    """Raise ModelError for what the small files alone show to be wrong, as `export` would.

    The weights of a model of the hub may be gigabytes, and are not downloaded yet.
    """
    fields = _fields(source)
    if _is_direct(fields):
        _, decoder = read_decoder(fields.where)
        _context(decoder.max_context, spec, source)
        read_text(source.files, decoder.vocab)
    else:
        _require_traceable(source, fields, sample)


def _fields(source: Source) -> Fields:
    config = source.files["config.json"]
    return Fields(read_json(config), config)


def _is_direct(fields: Fields) -> bool:
    """Whether a family exports the model, or refuses it because optimum is not installed."""
    return fields.text("model_type") in known() or not optimum.versions()


def _export(original: Original, spec: ModelSpec, folder: Path, say: Progress) -> wire.Manifest:
    """Write all files of the export into `folder` under their hashes."""
    source, model, text = original.source, original.model, original.text
    texts = _text_files(original, folder)
    text_bytes = sum(file.bytes for file in texts.values())
    described: list[wire.Variant] = []
    for files, checked in _write_and_verify(original, spec.quantization, folder, say):
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


def _read(
    source: Source, spec: ModelSpec, sample: Sample | None, folder: Path, say: Progress
) -> Original:
    """Read and check everything but the weights' numbers; raises ModelError."""
    say(f"reading {', '.join(source.weights)}")
    card = source.files.get("README.md")
    fields = _fields(source)
    model: Exportable
    if _is_direct(fields):
        model = Direct.read(source)
    else:
        model = _trace(source, fields, sample, folder, say)
    original = Original(
        source=source,
        model=model,
        context=_context(model.max_context, spec, source),
        text=read_text(source.files, model.vocab),
        licence_id=wire.licence_id(card) if card else None,
    )
    return original if sample is None else _prune(original, spec, sample, folder, say)


def _trace(
    source: Source, fields: Fields, sample: Sample | None, folder: Path, say: Progress
) -> Traced:
    """A model without a family here, by optimum; what else may be wrong is found before."""
    model_type = fields.text("model_type")
    _require_traceable(source, fields, sample)
    parameters = sum(each.size for each in open_weights(source.weights, source.index).values())
    exported = optimum.export(source, folder / "optimum", say)
    return Traced(model_type, exported.graph, exported.max_context, parameters, optimum.versions())


def _require_traceable(source: Source, fields: Fields, sample: Sample | None) -> None:
    require_unquantized(fields)
    read_text(source.files, fields.integer("vocab_size"))
    if sample is not None:
        raise ModelError(
            f"the vocabulary of a model that optimum exports ({fields.text('model_type')!r}) "
            "cannot be pruned yet",
            where=fields.where,
            hint="Remove `vocabulary`.",
        )


def _prune(
    original: Original, spec: ModelSpec, sample: Sample, folder: Path, say: Progress
) -> Original:
    """The model with the rows and the text files of fewer tokens; raises ModelError."""
    from sitegen.models.vocabulary import prune

    source, model = original.source, original.model
    assert isinstance(model, Direct)
    say(f"pruning the vocabulary of {model.vocab:,} tokens")
    size = spec.vocabulary.size if spec.vocabulary else None
    pruned = prune(source.files, model.vocab, size, sample, folder)
    smaller = model.pruned(pruned.kept)
    dropped = model.parameters - smaller.parameters
    storages = dict.fromkeys(variant.storage for variant in variants(spec.quantization))
    saved = [f"{mib(int(dropped * WEIGHT_BYTES[each]))} MiB of {each}" for each in storages]
    say(f"{pruned.sentence()}; this saves {' or '.join(saved)}")
    return dataclasses.replace(
        original,
        source=dataclasses.replace(source, files=dict(pruned.files)),
        model=smaller,
        text=read_text(pruned.files, smaller.vocab),
    )


def _write_and_verify(
    original: Original, quantization: Quantization, folder: Path, say: Progress
) -> list[tuple[Written, dict[Variant, Verified]]]:
    """Every weights file with its variants, in their order; raises ModelError."""
    fitting = [
        variant
        for variant in variants(quantization)
        if original.model.half_precision or variant.dtype != "float16"
    ]
    groups = groupby(fitting, lambda variant: variant.storage)
    with Jobs() as jobs:
        tell = jobs.telling(say)
        task = jobs.start(_task, original, tell)
        # Last first: int8, the largest file, is verified while int4 is still being written.
        first, *others = reversed([tuple(group) for _, group in groups])
        model, context = original.model, original.context
        writing = [jobs.start(write, first, model, context, folder, tell)]
        for members in others:
            if quantization.calibration == "none":
                writing.append(jobs.start(write, members, model, context, folder, tell))
            else:
                writing.append(
                    jobs.start(_write_calibrated, members, original, folder, tell, writing[0])
                )
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


def _task(original: Original, say: Progress) -> Task:
    """What every variant is held against."""
    say("computing the reference")
    prompts = self_check_prompts(original.text, original.context)
    ids = passage(original.text, original.context, original.model.parameters)
    with np.errstate(over="ignore", invalid="ignore"):
        reference = original.model.reference(ids)
    if not np.isfinite(reference).all():
        raise ModelError(
            "the model computes infinite numbers from an ordinary sentence",
            where=original.source.folder,
            hint="The weights are damaged, or training diverged.",
        )
    return Task(ids, reference, prompts)


def _write_calibrated(
    members: Sequence[Variant],
    original: Original,
    folder: Path,
    say: Progress,
    first: Future[Written],
) -> Written:
    """As `write`, rounded for what the matrices are given while the model reads pages that it
    wrote itself, by the variant that is there first."""
    model, files = original.model, first.result()
    if not isinstance(model, Direct):
        raise ModelError(
            "`calibration` needs to know the model's layers, and this one was exported by optimum",
            where=original.source.folder,
            hint="Leave out `calibration`, or write `none`.",
        )
    say("writing a few pages to calibrate with")
    [variant] = files.graphs
    runner = Runner(files.graph(variant), files.joined, model.layers, variant, CORES_EACH)
    pages = write_pages(runner, original.text, original.context)
    say(f"calibrating with {sum(map(len, pages))} tokens")
    return write(members, model.calibrated(members[0], pages), original.context, folder, say)


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


def _context(longest: int, spec: ModelSpec, source: Source) -> int:
    if spec.context is None:
        return min(longest, DEFAULT_CONTEXT)
    if spec.context > longest:
        raise ModelError(
            f"the context of {spec.context} tokens is longer than the model's own, {longest}",
            where=source.files["config.json"],
            hint=f"Write `context: {longest}` or less.",
        )
    return spec.context


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
