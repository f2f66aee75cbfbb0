"""A model as it was found: read and checked, its vocabulary pruned, no weight of it used yet."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import manifest as wire
from sitegen.models.direct import Direct
from sitegen.models.exportable import Exportable
from sitegen.models.families import known, read_decoder, require_unquantized
from sitegen.models.fields import Fields, read_json
from sitegen.models.quantization.variants import WEIGHT_BYTES, variants
from sitegen.models.source import Source
from sitegen.models.tokens.tokenizer import Text, read_text
from sitegen.models.tracing import optimum
from sitegen.models.tracing.slow_tokenizer import with_tokenizer
from sitegen.models.tracing.traced import Traced
from sitegen.models.weights import open_weights
from sitegen.progress import Progress, mib, silent

if TYPE_CHECKING:
    from sitegen.models.tokens.sample import Sample

DEFAULT_CONTEXT = 4096


@dataclass(frozen=True)
class Dropped:
    """What pruning the vocabulary came to."""

    tokens: int  # before, rows of padding included
    kept: int
    scripts: tuple[str, ...]
    share: float  # see `Pruned`
    bytes_saved: Mapping[str, int]  # variant → about so much less to download


@dataclass(frozen=True)
class Original:
    """The model as it was found: read, checked, and nothing of it computed yet."""

    source: Source
    model: Exportable
    text: Text
    context: int
    licence_id: str | None
    packages: Mapping[str, str]
    """Packages beyond sitegen's own that the export depends on, with their versions."""
    dropped: Dropped | None = None


def read(
    source: Source, spec: ModelSpec, sample: Sample | None, folder: Path, say: Progress
) -> Original:
    """Read and check everything but the weights' numbers; raises ModelError."""
    say(f"reading {', '.join(source.weights)}")
    card = source.files.get("README.md")
    fields = _fields(source)
    model: Exportable
    if _is_direct(fields):
        model = Direct.read(source)
        source, converters = with_tokenizer(source, folder / "tokenizer", say)
    else:
        _require_traceable(fields, spec)
        source, converters = with_tokenizer(source, folder / "tokenizer", say)
        read_text(source.files, fields.integer("vocab_size"))  # wrong at once, not after minutes
        model = _trace(source, fields, folder, say)
    original = Original(
        source=source,
        model=model,
        context=_context(model.max_context, spec, source),
        text=read_text(source.files, model.vocab),
        licence_id=wire.licence_id(card) if card else None,
        packages={**model.packages, **converters},
    )
    return original if sample is None else _prune(original, spec, sample, folder, say)


def require_supported(source: Source, spec: ModelSpec) -> None:
    """Raise ModelError for what the small files alone show to be wrong, as `export` would.

    The weights of a model of the hub may be gigabytes, and are not downloaded yet.
    """
    fields = _fields(source)
    if _is_direct(fields):
        _, decoder = read_decoder(fields.where)
        _context(decoder.max_context, spec, source)
        vocab = decoder.vocab
    else:
        _require_traceable(fields, spec)
        vocab = fields.integer("vocab_size")
    with tempfile.TemporaryDirectory() as folder:
        # Converted again when the weights are here: that takes seconds, and they may take an hour.
        source, _ = with_tokenizer(source, Path(folder, "tokenizer"), silent)
        read_text(source.files, vocab)


def _fields(source: Source) -> Fields:
    config = source.files["config.json"]
    return Fields(read_json(config), config)


def _is_direct(fields: Fields) -> bool:
    """Whether a family exports the model, or refuses it because optimum is not installed."""
    return fields.text("model_type") in known() or not optimum.versions()


def _trace(source: Source, fields: Fields, folder: Path, say: Progress) -> Traced:
    """A model without a family here, by optimum."""
    model_type = fields.text("model_type")
    parameters = sum(each.size for each in open_weights(source.weights, source.index).values())
    exported = optimum.export(source, folder / "optimum", say)
    return Traced(model_type, exported.graph, exported.max_context, parameters, optimum.versions())


def _require_traceable(fields: Fields, spec: ModelSpec) -> None:
    require_unquantized(fields)
    if spec.quantization.calibration.by != "none":
        raise ModelError(
            "`calibration` needs to know a model's layers, and optimum exports this one "
            f"({fields.text('model_type')!r})",
            where=fields.where,
            hint="Remove `calibration`.",
        )
    if spec.vocabulary is not None:
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
    from sitegen.models.tokens.vocabulary import prune

    source, model = original.source, original.model
    assert isinstance(model, Direct)
    say(f"pruning the vocabulary of {model.vocab:,} tokens")
    size = spec.vocabulary.size if spec.vocabulary else None
    pruned = prune(source.files, model.vocab, size, sample, folder)
    smaller = model.pruned(pruned.kept)
    rows = model.parameters - smaller.parameters
    saved = {v: int(rows * WEIGHT_BYTES[v.storage]) for v in variants(spec.quantization)}
    storages = {variant.storage: f"{mib(count)} MiB" for variant, count in saved.items()}
    each = " or ".join(f"{size} of {storage}" for storage, size in storages.items())
    say(f"{pruned.sentence()}; this saves {each}")
    return dataclasses.replace(
        original,
        source=dataclasses.replace(source, files=dict(pruned.files)),
        model=smaller,
        text=read_text(pruned.files, smaller.vocab),
        dropped=Dropped(
            pruned.rows,
            len(pruned.kept),
            pruned.scripts,
            round(pruned.share, 4),
            {variant.name: count for variant, count in saved.items()},
        ),
    )


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
