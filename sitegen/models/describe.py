"""A model in figures: from its export, else from its config.json and the headers of its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import key_of
from sitegen.models.cache import Cache
from sitegen.models.source import Source, find_here, newest, of_pin
from sitegen.models.source.hub import Hub
from sitegen.models.source.lock import DEFAULT_REVISION
from sitegen.progress import Progress, silent
from sitegen.texts import SILENCE, Texts

FIRST_BYTES = 1 << 18  # of a weights file, where most headers end


@dataclass(frozen=True)
class Description:
    """A model in figures."""

    id: str
    revision: str | None  # the commit of a model of the hub
    architecture: str
    parameters: int
    context_length: int | None
    licence: str | None
    quantization: str
    variants: Mapping[str, int]  # name → bytes that a reader downloads
    exported: bool  # else the bytes are an estimate
    quality: Mapping[str, Mapping[str, float]] | None  # name → as in the manifest; of an export
    vocabulary: Mapping[str, Any] | None  # of an export that was pruned: see `original.Dropped`
    source_bytes: int  # of the weights as they were published
    problem: str | None = None  # why it cannot be exported
    hint: str | None = None  # what to do about that


def describe(
    spec: ModelSpec,
    *,
    root: Path,
    cache: Path,
    texts: Texts = SILENCE,
    progress: Progress = silent,
) -> Description:
    """The model that `spec` names, from its export where there is one; raises ModelError.

    texts: see `prepare`. Nothing is pinned, and of a model of the hub only small files and headers
    are downloaded.
    """
    source, store = find_here(spec, root), Cache(cache)
    if source is None:
        source = of_pin(newest(spec.id, spec.revision or DEFAULT_REVISION, progress))
    else:
        key = key_of(spec, root=root, cache=cache, texts=texts)
        entry = None if key is None else store.entry(key)
        if entry is not None:
            return _of_entry(entry, _source_bytes(source))
    return _of_source(source, spec, store)


def _of_entry(entry: Mapping[str, Any], source_bytes: int) -> Description:
    manifest = entry["manifest"]
    return Description(
        id=manifest["id"],
        revision=manifest["revision"],
        architecture=manifest["architecture"],
        parameters=manifest["parameters"],
        context_length=manifest["context_length"],
        licence=manifest["licence"]["id"],
        quantization=manifest["quantization"],
        variants={variant["name"]: variant["bytes"] for variant in manifest["variants"]},
        exported=True,
        quality={variant["name"]: variant["quality"] for variant in manifest["variants"]},
        vocabulary=entry.get("vocabulary"),
        source_bytes=source_bytes,
    )


def _of_source(source: Source, spec: ModelSpec, cache: Cache) -> Description:
    from sitegen.models.families import known, read_decoder
    from sitegen.models.fields import read_json
    from sitegen.models.manifest import licence_id
    from sitegen.models.quantization.variants import WEIGHT_BYTES, variants
    from sitegen.models.tracing import optimum
    from sitegen.models.tracing.slow_tokenizer import require_tokenizer

    files = source.files
    if source.pin is not None:
        small = [files[name].name for name in ("config.json", "README.md") if name in files]
        Hub.of_environment().fetch(source.pin, small, digests=cache.digests())
    config = read_json(files["config.json"])
    context, problem, hint = config.get("max_position_embeddings"), None, None
    try:
        if config.get("model_type") in known() or not optimum.versions():
            context = read_decoder(files["config.json"])[1].max_context
        require_tokenizer(source)
    except ModelError as error:
        problem, hint = error.problem, error.hint
    parameters = sum(_parameters(source, path) for path in source.weights.values())
    return Description(
        id=source.id,
        revision=source.revision,
        architecture=str(config.get("model_type")),
        parameters=parameters,
        context_length=context if isinstance(context, int) else None,
        licence=licence_id(files["README.md"]) if "README.md" in files else None,
        quantization=spec.quantization.recipe,
        variants={
            variant.name: int(parameters * WEIGHT_BYTES[variant.storage])
            for variant in variants(spec.quantization)
        },
        exported=False,
        quality=None,
        vocabulary=None,
        source_bytes=_source_bytes(source),
        problem=problem,
        hint=hint,
    )


def _source_bytes(source: Source) -> int:
    if source.pin is not None:
        return sum(file.bytes for file in source.pin.files if file.name in source.weights)
    return sum(path.stat().st_size for path in source.weights.values())


def _parameters(source: Source, path: Path) -> int:
    """How many numbers a safetensors file holds, by its header. Format: see `weights`."""
    from sitegen.models.weights import MAX_HEADER_BYTES

    beginning = _beginning(source, path, FIRST_BYTES)
    end = 8 + int.from_bytes(beginning[:8], "little")
    if FIRST_BYTES < end <= 8 + MAX_HEADER_BYTES:
        beginning = _beginning(source, path, end)
    try:
        header = json.loads(beginning[8:end])
        header.pop("__metadata__", None)
        shapes = [tensor["shape"] for tensor in header.values()]
        if not all(type(side) is int and side >= 0 for shape in shapes for side in shape):
            raise ValueError
        return sum(map(math.prod, shapes))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError("the file is not safetensors, or it is damaged", where=path) from None


def _beginning(source: Source, path: Path, count: int) -> bytes:
    if source.pin is not None and not path.is_file():
        return Hub.of_environment().beginning(source.pin, path.name, count)
    with path.open("rb") as file:
        return file.read(count)
