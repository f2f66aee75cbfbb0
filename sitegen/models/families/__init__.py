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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from sitegen.models.fields import Fields, read_json
from sitegen.models.network import Activation, Network, Norm, Projection, V
from sitegen.models.network.inventory import Inventory
from sitegen.models.network.reference import Reference
from sitegen.models.weights import Float32, Tensor

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}
"""transformers' names."""


@dataclass(frozen=True)
class Decoder(ABC):
    """A decoder-only transformer as its config.json describes it."""

    vocab: int
    max_context: int
    layers: int
    hidden: int
    norm: Norm
    tied: bool

    prefix: ClassVar[str] = "model."
    """Before every tensor's name but the head's; base models are stored without it."""
    half_precision: ClassVar[bool] = True
    """Whether float16 holds its activations."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> Self:
        """The architecture of a config.json; raises ModelError for what is not supported."""

    @abstractmethod
    def forward(self, net: Network[V]) -> V:
        """The network, block by block; returns the logits."""

    def ignored(self, name: str) -> bool:
        """Whether a stored tensor that the network does not use may be left unread."""
        # A tied head may be stored a second time; old checkpoints store what `rope` computes.
        return (self.tied and name == "lm_head.weight") or name.endswith("rotary_emb.inv_freq")

    def logits(self, net: Network[V], x: V, softcap: float | None = None) -> V:
        """The head under its usual name, or the embedding where it is tied."""
        head = Projection("model.embed_tokens" if self.tied else "lm_head", self.vocab)
        return net.logits(x, head, tied=self.tied, softcap=softcap)

    def inventory(self) -> Inventory:
        """Every tensor of the network, and what its layers keep between tokens."""
        found = Inventory()
        self.forward(found)
        return found

    def reference(self, weights: Mapping[str, Tensor], ids: Sequence[int]) -> Float32:
        """Logits of every position, (len(ids), vocab), in plain float32."""
        return self.forward(Reference(weights, ids))


def usual(
    fields: Fields, *, context: int, epsilon: float, norm: Norm | None = None, tied: bool = False
) -> dict[str, Any]:
    """What every `Decoder` has, under the keys that most families use.

    context, epsilon, tied: what holds where config.json is silent; norm: if not RMSNorm.
    """
    return {
        "vocab": fields.integer("vocab_size"),
        "max_context": fields.integer("max_position_embeddings", context, low=16),
        "layers": fields.integer("num_hidden_layers", high=1024),
        "hidden": fields.integer("hidden_size"),
        "norm": norm or Norm(fields.number("rms_norm_eps", epsilon)),
        "tied": fields.flag("tie_word_embeddings", tied),
    }


def activation(fields: Fields, key: str, default: str) -> Activation:
    """The activation that `key` names."""
    return ACTIVATIONS[fields.one_of(key, default, tuple(ACTIVATIONS))]


def windows(
    fields: Fields, layers: int, window: int | None, slides: Callable[[int], bool]
) -> tuple[int | None, ...]:
    """How many tokens each layer sees (None: all), by `layer_types` or else by `slides(layer)`."""
    kinds = fields.texts("layer_types", layers)
    for kind in kinds or ():
        if kind not in ("full_attention", "sliding_attention"):
            raise fields.error(
                "layer_types", f"holds {kind!r}; full_attention or sliding_attention is expected"
            )
    if window is None and kinds and "sliding_attention" in kinds:
        raise fields.error("layer_types", "holds 'sliding_attention', but no window is set")
    sliding = [k == "sliding_attention" for k in kinds] if kinds else map(slides, range(layers))
    return tuple(window if slide else None for slide in sliding)


def known() -> list[str]:
    """The `model_type` of every family that has a file here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def require_unquantized(fields: Fields) -> None:
    """Raise ModelError for weights that config.json calls quantized."""
    if fields.table("quantization_config") is not None:
        raise fields.error(
            "quantization_config",
            "says that the weights are quantized already",
            "sitegen quantizes by itself: take the model in its original precision.",
        )


def read_decoder(config: Path) -> tuple[str, Decoder]:
    """The `model_type` and the architecture that a config.json describes."""
    fields = Fields(read_json(config), config)
    model_type = fields.text("model_type")
    if model_type not in known():
        near = difflib.get_close_matches(model_type, known(), 1)
        raise fields.error(
            "model_type",
            f"is {model_type!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            f"Exported without PyTorch: {', '.join(known())}.\n"
            "  Most others with it: pip install 'sitegen[optimum]'",
        )
    require_unquantized(fields)
    family = importlib.import_module(f"{__name__}.{model_type}").Family
    decoder = family.read(fields)
    assert isinstance(decoder, Decoder)
    return model_type, decoder
