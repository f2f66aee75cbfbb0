"""Architectures that have no family here, exported by Hugging Face's optimum with PyTorch.

The only file that imports torch and optimum, which are the extra `sitegen[optimum]`; they work in a
process of their own, see `process`.

Tracing is optimum's `text-generation-with-past`:
https://huggingface.co/docs/optimum-onnx/onnx/usage_guides/export_a_model
What `rewrite` makes of the graph must compute what the PyTorch model computes.
"""

from __future__ import annotations

import gc
import importlib.metadata
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.source import Source
from sitegen.models.tracing import process
from sitegen.models.tracing.process import Say, library

PACKAGES = ("torch", "transformers", "optimum", "optimum-onnx")
TASK = "text-generation-with-past"
OPSET = 18  # the newest that optimum's exporter is tested with
INLINE_BYTES = 1024  # smaller tensors stay inside the graph
CHECK_TOKENS = 24
CHECK_ERROR = 1e-3  # |logits - PyTorch's| / |PyTorch's|; found: 1e-5 at most
CONTEXT_KEYS = ("max_position_embeddings", "max_seq_len", "seq_length", "n_ctx")
UNKNOWN_CONTEXT = 2048  # tokens, where config.json names no limit (Bloom)
WORK = process.Work(
    "sitegen.models.tracing.optimum",
    "the export with PyTorch",
    "It needs about six times what the model takes in bfloat16: close other programs, or take a "
    "smaller model.",
)


@dataclass(frozen=True)
class Exported:
    """A float32 graph with the one interface (see `graph`); its weights are beside it."""

    graph: Path
    max_context: int  # tokens


def versions() -> dict[str, str]:
    """The installed packages that decide what an export is; empty when one is missing."""
    return process.versions(PACKAGES)


def export(source: Source, folder: Path, say: Say) -> Exported:
    """Trace the model into `folder`; raises ModelError for whatever goes wrong there."""
    files = {**source.files, **source.weights}
    if source.index is not None:
        files[source.index.name] = source.index
    max_context = WORK.do(files, folder, source.folder, say)
    return Exported(folder / "model.onnx", max_context)


# In the other process


def _export(source: Path, folder: Path, say: Say) -> int:
    """Write model.onnx and its weights into `folder`; returns the longest context in tokens."""
    say("starting PyTorch")
    import numpy as np
    import torch
    from transformers import AutoConfig

    with library("transformers cannot read config.json"):
        config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    _require_supported(config)
    max_context = _max_context(config)
    say("loading the weights with PyTorch")
    model = _load(source, config)
    vocab = config.get_text_config().vocab_size
    count = min(CHECK_TOKENS, max_context)
    ids = np.random.default_rng(0).integers(vocab, size=count).tolist()
    with library("the model cannot be run"), torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    say("tracing with optimum")
    _trace(model, folder / "raw")
    del model
    gc.collect()
    say("rewriting the graph")
    _rewrite(folder / "raw", folder / "model.onnx")
    _check(folder / "model.onnx", ids, expected)
    return max_context


def _require_supported(config: Any) -> None:
    """Raise ModelError for an architecture that optimum does not export as a decoder."""
    import optimum.exporters.onnx.model_configs  # noqa: F401  (registers what it exports)
    from optimum.exporters.tasks import TasksManager

    registered = TasksManager._SUPPORTED_MODEL_TYPE
    exported = sorted(name for name, by in registered.items() if TASK in by.get("onnx", {}))
    if config.model_type not in exported:
        version = importlib.metadata.version("optimum-onnx")
        raise ModelError(
            f"the architecture {config.model_type!r} has no direct export, and optimum-onnx "
            f"{version} does not export it either",
            hint=f"It exports: {', '.join(exported)}.",
        )
    if config.is_encoder_decoder:
        raise ModelError(
            f"the model ({config.model_type!r}) is an encoder with a decoder; sitegen runs models "
            "that only continue a text"
        )


def _max_context(config: Any) -> int:
    text = config.get_text_config()
    found = (getattr(text, key, None) for key in CONTEXT_KEYS)
    return next((n for n in found if isinstance(n, int) and n > 0), UNKNOWN_CONTEXT)


def _load(source: Path, config: Any) -> Any:
    """The PyTorch model in float32; raises ModelError when a weight is missing."""
    import torch
    from transformers import AutoModelForCausalLM

    with library("transformers cannot load the model"):
        model, info = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(  # transformers would put random numbers in their place
            f"{len(missing)} tensors are missing: {', '.join(missing[:4])}"
            + (f" and {len(missing) - 4} more" if len(missing) > 4 else ""),
            hint="The weights and config.json belong to different models, or a file is missing.",
        )
    model.config.use_cache = True
    return model.eval()


def _trace(model: Any, folder: Path) -> None:
    from optimum.exporters.onnx import onnx_export_from_model

    with library(f"optimum cannot export this {model.config.model_type}"):
        # Its own validation is left out: ours is stricter, and asks the rewritten graph.
        onnx_export_from_model(model, folder, opset=OPSET, task=TASK, do_validation=False)


def _rewrite(raw: Path, path: Path) -> None:
    """Fold constants and move the weights out with onnxruntime, then change the interface."""
    import onnx
    import onnxruntime

    from sitegen.models.tracing.rewrite import rewrite

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # in standard operators alone
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path)
    external = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{external}file_name", "weights.data")
    options.add_session_config_entry(f"{external}min_size_in_bytes", str(INLINE_BYTES))
    with library("onnxruntime cannot read optimum's graph"):
        onnxruntime.InferenceSession(
            raw / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
    shutil.rmtree(raw)
    model = onnx.load(path, load_external_data=False)
    rewrite(model)
    onnx.save(model, path)


def _check(path: Path, ids: list[int], expected: Any) -> None:
    """Hold the rewritten graph against PyTorch's logits (tokens, vocab), in one pass and in two;
    raises ModelError."""
    import numpy as np

    from sitegen.models.quantization.variants import variants
    from sitegen.models.tracing.traced import Traced
    from sitegen.models.verification.runner import Runner
    from sitegen.models.verification.verify import distance

    [fp32] = variants(Quantization(recipe="fp32"))
    with library("onnxruntime cannot run the graph"):
        layers = Traced("", path, 0, 0, {}).layers
        runner = Runner(path.read_bytes(), path.parent, layers, fp32)
        whole, _ = runner.forward(ids, runner.empty(), 0)
        first, past = runner.forward(ids[: len(ids) * 2 // 3], runner.empty(), 0)
        second, _ = runner.forward(ids[len(first) :], past, 0)
    for found in (whole, np.concatenate([first, second])):
        if not (error := distance(found, expected)) <= CHECK_ERROR:
            raise ModelError(
                f"the graph that optimum made computes other logits than PyTorch: they differ by "
                f"{error:.3g} of their size (at most {CHECK_ERROR} is allowed)",
                hint="Nothing was exported. sitegen cannot offer this model.",
            )


if __name__ == "__main__":
    process.answer(sys.argv[1], _export)
