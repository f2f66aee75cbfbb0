"""The decoder families sitegen exports by itself: one file per `model_type` of config.json.

A family's file is read top to bottom: what its config.json may say, then the network, in the words
of `network`, from the first block to the last. It defines one class, `Family`, derived from
`Decoder`; to add a family is to add its file.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from sitegen.models.fields import Fields, read_json
from sitegen.models.inventory import Inventory
from sitegen.models.network import Network, V
from sitegen.models.reference import Reference
from sitegen.models.weights import Float32, Tensor


@dataclass(frozen=True)
class Decoder(ABC):
    """A decoder-only transformer as its config.json describes it."""

    vocab: int
    max_context: int

    half_precision: ClassVar[bool] = True
    """Whether float16 holds its activations; Gemma's outgrow it."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> Self:
        """The architecture of a config.json; raises ModelError for what is not supported."""

    @abstractmethod
    def forward(self, net: Network[V]) -> V:
        """The network, block by block; returns the logits."""

    def ignored(self, name: str) -> bool:
        """Whether a stored tensor that the network does not use may be left unread."""
        return False

    def inventory(self) -> Inventory:
        """Every tensor of the network, and what its layers keep between tokens."""
        found = Inventory()
        self.forward(found)
        return found

    def reference(self, weights: Mapping[str, Tensor], ids: Sequence[int]) -> Float32:
        """Logits of every position, (len(ids), vocab), in plain float32."""
        return self.forward(Reference(weights, ids))


def known() -> list[str]:
    """The `model_type` of every family that has a file here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def read_decoder(config: Path) -> tuple[str, Decoder]:
    """The `model_type` and the architecture that a config.json describes."""
    fields = Fields(read_json(config), config)
    model_type = fields.text("model_type")
    if model_type not in known():
        near = difflib.get_close_matches(model_type, known(), 1)
        raise fields.error(
            "model_type",
            f"is {model_type!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            f"Families this version exports: {', '.join(known())}.",
        )
    if fields.table("quantization_config") is not None:
        raise fields.error(
            "quantization_config",
            "says that the weights are quantized already",
            "sitegen quantizes by itself: take the model in its original precision.",
        )
    family = importlib.import_module(f"{__name__}.{model_type}").Family
    decoder = family.read(fields)
    assert isinstance(decoder, Decoder)
    return model_type, decoder
