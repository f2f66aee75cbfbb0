"""The manifest a browser loads a model by: `manifest.schema.json` as types.

The classes repeat the schema key by key and refuse what it refuses; a test compares the two.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sitegen.config import Recipe
from sitegen.errors import ModelError
from sitegen.models import shards
from sitegen.models.network import inventory

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Natural = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[int, Field(ge=1, strict=True)]
Filled = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Record):
    path: Annotated[str, Field(pattern=r"^files/[0-9a-f]{64}\.(bin|json)$")]
    bytes: Natural
    sha256: Sha256

    @classmethod
    def of(cls, file: shards.File) -> File:
        return cls(path=f"files/{file.sha256}.bin", bytes=file.bytes, sha256=file.sha256)


class Licence(Record):
    id: str | None
    file: File | None
    card: File | None


class AttentionCache(Record):
    kind: Literal["attention"] = "attention"
    heads: Positive
    head_dim: Positive


class ConvolutionCache(Record):
    kind: Literal["convolution"] = "convolution"
    length: Positive
    width: Positive


LayerCache = Annotated[AttentionCache | ConvolutionCache, Field(discriminator="kind")]


def layer_cache(cache: inventory.LayerCache) -> AttentionCache | ConvolutionCache:
    """A layer's cache as the browser reads it."""
    if isinstance(cache, inventory.AttentionCache):
        return AttentionCache(heads=cache.heads, head_dim=cache.head_dim)
    return ConvolutionCache(length=cache.length, width=cache.width)


class Tokenizer(Record):
    file: File
    config: File | None
    chat_template: str | None
    bos_token: str | None
    eos_token: str | None
    eos_token_ids: tuple[Natural, ...]


class Generation(Record):
    temperature: Annotated[float, Field(ge=0)] | None = None
    top_k: Natural | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    max_new_tokens: Positive | None = None


class Weights(Record):
    name: str
    bytes: Positive
    shards: Annotated[tuple[File, ...], Field(min_length=1)]


class SelfCheck(Record):
    prompt_ids: Annotated[tuple[Natural, ...], Field(min_length=1)]
    next_ids: Annotated[tuple[Natural, ...], Field(min_length=1)]
    tolerance: Annotated[float, Field(ge=0)]


class Quality(Record):
    positions: Positive
    bits_per_weight: Annotated[float, Field(gt=0)]
    agreement: Annotated[float, Field(ge=0, le=1)]
    kl: Annotated[float, Field(ge=0)]
    perplexity_ratio: Annotated[float, Field(gt=0)]


class Variant(Record):
    name: Literal["webgpu-f16", "webgpu-f32", "wasm", "fp32"]
    backends: Annotated[tuple[Literal["webgpu", "wasm"], ...], Field(min_length=1)]
    features: tuple[Literal["shader-f16"], ...]
    dtype: Literal["float16", "float32"]
    cache_in_place: bool
    graph: File
    weights: Weights
    bytes: Positive
    self_check: SelfCheck
    quality: Quality


class Manifest(Record):
    version: Literal[3] = 3
    id: Filled
    revision: str | None
    title: Filled
    architecture: str
    parameters: Positive
    licence: Licence
    quantization: Recipe
    context_length: Positive
    short_context: Positive | None
    vocab_size: Positive
    cache: Annotated[tuple[LayerCache, ...], Field(min_length=1)]
    tokenizer: Tokenizer
    generation: Generation
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the schema wants them; unset generation defaults are left out."""
        values = self.model_dump(mode="json")
        values["generation"] = self.generation.model_dump(mode="json", exclude_none=True)
        return values


def licence_id(card: Path) -> str | None:
    """`license` of a model card's YAML header (`license_name` where that is "other")."""
    text = card.read_text(encoding="utf-8-sig", errors="replace")
    header = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", text, re.DOTALL)
    if header is None:
        return None
    try:
        values = yaml.safe_load(header[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 31st of June
        problem = str(error).splitlines()[0]
        raise ModelError(f"the model card's header is not YAML: {problem}", where=card) from None
    if not isinstance(values, dict):
        return None
    id = values.get("license")
    if id == "other":
        id = values.get("license_name") or id
    return id if isinstance(id, str) and id else None
