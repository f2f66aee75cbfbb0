"""The decoder families sitegen exports by itself: one file per `model_type` of config.json.

A family's file is read top to bottom: what its config.json may say, which tensors belong to it,
its graph, and its reference. It defines one class, `Family`, derived from `Decoder`; to add a
family is to add its file.
"""

from __future__ import annotations

import difflib
import importlib
import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sitegen.errors import ModelError, Where

if TYPE_CHECKING:
    from sitegen.models.graph import Graph
    from sitegen.models.rope import Rope
    from sitegen.models.weights import Float32, Tensor


@dataclass(frozen=True)
class Expected:
    """A tensor's shape and, for error messages, the keys of config.json it follows from."""

    shape: tuple[int, ...]
    keys: str


@dataclass(frozen=True)
class Decoder(ABC):
    """A decoder-only transformer as its config.json describes it."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_context: int
    rope: Rope

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> Self:
        """The architecture of a config.json; raises ModelError for what is not supported."""

    @abstractmethod
    def tensors(self) -> dict[str, Expected]:
        """Every tensor of the family by name."""

    def ignored(self, name: str) -> bool:
        """Whether a stored tensor that `tensors` does not name may be left unread."""
        return False

    @abstractmethod
    def graph(self, graph: Graph) -> None:
        """Write the network into `graph`."""

    @abstractmethod
    def reference(self, weights: Mapping[str, Tensor], ids: Sequence[int]) -> Float32:
        """Logits of every position, (len(ids), vocab), in plain float32."""


class Fields:
    """config.json with types: each look-up says what it wants and fails with the key's name."""

    def __init__(self, values: Mapping[str, Any], where: Path, prefix: str = ""):
        self.values, self.where, self.prefix = values, where, prefix

    def error(self, key: str, problem: str, hint: str | None = None) -> ModelError:
        return ModelError(f"`{self.prefix}{key}` {problem}", where=self.where, hint=hint)

    def _get(self, key: str, default: Any) -> Any:
        value = self.values.get(key)
        if value is not None:
            return value
        if default is None:
            raise self.error(key, "is missing")
        return default

    def integer(
        self, key: str, default: int | None = None, *, low: int = 1, high: int = 2**31 - 1
    ) -> int:
        """A whole number from `low` to `high`; null counts as absent."""
        value = self._get(key, default)
        if type(value) is not int or not low <= value <= high:
            limits = f"of at least {low}" if high == 2**31 - 1 else f"from {low} to {high}"
            raise self.error(key, f"is {value!r}; a whole number {limits} is expected")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive, finite number."""
        value = self._get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self.error(key, f"is {value!r}; a positive number is expected")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if type(value) is not bool:
            raise self.error(key, f"is {value!r}; true or false is expected")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(key, f"is {value!r}; a text is expected")
        return value

    def table(self, key: str) -> Fields | None:
        """A nested object, None when it is absent or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, f"is {value!r}; an object is expected")
        return Fields(value, self.where, f"{self.prefix}{key}.")


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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that must hold an object; raises ModelError at the place of a mistake."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = Where(path, error.lineno, error.colno)
        raise ModelError(f"invalid JSON: {error.msg}", where=place) from None
    except (ValueError, RecursionError):
        raise ModelError(
            "invalid JSON: not UTF-8 text, nested too deep, or a number of thousands of digits",
            where=path,
        ) from None
    if not isinstance(values, dict):
        raise ModelError("a JSON object was expected", where=path)
    return values
