"""One export by sitegen, optimum or onnxruntime-genai's builder, in the interpreter that has it.

    python benchmarks/exporters.py optimum fp32 MODEL OUT

`fp32` writes one graph that computes what the model computes; `q4` what a site publishes: int4
for WebGPU and 8 bits for WebAssembly. OUT/exported.json then holds the path of the fp32 graph, or
the bytes that a reader downloads for each backend.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Exported = Mapping[str, Any]  # {"graph": path} of fp32, {backend: bytes} of q4


def sitegen(model: Path, out: Path, recipe: str) -> Exported:
    """As `sitegen build` does it: cut into shards and verified, into an empty cache."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from sitegen.config import ModelSpec
    from sitegen.models import prepare

    spec = ModelSpec(id=f"./{model.name}", quantization=recipe)
    exported = prepare(spec, root=model.parent, cache=out / "cache")
    variants = exported.manifest["variants"]
    if recipe == "q4":
        # The first variant of a backend is the one its readers get, if their device allows.
        return {v["backends"][0]: v["bytes"] for v in reversed(variants)}

    from sitegen.models.shards import File, join

    [variant] = variants
    shards = [File(shard["sha256"], shard["bytes"]) for shard in variant["weights"]["shards"]]
    join(out / "cache" / "files", shards, out / variant["weights"]["name"])
    graph = out / "model.onnx"
    graph.write_bytes(exported.files[variant["graph"]["sha256"]].read_bytes())
    return {"graph": str(graph)}


def optimum(model: Path, out: Path, recipe: str) -> Exported:
    """`main_export`, its own validation included; then quantized as for transformers.js."""
    from optimum.exporters.onnx import main_export

    task = "text-generation-with-past"
    main_export(str(model), output=str(out), task=task, local_files_only=True)
    graph = out / "model.onnx"
    if recipe == "fp32":
        return {"graph": str(graph)}

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    large = (out / "model.onnx_data").exists()  # more than the 2 GiB of one protobuf
    int8, int4 = out / "int8", out / "int4"
    for folder in (int8, int4):
        folder.mkdir()
    quantize_dynamic(
        graph, int8 / "model.onnx", weight_type=QuantType.QInt8, use_external_data_format=large
    )
    quantizer = MatMulNBitsQuantizer(
        onnx.load(graph), block_size=32, is_symmetric=True, accuracy_level=4
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(int4 / "model.onnx"), large)
    text = [out / "tokenizer.json"]
    return {"webgpu": size([*files(int4), *text]), "wasm": size([*files(int8), *text])}


def genai(model: Path, out: Path, recipe: str) -> Exported:
    """onnxruntime-genai's model builder, once for each backend, with its defaults."""

    def build(precision: str, provider: str) -> Path:
        to = out / f"{precision}-{provider}"
        arguments = {"-i": model, "-o": to, "-p": precision, "-e": provider, "-c": out / "cache"}
        sys.argv = ["builder", *(str(x) for pair in arguments.items() for x in pair)]
        runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__")
        return to

    if recipe == "fp32":
        return {"graph": str(build("fp32", "cpu") / "model.onnx")}
    text = [model / "tokenizer.json"]
    webgpu, wasm = build("int4", "webgpu"), build("int8", "cpu")
    return {
        "webgpu": size([*webgpu.glob("model.onnx*"), *text]),
        "wasm": size([*wasm.glob("model.onnx*"), *text]),
    }


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


EXPORTERS: dict[str, Callable[[Path, Path, str], Exported]] = {
    "sitegen": sitegen,
    "optimum": optimum,
    "genai": genai,
}

if __name__ == "__main__":
    name, recipe, model, out = sys.argv[1:]
    exported = EXPORTERS[name](Path(model), Path(out), recipe)
    (Path(out) / "exported.json").write_text(json.dumps(exported))
