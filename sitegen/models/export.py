"""One model from its files to the cache: read, write graphs and shards, verify, describe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import manifest as wire
from sitegen.models.cache import Cache, Model
from sitegen.models.families import Decoder, read_decoder
from sitegen.models.fields import read_json
from sitegen.models.graph import Graph
from sitegen.models.inventory import Inventory
from sitegen.models.jobs import CORES_EACH, Jobs
from sitegen.models.onnx_graph import EXTERNAL_NAME
from sitegen.models.passages import passage, self_check_prompts
from sitegen.models.quantize import Storage
from sitegen.models.runner import Runner
from sitegen.models.shards import File, ShardWriter, join, write_file
from sitegen.models.source import Source
from sitegen.models.tokenizer import Text, read_text
from sitegen.models.variants import WEIGHT_BYTES, Variant, variants
from sitegen.models.verify import (
    Task,
    Verified,
    compare_halves,
    verify,
)
from sitegen.models.weights import Selection, Tensor, open_weights, require_numbers
from sitegen.progress import Amount, Progress, about, mib

if TYPE_CHECKING:
    from sitegen.models.sample import Sample

DEFAULT_CONTEXT = 4096


@dataclass(frozen=True)
class Original:
    """The model as it was found: read, checked, and nothing of it computed yet."""

    source: Source
    model_type: str
    decoder: Decoder
    inventory: Inventory
    text: Text
    weights: Mapping[str, Tensor]
    context: int
    licence_id: str | None


@dataclass(frozen=True)
class Written:
    """The variants that share one weights file: it is stored as shards, and joined for a while."""

    graphs: Mapping[Variant, bytes]
    weights: wire.Weights
    joined: Path  # the folder of the joined file


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

    with cache.staging() as folder:
        try:
            manifest = _export(source, spec, sample, folder, say)
        except ModelError:
            require_unchanged()  # half old and half new, it would be blamed on the export
            raise
        require_unchanged()
        return cache.store(key, manifest.to_json(), sorted(folder.glob("*.bin")))


def _export(
    source: Source, spec: ModelSpec, sample: Sample | None, folder: Path, say: Progress
) -> wire.Manifest:
    """Write all files of the export into `folder` under their hashes."""
    say(f"reading {', '.join(source.weights)}")
    original = _read(source, spec)
    if sample is not None:
        original = _prune(original, spec, sample, folder, say)
    decoder, text = original.decoder, original.text
    texts = _text_files(original, folder)
    text_bytes = sum(file.bytes for file in texts.values())
    parameters = sum(tensor.size for tensor in original.weights.values())
    described: list[wire.Variant] = []
    for files, checked in _write_and_verify(original, spec.quantization, folder, say):
        for variant, found in checked.items():
            graph = write_file(folder, files.graphs[variant])
            about = _describe(variant, graph, files.weights, found, text_bytes, parameters)
            say(_sentence(about, found))
            _require_agreement(about, spec, source)
            described.append(about)
    return wire.Manifest(
        id=source.id,
        revision=source.revision,
        title=source.title,
        architecture=original.model_type,
        parameters=parameters,
        licence=_licence(original, folder),
        quantization=spec.quantization.recipe,
        context_length=original.context,
        vocab_size=decoder.vocab,
        cache=tuple(wire.layer_cache(layer) for layer in original.inventory.layers),
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


def _read(source: Source, spec: ModelSpec) -> Original:
    """Read and check everything but the weights' numbers; raises ModelError."""
    model_type, decoder = read_decoder(source.files["config.json"])
    card = source.files.get("README.md")
    inventory = decoder.inventory()
    return Original(
        source=source,
        model_type=model_type,
        decoder=decoder,
        inventory=inventory,
        context=_context(decoder, spec, source),
        text=read_text(source.files, decoder.vocab),
        weights=_checked_weights(source, decoder, inventory.tensors),
        licence_id=wire.licence_id(card) if card else None,
    )


