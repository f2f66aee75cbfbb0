"""The variants of a model: one graph for each kind of device, in the browser's order of choice.

webgpu-f16  int4 weights, half-precision activations: GPUs with `shader-f16`
webgpu-f32  the same weights file, single precision: other GPUs (Chrome on Linux)
wasm        int8 weights, because onnxruntime-web has no int4 kernel for the CPU
fp32        nothing quantized: the exact model, for every backend
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sitegen.config import Quantization
from sitegen.models.quantize import Storage


@dataclass(frozen=True)
class Variant:
    name: Literal["webgpu-f16", "webgpu-f32", "wasm", "fp32"]
    backends: tuple[Literal["webgpu", "wasm"], ...]
    features: tuple[Literal["shader-f16"], ...]
    dtype: Literal["float16", "float32"]  # of activations, logits and KV cache
    storage: Storage  # variants of one storage share one weights file


VARIANTS: dict[Quantization, tuple[Variant, ...]] = {
    "q4": (
        Variant("webgpu-f16", ("webgpu",), ("shader-f16",), "float16", "int4"),
        Variant("webgpu-f32", ("webgpu",), (), "float32", "int4"),
        Variant("wasm", ("wasm",), (), "float32", "int8"),
    ),
    "fp32": (Variant("fp32", ("webgpu", "wasm"), (), "float32", "fp32"),),
}

WEIGHT_BYTES: dict[Storage, float] = {"int4": 0.5 + 2 / 32, "int8": 1.0, "fp32": 4.0}
"""Bytes of one weight with its share of a scale; the scales of int8 are too few to count."""
