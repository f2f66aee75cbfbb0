"""JSON files of a model, read with types: what is wrong is said with the file and the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sitegen.errors import ModelError, Where


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

    def numbers(self, key: str, count: int) -> list[float]:
        """A list of so many positive, finite numbers."""
        values = self._get(key, None)
        if not isinstance(values, list) or len(values) != count:
            found = f"a list of {len(values)}" if isinstance(values, list) else repr(values)
            raise self.error(key, f"is {found}; {count} numbers are expected")
        if not all(type(v) in (int, float) and 0 < v < float("inf") for v in values):
            raise self.error(key, "holds something that is no positive number")
        return [float(v) for v in values]

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

    def one_of(self, key: str, default: str, allowed: Sequence[str]) -> str:
        value = self.text(key, default)
        if value not in allowed:
            raise self.error(key, f"is {value!r}", f"Supported: {', '.join(allowed)}.")
        return value

    def optional_integer(self, key: str, default: int | None = None) -> int | None:
        """A whole number of at least 1, or `default` where the key is absent; null is None."""
        if key in self.values and self.values[key] is None:
            return None
        return default if key not in self.values else self.integer(key)

    def optional_number(self, key: str, default: float | None = None) -> float | None:
        """A positive, finite number, or `default` where the key is absent; null is None."""
        if key in self.values and self.values[key] is None:
            return None
        return default if key not in self.values else self.number(key)

    def texts(self, key: str, count: int) -> list[str] | None:
        """A list of so many texts, None when it is absent or null."""
        values = self.values.get(key)
        if values is None:
            return None
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.error(key, f"is {values!r}; a list of texts is expected")
        if len(values) != count:
            raise self.error(key, f"lists {len(values)} layers; num_hidden_layers is {count}")
        return values

    def heads(self, default_head_dim: int | None = None) -> tuple[int, int, int]:
        """Query heads, key-value heads and head_dim; raises ModelError where they do not fit each
        other, or the attention kernel of onnxruntime.

        default_head_dim: where config.json is silent, if not hidden_size / num_attention_heads.
        """
        hidden = self.integer("hidden_size")
        heads = self.integer("num_attention_heads")
        kv_heads = self.integer("num_key_value_heads", heads)
        if heads % kv_heads:
            raise self.error(
                "num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} heads"
            )
        if self.values.get("head_dim") is None and default_head_dim is None and hidden % heads:
            raise self.error(
                "num_attention_heads", f"is {heads}, which does not divide hidden_size ({hidden})"
            )
        head_dim = self.integer("head_dim", default_head_dim or max(hidden // heads, 1))
        if head_dim % 8:
            raise self.error(
                "head_dim",
                f"is {head_dim}; a multiple of 8 is expected",
                "The attention kernel of onnxruntime has no other.",
            )
        return heads, kv_heads, head_dim

    def table(self, key: str) -> Fields | None:
        """A nested object, None when it is absent or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, f"is {value!r}; an object is expected")
        return Fields(value, self.where, f"{self.prefix}{key}.")


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
