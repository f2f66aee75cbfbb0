"""The typed manifest and its JSON schema say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import pytest

import sitegen.models
from sitegen.errors import ModelError
from sitegen.models.manifest import Manifest, licence_id

SCHEMA = json.loads(
    (Path(sitegen.models.__file__).parent / "manifest.schema.json").read_text("utf-8")
)
SHA = "a" * 64
FILE = {"path": f"files/{SHA}.bin", "bytes": 3, "sha256": SHA}


def manifest() -> dict[str, Any]:
    return {
        "version": 3,
        "id": "./m",
        "revision": None,
        "title": "M",
        "architecture": "llama",
        "parameters": 1,
        "licence": {"id": None, "file": None, "card": FILE},
        "quantization": "q4",
        "context_length": 16,
        "short_context": None,
        "vocab_size": 2,
        "cache": [{"kind": "attention", "heads": 1, "head_dim": 16}],
        "tokenizer": {
            "file": FILE,
            "config": None,
            "chat_template": None,
            "bos_token": None,
            "eos_token": "</s>",
            "eos_token_ids": [0],
        },
        "generation": {"temperature": 0.5},
        "variants": [
            {
                "name": "wasm",
                "backends": ["wasm"],
                "features": [],
                "dtype": "float32",
                "cache_in_place": True,
                "graph": FILE,
                "weights": {"name": "weights.bin", "bytes": 3, "shards": [FILE]},
                "bytes": 9,
                "self_check": {"prompt_ids": [1], "next_ids": [0], "tolerance": 0.1},
                "quality": {
                    "positions": 9,
                    "bits_per_weight": 4.5,
                    "agreement": 0.9,
                    "kl": 0.01,
                    "perplexity_ratio": 1.01,
                },
            }
        ],
    }


def test_a_good_one_passes_through_unchanged() -> None:
    jsonschema.validate(manifest(), SCHEMA)
    assert json.loads(json.dumps(Manifest.model_validate(manifest()).to_json())) == manifest()


def objects(schema: dict[str, Any]) -> Any:
    """Every object type of a schema, with its properties."""
    if "properties" in schema:
        yield schema
    for value in schema.values():
        if isinstance(value, dict):
            yield from objects(value)
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict):
                    yield from objects(inner)


def test_both_sides_have_the_same_keys() -> None:
    ours = {frozenset(o["properties"]) for o in objects(Manifest.model_json_schema())}
    theirs = {frozenset(o["properties"]) for o in objects(SCHEMA)}
    assert ours == theirs


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 1),
        (["id"], ""),
        (["extra"], 1),
        (["parameters"], 0),
        (["quantization"], "q5"),
        (["context_length"], 1.5),
        (["short_context"], 0),
        (["cache", 0, "heads"], 0),
        (["cache", 0, "kind"], "ring"),
        (["cache"], []),
        (["tokenizer", "file", "path"], "../x"),
        (["tokenizer", "file", "sha256"], "A" * 64),
        (["tokenizer", "eos_token_ids"], [-1]),
        (["generation", "top_p"], 0),
        (["generation", "temperature"], -1),
        (["variants"], []),
        (["variants", 0, "backends"], []),
        (["variants", 0, "dtype"], "bfloat16"),
        (["variants", 0, "features"], ["subgroups"]),
        (["variants", 0, "weights", "shards"], []),
        (["variants", 0, "self_check", "next_ids"], []),
        (["variants", 0, "self_check", "tolerance"], -0.1),
        (["variants", 0, "quality", "agreement"], 1.1),
        (["variants", 0, "quality", "positions"], 0),
    ],
)
def test_both_sides_refuse_the_same(path: list[Any], value: Any) -> None:
    changed = manifest()
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, SCHEMA)
    with pytest.raises(pydantic.ValidationError):
        Manifest.model_validate(changed)


@pytest.mark.parametrize(
    ("card", "id"),
    [
        ("---\nlicense: mit\n---\n# Model\n", "mit"),
        ("---\r\nlicense: mit\r\n---\r\n", "mit"),
        ("\ufeff---\nlicense: mit\n---\n", "mit"),
        ("---\nlicense: other\nlicense_name: llama3\n---\n", "llama3"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense: [mit]\n---\n", None),
        ("---\ntags: [a]\n---\n", None),
        ("---\njust text\n---\n", None),
        ("# Model\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_the_licence_of_a_card(tmp_path: Path, card: str, id: str | None) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert licence_id(tmp_path / "README.md") == id


@pytest.mark.parametrize("header", ["license: [", "date: 2024-06-31", "license: " + "[" * 10_000])
def test_a_card_whose_header_is_broken(tmp_path: Path, header: str) -> None:
    (tmp_path / "README.md").write_text(f"---\n{header}\n---\n", encoding="utf-8")
    with pytest.raises(ModelError, match="the model card's header is not YAML"):
        licence_id(tmp_path / "README.md")