def _prune(
    original: Original, spec: ModelSpec, sample: Sample, folder: Path, say: Progress
) -> Original:
    """The model with the rows and the text files of fewer tokens; raises ModelError."""
    from sitegen.models.vocabulary import prune

    source, weights, decoder = original.source, original.weights, original.decoder
    say(f"pruning the vocabulary of {decoder.vocab:,} tokens")
    size = spec.vocabulary.size if spec.vocabulary else None
    pruned = prune(source.files, decoder.vocab, size, sample, folder)
    decoder = dataclasses.replace(decoder, vocab=len(pruned.kept))
    inventory = decoder.inventory()
    # What has another shape now has a row for each token: embedding, head, the head's bias.
    rows = {
        name: Selection.of(weights[name], pruned.kept)
        for name, shape in inventory.tensors.items()
        if shape != weights[name].shape
    }
    dropped = sum(weights[name].size - tensor.size for name, tensor in rows.items())
    storages = dict.fromkeys(variant.storage for variant in variants(spec.quantization))
    saved = [f"{mib(int(dropped * WEIGHT_BYTES[each]))} MiB of {each}" for each in storages]
    say(f"{pruned.sentence()}; this saves {' or '.join(saved)}")
    return dataclasses.replace(
        original,
        source=dataclasses.replace(source, files=dict(pruned.files)),
        decoder=decoder,
        inventory=inventory,
        text=read_text(pruned.files, decoder.vocab),
        weights={**weights, **rows},
    )


