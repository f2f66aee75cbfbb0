"""Models: from what an author names to what a browser can run.

    source (files, lock, hub) → weights, families, tokenizer → graph (variants, quantize, shards)
    → verify → manifest

`prepare` is the way in. It imports numpy, onnx, onnxruntime, tokenizers and huggingface_hub only
when a model is not in the cache yet; and `scripts`, which needs fontTools, only where a vocabulary
is pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sitegen.config import ModelSpec
from sitegen.models.cache import Cache, Model
from sitegen.models.source import fetch, find, find_here
from sitegen.progress import Progress, silent

if TYPE_CHECKING:
    from sitegen.models.sample import Sample

__all__ = ["Cache", "Model", "key_of", "prepare"]


def prepare(
    spec: ModelSpec,
    *,
    root: Path,
    cache: Path,
    texts: Sequence[str] = (),
    progress: Progress | None = None,
) -> Model:
    """The exported model that `spec` names, from the cache or made now.

    root: the site's folder, whose sitegen.lock pins models of the hub; cache: where exports are
    kept; texts: what the pages that use the model say, by which `vocabulary` is pruned; progress:
    gets plain sentences. Raises ModelError for anything wrong with the model, the folder, the hub
    or the disk.
    """
    progress = progress or silent
    store = Cache(cache)
    source = find(spec, root, progress)
    sample = _sample(spec, texts, root)
    key = store.key(source, spec, sample)
    model = store.load(key)
    if model is None:
        from sitegen.models.export import export, require_supported

        if source.pin is not None:
            fetch(source, store.digests(), progress, weights=False)
            require_supported(source, spec, sample)
            fetch(source, store.digests(), progress)
        model = export(source, spec, sample, store, key, progress)
    return model


def key_of(spec: ModelSpec, *, root: Path, cache: Path, texts: Sequence[str] = ()) -> str | None:
    """What the export of `spec` is called in the cache, made or not; None where that is not known
    without asking the hub. Raises ModelError where `spec` names no model."""
    source = find_here(spec, root)
    return None if source is None else Cache(cache).key(source, spec, _sample(spec, texts, root))


def _sample(spec: ModelSpec, texts: Sequence[str], root: Path) -> Sample | None:
    """The text that decides about a pruned vocabulary, None where it stays whole."""
    if spec.vocabulary is None:
        return None
    from sitegen.models.sample import take

    return take(spec.vocabulary, texts, root)
