"""The exports in the cache: which there are, whether they are whole, and which may go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sitegen.config import Quantization
from sitegen.digests import sha256_of
from sitegen.errors import ModelError
from sitegen.models.cache import Cache
from sitegen.progress import Progress

if TYPE_CHECKING:
    from sitegen.models import manifest as wire
    from sitegen.models.network.inventory import LayerCache
    from sitegen.models.verification.runner import Runner


SHOWN = {"id", "revision", "quantization", "context_length", "variants"}
"""Of a manifest: what tells exports apart. One without them was made by a much older sitegen."""


@dataclass(frozen=True)
class Export:
    """One export, as it was stored."""

    key: str
    manifest: Mapping[str, Any]
    files: Mapping[str, int]  # SHA-256 → bytes
    used: float  # when it was stored or last loaded, in seconds since 1970

    @property
    def bytes(self) -> int:
        """On disk; a file that another export shares is counted."""
        return sum(self.files.values())

    @property
    def title(self) -> str:
        """What tells it from the others in a sentence: 'org/name, q4, context 4096'."""
        values = self.manifest
        return f"{values['id']}, {values['quantization']}, context {values['context_length']}"


def listed(cache: Cache) -> list[Export]:
    """All exports that are described, by id and last use, the newest first."""
    found = []
    for key in cache.keys():
        entry = cache.entry(key)
        if entry is not None and entry["manifest"].keys() >= SHOWN:
            found.append(Export(key, entry["manifest"], entry["files"], cache.last_used(key)))
    return sorted(found, key=lambda export: (export.manifest["id"], -export.used))


def prune(
    cache: Cache, keep: Collection[str], before: float, *, pretend: bool = False
) -> tuple[list[Export], int]:
    """Delete exports that are not kept and were last used before a time, in seconds since 1970.

    keep: keys. What no export needs goes in any case. pretend: delete nothing. Returns what went
    and the bytes freed. Raises ModelError while a build uses the cache.
    """
    with cache.alone():
        known = {export.key: export for export in listed(cache)}
        gone = [
            key
            for key in cache.keys()
            if key not in known or (key not in keep and known[key].used < before)
        ]
        freed = cache.remove(gone, pretend=pretend)
    return [known[key] for key in gone if key in known], freed


class Verdict(NamedTuple):
    """What `verify` found."""

    damaged: bool
    sentence: str


def verify(export: Export, cache: Cache, say: Progress) -> Verdict:
    """Hash every file of an export again, and let every variant repeat its self-check."""
    say("hashing")
    for sha256, size in export.files.items():
        path = cache.path(sha256)
        try:
            if path.stat().st_size != size or sha256_of(path) != sha256:
                return Verdict(True, f"{path.name} is not what it was")
        except OSError as error:
            return Verdict(True, f"{path.name} cannot be read: {error.strerror}")
    from pydantic import ValidationError

    from sitegen.models import manifest as wire

    try:
        manifest = wire.Manifest.model_validate(dict(export.manifest))
    except ValidationError:
        return Verdict(False, "whole; only the sitegen that made it can repeat its self-checks")
    with cache.staging() as folder:
        for variant in manifest.variants:
            say(f"checking {variant.name}")
            if not _answers(manifest, variant, cache, folder):
                return Verdict(True, f"{variant.name} does not give the tokens of its self-check")
    return Verdict(False, "whole, and every variant answers as it did")


def _answers(manifest: wire.Manifest, variant: wire.Variant, cache: Cache, folder: Path) -> bool:
    """Whether a variant, joined from its shards, still gives the tokens of its self-check."""
    from sitegen.models.shards import File, join

    joined = folder / variant.name
    joined.mkdir()
    shards = [File(shard.sha256, shard.bytes) for shard in variant.weights.shards]
    join(cache.files, shards, joined / variant.weights.name)
    runner = runner_of(manifest, variant, cache.path(variant.graph.sha256).read_bytes(), joined)
    check = variant.self_check
    logits, past = runner.forward(check.prompt_ids, runner.empty(), 1)
    for token in check.next_ids:
        if int(logits[-1].argmax()) != token:
            return False
        logits, past = runner.forward([token], past, 1)
    return True


def runner_of(
    manifest: wire.Manifest, variant: wire.Variant, graph: bytes, weights: Path
) -> Runner:
    from sitegen.models.jobs import CORES_EACH
    from sitegen.models.quantization.variants import variants
    from sitegen.models.verification.runner import Runner

    recipe = Quantization(recipe=manifest.quantization)
    made = next(v for v in variants(recipe) if v.name == variant.name)
    return Runner(graph, weights, _layers(manifest), made, threads=CORES_EACH)


def _layers(manifest: wire.Manifest) -> list[LayerCache]:
    """What `manifest.layer_cache` was made from."""
    from sitegen.models import manifest as wire
    from sitegen.models.network import inventory

    return [
        inventory.AttentionCache(layer.heads, layer.head_dim)
        if isinstance(layer, wire.AttentionCache)
        else inventory.ConvolutionCache(layer.length, layer.width)
        for layer in manifest.cache
    ]


def drop(exports: Collection[Export], cache: Cache) -> None:
    """Delete damaged exports with their damaged files, so that the next build makes them again.

    Raises ModelError while a build uses the cache.
    """
    with cache.alone():
        for export in exports:
            for sha256 in export.files:
                path = cache.path(sha256)
                try:
                    if path.exists() and sha256_of(path) != sha256:
                        path.unlink()
                except OSError as error:
                    raise ModelError(f"cannot be deleted: {error.strerror}", where=path) from error
        cache.remove([export.key for export in exports])
