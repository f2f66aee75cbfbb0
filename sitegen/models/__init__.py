"""Models: from what an author names to what a browser can run.

    source → weights, families, tokenizer → graph (variants, quantize, shards) → verify → manifest

`prepare` is the way in. It imports numpy, onnx, onnxruntime and tokenizers only when a model is
not in the cache yet.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sitegen.config import ModelSpec
from sitegen.models.cache import Cache, Model
from sitegen.models.source import find

__all__ = ["Model", "prepare"]


def prepare(
    spec: ModelSpec,
    *,
    root: Path,
    cache: Path,
    progress: Callable[[str], None] | None = None,
) -> Model:
    """The exported model that `spec` names, from the cache or made now.

    root: the site's folder; cache: where exports are kept; progress: gets plain sentences.
    Raises ModelError for anything wrong with the model, the folder or the disk.
    """
    source = find(spec, root)
    store = Cache(cache)
    key = store.key(source, spec)
    model = store.load(key)
    if model is None:
        from sitegen.models.export import export

        model = export(source, spec, store, key, progress or (lambda sentence: None))
    return model
