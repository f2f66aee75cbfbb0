"""Models: from what an author names to what a browser can run.

    source → tokens, weights, families (in the words of network) → graph (quantization, shards), or
    tracing → verification → manifest; calibration comes between two graphs

`original` reads a model, `export` makes an export of it, `cache` keeps that;
tests/test_imports.py holds their order.

`prepare` is the way in. It imports numpy, onnx, onnxruntime, tokenizers and huggingface_hub only
when a model is not in the cache yet; and `scripts`, which needs fontTools, only where a vocabulary
is pruned.
"""

from __future__ import annotations

from pathlib import Path

from sitegen.config import ModelSpec
from sitegen.models.cache import Cache, Model
from sitegen.models.samples import Samples
from sitegen.models.source import fetch, find, find_here
from sitegen.progress import Progress, silent
from sitegen.texts import SILENCE, Texts

__all__ = ["Cache", "Model", "key_of", "prepare"]


def prepare(
    spec: ModelSpec,
    *,
    root: Path,
    cache: Path,
    texts: Texts = SILENCE,
    progress: Progress | None = None,
) -> Model:
    """The exported model that `spec` names, from the cache or made now.

    root: the site's folder, whose sitegen.lock pins models of the hub; cache: where exports are
    kept; texts: what the pages that use the model say, which `vocabulary` and `calibration` may go
    by; progress: gets plain sentences. Raises ModelError for anything wrong with the model, the
    folder, the hub or the disk.
    """
    progress = progress or silent
    store = Cache(cache)
    source = find(spec, root, progress)
    samples = Samples.take(spec, texts, root)
    key = store.key(source, spec, samples)
    model = store.load(key)
    if model is None:
        from sitegen.models.export import export
        from sitegen.models.original import require_supported

        if source.pin is not None:
            fetch(source, store.digests(), progress, weights=False)
            require_supported(source, spec)
            fetch(source, store.digests(), progress)
        model = export(source, spec, samples, store, key, progress)
    return model


def key_of(spec: ModelSpec, *, root: Path, cache: Path, texts: Texts = SILENCE) -> str | None:
    """What the export of `spec` is called in the cache, made or not; None where that is not known
    without asking the hub. Raises ModelError where `spec` names no model."""
    source = find_here(spec, root)
    if source is None:
        return None
    return Cache(cache).key(source, spec, Samples.take(spec, texts, root))
