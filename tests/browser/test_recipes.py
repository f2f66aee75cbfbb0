"""What a recipe stores, multiplied by onnxruntime-web's kernels: the numbers of Python's."""

from __future__ import annotations

from typing import Any

import pytest
from engine_site import Site, require_equal, site
from python_engine import PythonSequence

from sitegen.config import Quantization

__all__ = ["site"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BLOCKS: list[dict[str, Any]] = [
    {"symmetric": False},  # 3 blocks of 32 a row: zero points that fill no byte
    {"symmetric": False, "block_size": 16},
    {"head_bits": 8},
    {"recipe": "q8"},
]


@pytest.mark.parametrize("options", BLOCKS, ids=str)
@pytest.mark.parametrize("name", ["llama", "llama-tied"])
def test_blocks_by_webgpu(site: Site, name: str, options: dict[str, Any]) -> None:
    model = site.export(name, Quantization(**options))
    found = site.answer(model, "webgpu-f32", "webgpu")
    require_equal(found, lambda: PythonSequence(model, "webgpu-f32", exact=True))


@pytest.mark.parametrize(("variant", "backend"), [("webgpu-f32", "webgpu"), ("wasm", "wasm")])
@pytest.mark.parametrize("name", ["llama", "llama-tied"])
def test_half_precision(site: Site, name: str, variant: str, backend: str) -> None:
    model = site.export(name, Quantization(recipe="fp16"))
    found = site.answer(model, variant, backend)
    require_equal(found, lambda: PythonSequence(model, variant))
