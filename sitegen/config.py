"""sitegen.toml and the model an author names: what may be written, and its defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Quantization = Literal["q4", "fp32"]


class ModelSpec(BaseModel):
    """A model as an author names it, in front matter or in a `[models.NAME]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    """`builtin:storyteller`, a folder (`./my-model`, relative to the site), later `org/name`."""
    revision: str | None = None
    """Commit, tag or branch of a hub model."""
    quantization: Quantization = "q4"
    """q4: int4 for WebGPU and int8 for WASM; fp32: unquantized, for every backend."""
    context: int | None = Field(default=None, ge=16)
    """Longest sequence in tokens; default: the model's own, at most 4096."""