def _write_and_verify(
    original: Original, quantization: Quantization, folder: Path, say: Progress
) -> list[tuple[Written, dict[Variant, Verified]]]:
    """Every weights file with its variants, in their order; raises ModelError."""
    fitting = [
        variant
        for variant in variants(quantization)
        if original.decoder.half_precision or variant.dtype != "float16"
    ]
    groups = groupby(fitting, lambda variant: variant.storage)
    with Jobs() as jobs:
        tell = jobs.telling(say)
        task = jobs.start(_task, original, tell)
        # Last first: int8, the largest file, is verified while int4 is still being written.
        writing = [
            jobs.start(_write, members, original, folder, tell)
            for members in reversed([tuple(group) for _, group in groups])
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


def _task(original: Original, say: Progress) -> Task:
    """What every variant is held against."""
    say("computing the reference")
    prompts = self_check_prompts(original.text, original.context)
    parameters = sum(tensor.size for tensor in original.weights.values())
    ids = passage(original.text, original.context, parameters)
    with np.errstate(over="ignore", invalid="ignore"):
        reference = original.decoder.reference(original.weights, ids)
    if not np.isfinite(reference).all():
        raise ModelError(
            "the model computes infinite numbers from an ordinary sentence",
            where=original.source.folder,
            hint="The weights are damaged, or training diverged.",
        )
    return Task(ids, reference, prompts)


def _write(members: Sequence[Variant], original: Original, folder: Path, say: Progress) -> Written:
    """Write the weights file that `members` share, and make their graphs."""
    storage = members[0].storage
    with ShardWriter(folder, _weights_progress(storage, original.inventory, say)) as writer:
        graphs = {variant: _graph(original, variant, writer) for variant in members}
    joined = folder / storage
    joined.mkdir()
    join(folder, writer.shards, joined / EXTERNAL_NAME)
    shards = tuple(wire.File.of(shard) for shard in writer.shards)
    described = wire.Weights(name=EXTERNAL_NAME, bytes=writer.size, shards=shards)
    return Written(graphs, described, joined)


def _graph(original: Original, variant: Variant, writer: ShardWriter) -> bytes:
    """The graph of one variant; its tensors are in `writer` when this returns."""
    graph = Graph(original.weights, variant, writer, original.context)
    original.decoder.forward(graph)
    return graph.serialized()


def _verify(
    variant: Variant, files: Written, original: Original, task: Task, say: Progress
) -> Verified:
    """Hold one variant against the reference; raises ModelError."""
    say(f"verifying {variant.name}")
    graph = files.graphs[variant]
    layers = original.inventory.layers
    runner = Runner(graph, files.joined, layers, variant, threads=CORES_EACH)
    return verify(runner, variant, task)


def _compare(checked: Mapping[Variant, Verified]) -> None:
    """Hold the variants of one weights file against each other; raises ModelError."""
    found = {variant.name: (variant, verified) for variant, verified in checked.items()}
    if "webgpu-f16" in found and "webgpu-f32" in found:
        variant, half = found["webgpu-f16"]
        compare_halves(half, found["webgpu-f32"][1], variant)


def _weights_progress(
    storage: Storage, inventory: Inventory, say: Progress
) -> Callable[[int], None]:
    weights = sum(math.prod(shape) for shape in inventory.tensors.values())
    total = int(WEIGHT_BYTES[storage] * weights)  # norms and rotations not counted

    def written(done: int) -> None:
        say(Amount(f"{storage} weights", done, total))

    return written


def _context(decoder: Decoder, spec: ModelSpec, source: Source) -> int:
    if spec.context is None:
        return min(decoder.max_context, DEFAULT_CONTEXT)
    if spec.context > decoder.max_context:
        raise ModelError(
            f"the context of {spec.context} tokens is longer than the model's own, "
            f"{decoder.max_context}",
            where=source.files["config.json"],
            hint=f"Write `context: {decoder.max_context}` or less.",
        )
    return spec.context


def _checked_weights(
    source: Source, decoder: Decoder, expected: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """The tensors of the network, each of the shape that config.json promises."""
    stored = open_weights(source.weights, source.index)
    if not any(name.startswith(decoder.prefix) for name in stored):  # saved without the head
        stored = {
            name if name in expected else decoder.prefix + name: tensor
            for name, tensor in stored.items()
        }
    config = source.files["config.json"]
    unknown = sorted(n for n in stored if n not in expected and not decoder.ignored(n))
    missing = sorted(name for name in expected if name not in stored)
    if missing:
        hint = "The weights and config.json belong to different models, or a file is missing."
        if missing == ["lm_head.weight"]:
            hint = "If the head is the embedding table, config.json says `tie_word_embeddings`."
        raise ModelError(
            f"{len(missing)} of {len(expected)} tensors are missing: {_some(missing)}"
            + (f"; not known are {_some(unknown)}" if unknown else ""),
            where=source.folder,
            hint=hint,
        )
    if unknown:
        raise ModelError(
            f"the weights hold tensors that config.json does not account for: {_some(unknown)}",
            where=source.folder,
            hint="Leaving them out would change the model. Does `model_type` name its family, and "
            "are the bias flags set?",
        )
    for name, shape in expected.items():
        require_numbers(stored[name])
        if stored[name].shape != shape:
            raise ModelError(
                f"the tensor {name!r} has shape {list(stored[name].shape)}; {config.name} makes it "
                f"{list(shape)}{_keys(config, shape)}",
                where=stored[name].path,
            )
    return {name: stored[name] for name in expected}


def _keys(config: Path, shape: Sequence[int]) -> str:
    """The keys of config.json that may have led to a shape, by their values."""
    keys = [
        f"{key} is {value}"
        for key, value in read_json(config).items()
        if type(value) is int and value > 1 and value in shape
    ]
    return f" ({', '.join(keys)})" if keys else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


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
    variant: Variant,
    graph: File,
    weights: wire.Weights,
    checked: Verified,
    text_bytes: int,
    parameters: int,
) -> wire.Variant:
    return wire.Variant(
        name=variant.name,
        backends=variant.backends,
        features=variant.features,
        dtype=variant.dtype,
        graph=wire.File.of(graph),
        weights=weights,
        bytes=graph.bytes + weights.bytes + text_bytes,
        self_check=wire.SelfCheck(
            prompt_ids=checked.self_check.prompt_ids,
            next_ids=checked.self_check.next_ids,
            tolerance=checked.self_check.tolerance,
        ),
        quality=wire.Quality(
            positions=checked.quality.positions,
            bits_per_weight=round(8 * weights.bytes / parameters, 3),
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
