"""The variants of a model: one graph for each kind of device, in the browser's order of choice.

webgpu-f16  int4 weights, half-precision activations: GPUs with `shader-f16`
webgpu-f32  the same weights file, single precision: other GPUs (Chrome on Linux)
wasm        int8 weights, because onnxruntime-web has no int4 kernel for the CPU
fp32        nothing quantized: the exact model, for every backend

The recipe q8 stores int8 for WebGPU too, and fp16 stores half precision for all three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sitegen.config import Quantization, Recipe
from sitegen.models.quantization.quantize import Storage

Name = Literal["webgpu-f16", "webgpu-f32", "wasm", "fp32"]


@dataclass(frozen=True)
class Variant:
    name: Name
    backends: tuple[Literal["webgpu", "wasm"], ...]
    features: tuple[Literal["shader-f16"], ...]
    dtype: Literal["float16", "float32"]  # of activations, logits and KV cache
    storage: Storage  # variants of one storage share one weights file
    quantization: Quantization = Quantization()

    @property
    def stores_halves(self) -> bool:
        """Whether the weights file holds float16, which a variant of single precision widens."""
        return self.storage in ("int4", "int8-blocks", "fp16")


# Of each recipe: the storage for WebGPU, and that for WebAssembly.
STORAGE: dict[Recipe, tuple[Storage, Storage]] = {
    "q4": ("int4", "int8"),
    "q8": ("int8-blocks", "int8"),
    "fp16": ("fp16", "fp16"),
}

WEIGHT_BYTES: dict[Storage, float] = {
    "int4": 0.5 + 2 / 32,
    "int8-blocks": 1 + 2 / 32,
    "int8": 1.0,
    "fp16": 2.0,
    "fp32": 4.0,
}
"""Bytes of one weight with its share of a scale, at blocks of 32; the scales of int8 are too few to
count."""


def variants(quantization: Quantization) -> tuple[Variant, ...]:
    """The variants of a recipe, best first."""
    if quantization.recipe == "fp32":
        return (Variant("fp32", ("webgpu", "wasm"), (), "float32", "fp32", quantization),)
    webgpu, wasm = STORAGE[quantization.recipe]
    return (
        Variant("webgpu-f16", ("webgpu",), ("shader-f16",), "float16", webgpu, quantization),
        Variant("webgpu-f32", ("webgpu",), (), "float32", webgpu, quantization),
        Variant("wasm", ("wasm",), (), "float32", wasm, quantization),
    )
