"""Architectures that have no family here, exported by Hugging Face's optimum with PyTorch.

The only file that imports torch, transformers and optimum, which are the extra `sitegen[optimum]`.
They work in a process of their own: it gives its memory back, keeps prints and warnings to itself,
and the system may kill it without taking the build along.

    python -m sitegen.models.optimum TASK.json

Tracing is optimum's `text-generation-with-past`:
https://huggingface.co/docs/optimum-onnx/onnx/usage_guides/export_a_model
What `rewrite` makes of the graph must compute what the PyTorch model computes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.source import Source

PACKAGES = ("torch", "transformers", "optimum", "optimum-onnx")
INSTALL = "pip install 'sitegen[optimum]'"
TASK = "text-generation-with-past"
OPSET = 18  # the newest that optimum's exporter is tested with
INLINE_BYTES = 1024  # smaller tensors stay inside the graph
CHECK_TOKENS = 24
CHECK_ERROR = 1e-3  # |logits - PyTorch's| / |PyTorch's|; found: 1e-5 at most
CONTEXT_KEYS = ("max_position_embeddings", "max_seq_len", "seq_length", "n_ctx")
UNKNOWN_CONTEXT = 2048  # tokens, where config.json names no limit (Bloom)
KILLED = (-9, 137)  # exit status by signal, and as a shell says it

# Nothing is fetched, nothing is reported, and no code that comes with a model is run.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """A float32 graph with the one interface (see `graph`); its weights are beside it."""

    graph: Path
    max_context: int  # tokens


def versions() -> dict[str, str]:
    """The installed packages that decide what an export is; empty when one is missing."""
    try:
        return {name: importlib.metadata.version(name) for name in PACKAGES}
    except importlib.metadata.PackageNotFoundError:
        return {}


def export(source: Source, folder: Path, say: Say) -> Exported:
    """Trace the model into `folder`; raises ModelError for whatever goes wrong there.

    say: gets what the other process says of its progress. An error it raises ends that process.
    """
    model = folder / "model"
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted build
    model.mkdir(parents=True)
    # A folder of exactly the files that were checked and that the cache's key stands for.
    files = {**source.files, **source.weights}
    if source.index is not None:
        files[source.index.name] = source.index
    for name, path in files.items():
        _link(path.absolute(), model / name)
    task, errors = folder / "task.json", folder / "errors.txt"
    task.write_text(json.dumps({"model": str(model), "folder": str(folder)}), encoding="utf-8")
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "sitegen.models.optimum", str(task)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | ENVIRONMENT,
            encoding="utf-8",
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                say(line.strip())
            status = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
    shutil.rmtree(model)
    return answer(folder, status, source.folder)


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # Windows, without the right to make links
        shutil.copyfile(path, link)


def answer(folder: Path, status: int, model: Path) -> Exported:
    """What the process found; raises ModelError when it found that it cannot, or ended early."""
    answer = folder / "answer.json"
    if not answer.exists():
        if status in KILLED:
            raise ModelError(
                "the system ended the export with PyTorch, most likely because memory ran out",
                where=model,
                hint="It needs about six times what the model takes in bfloat16: close other "
                "programs, or take a smaller model.",
            )
        said = (folder / "errors.txt").read_text(encoding="utf-8", errors="replace").strip()
        last = (said.splitlines() or ["no reason was given"])[-1]
        raise ModelError(f"the export with PyTorch failed: {last}", where=model)
    found = json.loads(answer.read_text(encoding="utf-8"))
    if "problem" in found:
        raise ModelError(found["problem"], where=model, hint=found["hint"])
    return Exported(folder / "model.onnx", found["max_context"])


# In the other process


def main(task_file: str) -> None:
    """Do what the task file says; the answer is written beside it."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    folder = Path(task["folder"])
    progress = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not progress

    def say(sentence: str) -> None:
        print(sentence, file=progress, flush=True)

    answer: dict[str, Any]
    try:
        answer = {"max_context": _export(Path(task["model"]), folder, say)}
    except ModelError as error:
        answer = {"problem": error.problem, "hint": error.hint}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _export(source: Path, folder: Path, say: Say) -> int:
    """Write model.onnx and its weights into `folder`; returns the longest context in tokens."""
    say("starting PyTorch")
    import numpy as np
    import torch
    from transformers import AutoConfig

    with _library("transformers cannot read config.json"):
        config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    _require_supported(config)
    max_context = _max_context(config)
    say("loading the weights with PyTorch")
    model = _load(source, config)
    vocab = config.get_text_config().vocab_size
    count = min(CHECK_TOKENS, max_context)
    ids = np.random.default_rng(0).integers(vocab, size=count).tolist()
    with _library("the model cannot be run"), torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    say("tracing with optimum")
    _trace(model, folder / "raw")
    del model
    gc.collect()
    say("rewriting the graph")
    _rewrite(folder / "raw", folder / "model.onnx")
    _check(folder / "model.onnx", ids, expected)
    return max_context


@contextlib.contextmanager
def _library(problem: str) -> Iterator[None]:
    """What a library raises, with the sentence that says what it was asked for."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # they raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "trust_remote_code" in str(error):
            raise ModelError(
                "the model brings program code of its own, which sitegen never runs",
                hint="Take a model of an architecture that transformers itself knows.",
            ) from error
        raise ModelError(f"{problem}: {reason}") from error


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

    with _library("transformers cannot load the model"):
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

    with _library(f"optimum cannot export this {model.config.model_type}"):
        # Its own validation is left out: ours is stricter, and asks the rewritten graph.
        onnx_export_from_model(model, folder, opset=OPSET, task=TASK, do_validation=False)


def _rewrite(raw: Path, path: Path) -> None:
    """Fold constants and move the weights out with onnxruntime, then change the interface."""
    import onnx
    import onnxruntime

    from sitegen.models.rewrite import rewrite

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # in standard operators alone
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path)
    external = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{external}file_name", "weights.data")
    options.add_session_config_entry(f"{external}min_size_in_bytes", str(INLINE_BYTES))
    with _library("onnxruntime cannot read optimum's graph"):
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

    from sitegen.models.runner import Runner
    from sitegen.models.traced import Traced
    from sitegen.models.variants import variants
    from sitegen.models.verify import distance

    [fp32] = variants(Quantization(recipe="fp32"))
    with _library("onnxruntime cannot run the graph"):
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
    main(sys.argv[1])
