"""A model of a family that has a file here: its network, and its weights as they are stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sitegen.errors import ModelError
from sitegen.models.calibration.calibrate import Calibration, Rounding
from sitegen.models.calibration.parallel import without_blas_threads
from sitegen.models.families import Decoder, read_decoder
from sitegen.models.fields import read_json
from sitegen.models.graph import Graph
from sitegen.models.network.inventory import Inventory, LayerCache
from sitegen.models.quantization.blockwise import Blocks
from sitegen.models.quantization.variants import Variant
from sitegen.models.shards import ShardWriter
from sitegen.models.source import Source
from sitegen.models.weights import Float32, Selection, Tensor, open_weights, require_numbers


@dataclass(frozen=True)
class Direct:
    """The `Exportable` of such a model."""

    model_type: str
    decoder: Decoder
    inventory: Inventory
    weights: Mapping[str, Tensor]
    rounded: Mapping[str, Iterable[Blocks]] = dataclasses.field(default_factory=dict)
    """Matrices by name, as a calibration has rounded them to int4."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Raises ModelError for a family that is not here, and for weights that do not fit."""
        model_type, decoder = read_decoder(source.files["config.json"])
        inventory = decoder.inventory()
        weights = _checked_weights(source, decoder, inventory.tensors)
        return cls(model_type, decoder, inventory, weights)

    def pruned(self, kept: NDArray[np.int64]) -> Self:
        """The same model with the tokens `kept` alone, in their order."""
        decoder = dataclasses.replace(self.decoder, vocab=len(kept))
        inventory = decoder.inventory()
        # What has another shape now has a row for each token: embedding, head, the head's bias.
        rows = {
            name: Selection.of(self.weights[name], kept)
            for name, shape in inventory.tensors.items()
            if shape != self.weights[name].shape
        }
        weights = {**self.weights, **rows}
        return dataclasses.replace(self, decoder=decoder, inventory=inventory, weights=weights)

    def calibrated(self, passages: Sequence[Sequence[int]], rounding: Rounding) -> Self:
        """The same model, its matrices rounded for what they are given by these tokens."""
        with without_blas_threads():
            self.decoder.forward(Calibration(self.weights, passages, rounding))
        return dataclasses.replace(self, rounded=rounding.found)

    @property
    def vocab(self) -> int:
        return self.decoder.vocab

    @property
    def max_context(self) -> int:
        return self.decoder.max_context

    @property
    def layers(self) -> Sequence[LayerCache]:
        return self.inventory.layers

    @property
    def short_context(self) -> int | None:
        return self.inventory.short_context

    @property
    def parameters(self) -> int:
        return sum(tensor.size for tensor in self.weights.values())

    @property
    def half_precision(self) -> bool:
        return self.decoder.half_precision

    @property
    def packages(self) -> Mapping[str, str]:
        return {}

    def reference(self, ids: Sequence[int]) -> Float32:
        return self.decoder.reference(self.weights, ids)

    def graph(self, variant: Variant, writer: ShardWriter, context: int) -> bytes:
        graph = Graph(self.weights, variant, writer, context)
        graph.calibrated = self.rounded
        self.decoder.forward(graph)
        return graph.serialized()


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
