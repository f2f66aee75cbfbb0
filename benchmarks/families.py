"""The families: is what sitegen exports the same model, and what does exporting it cost?

    python benchmarks/families.py --optimum-python PY --genai-python PY --json results.json

Beside sitegen, in the same run and on the same folders, optimum and the model builder of
onnxruntime-genai, each in the interpreter named (`make bench` makes one that has both).

Parity   every tiny configuration of tests/tiny_families.py, exported as float32 by each and run
         under onnxruntime: the largest difference of any logit of a prompt from transformers' own
         (from sitegen's numpy reference where no interpreter has transformers), and how many of
         the greedy tokens after it are the same, one at a time through the cache.
Cost     full-size shapes with random bfloat16 weights, each from its folder to an int4 and an
         8-bit model, by turns: time, memory, and what a reader downloads for each backend. With
         --compare-shapes their parity is measured, too; that takes several times the memory.

What is measured and how: processes.py; what each exporter does: exporters.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

import full_size  # noqa: E402
import tiny_families  # noqa: E402
from answers import NEW_TOKENS  # noqa: E402
from processes import Failed, Run, machine, run  # noqa: E402
from tiny_models import VOCAB, write_tokenizer  # noqa: E402

TOLERANCE = 1e-4  # of a logit, for an export to be called the same model
MIB = 1 << 20
ARCHITECTURES = {
    "ernie4_5": "Ernie4_5ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "gpt_neox": "GPTNeoXForCausalLM",
    "granite": "GraniteForCausalLM",
    "granitemoehybrid": "GraniteMoeHybridForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "stablelm": "StableLmForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
}
"""What config.json calls them; the builder of onnxruntime-genai goes by that name."""


@dataclass(frozen=True)
class Parity:
    """One model by one exporter; `failure` says in a line why there is no answer."""

    name: str
    model_type: str
    exporter: str
    difference: float = float("inf")  # of any logit, at most
    tokens: int = 0  # that are the same from the first on
    wall: float | None = None  # seconds
    memory: int | None = None  # bytes
    failure: str | None = None

    @property
    def same(self) -> bool:
        return self.difference <= TOLERANCE and self.tokens == NEW_TOKENS


@dataclass(frozen=True)
class Cost:
    """One export of a full-size shape."""

    shape: str
    exporter: str
    run: Run | None = None
    webgpu: int = 0  # bytes that a reader downloads
    wasm: int = 0
    failure: str | None = None


def parity(model: Path, name: str, pythons: Mapping[str, str], truth: list[str]) -> list[Parity]:
    """Export a model as float32 with every exporter, and compare what the graphs say."""
    model_type = json.loads((model / "config.json").read_text())["model_type"]
    rows = []
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        root = Path(folder)
        python, kind = truth
        run([python, HERE / "answers.py", kind, model, root / "expected.npz"])
        expected = np.load(root / "expected.npz")
        for exporter, python in pythons.items():
            out, answer = root / exporter, root / f"{exporter}.npz"
            try:
                measured, exported = export(python, exporter, "fp32", model, out)
                graph = exported["graph"]
                run([sys.executable, HERE / "answers.py", "graph", model, answer, graph])
            except Failed as error:
                failure = str(error).replace(str(model), model.name)
                rows.append(Parity(name, model_type, exporter, failure=failure))
                continue
            finally:
                shutil.rmtree(out)
            found = np.load(answer)
            equal = found["tokens"] == expected["tokens"]
            rows.append(
                Parity(
                    name,
                    model_type,
                    exporter,
                    float(np.abs(found["logits"] - expected["logits"]).max()),
                    int(equal.argmin()) if not equal.all() else len(equal),
                    measured.wall,
                    measured.memory,
                )
            )
    return rows


def write_tiny(folder: Path, name: str) -> Path:
    """A tiny configuration's folder, with what only rivals read."""
    config = tiny_families.CONFIGS[name]
    only: dict[str, Any] = {"architectures": [ARCHITECTURES[config["model_type"]]]}
    if config["model_type"] == "phi3" and "rope_scaling" not in config:
        only["original_max_position_embeddings"] = config["max_position_embeddings"]
    tiny_families.write(folder, name, **only)
    write_tokenizer(folder, VOCAB, tokenizer_class="PreTrainedTokenizerFast")
    return folder


def cost(model: Path, shape: str, exporter: str, python: str) -> Cost:
    """Export a full-size model once."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        try:
            measured, exported = export(python, exporter, "q4", model, Path(folder) / "out")
        except Failed as error:
            return Cost(shape, exporter, failure=str(error))
        return Cost(shape, exporter, measured, exported["webgpu"], exported["wasm"])


def export(
    python: str, exporter: str, recipe: str, model: Path, out: Path
) -> tuple[Run, dict[str, Any]]:
    out.mkdir()
    measured = run([python, HERE / "exporters.py", exporter, recipe, model, out])
    return measured, json.loads((out / "exported.json").read_text())


# -- tables ------------------------------------------------------------------------------------


def said(row: Parity) -> str:
    if row.failure is not None:
        return row.failure[:160]
    return f"{row.difference:8.1e} {row.tokens:3}/{NEW_TOKENS} {row.wall:6.1f} s"


def said_of_cost(row: Cost) -> str:
    if row.run is None:
        return str(row.failure)[:160]
    return (
        f"{row.run.wall:7.1f} s wall {row.run.cpu:7.1f} s cpu {row.run.memory / MIB:6.0f} MiB "
        f"({row.run.resident / MIB:.0f} with files) "
        f"webgpu {row.webgpu / MIB:.0f} MiB, wasm {row.wasm / MIB:.0f} MiB"
    )


def families_table(rows: Iterable[Parity], exporters: Iterable[str]) -> str:
    """A row for each family: the worst of its configurations; of each exporter, how many are the
    same, and the medians of time and memory."""
    rows, exporters = list(rows), list(exporters)
    costs = [f"{exporter} {unit}" for unit in ("s", "MiB") for exporter in exporters]
    lines = [["`model_type`", "logits within", "greedy", *exporters, *costs]]
    for family in dict.fromkeys(row.model_type for row in rows):
        mine = [row for row in rows if row.model_type == family]
        ours = [row for row in mine if row.exporter == "sitegen"]
        line = [
            f"`{family}`",
            f"{max(row.difference for row in ours):.0e}",
            f"{min(row.tokens for row in ours)}/{NEW_TOKENS}",
        ]
        for exporter in exporters:
            its = [row for row in mine if row.exporter == exporter]
            line.append(f"{sum(row.same for row in its)} of {len(its)}")
        by_exporter = [[row for row in mine if row.exporter == each] for each in exporters]
        line += [median((row.wall for row in its), 1) for its in by_exporter]
        line += [median(row.memory and row.memory / MIB for row in its) for its in by_exporter]
        lines.append(line)
    return markdown(lines)


def median(values: Iterable[float | None], digits: int = 0) -> str:
    """Of those that were measured."""
    measured = [value for value in values if value is not None]
    return f"{statistics.median(measured):.{digits}f}" if measured else "–"


def others(rows: Iterable[Parity]) -> str:
    """What is not the same model, or none at all, and why."""
    return "".join(f"\n- {row.exporter}, {row.name}: {said(row)}" for row in rows if not row.same)


def cost_table(rows: Iterable[Cost]) -> str:
    """Medians of every shape and exporter."""
    lines = [["", "wall (s)", "CPU (s)", "memory (MiB)", "WebGPU (MiB)", "WebAssembly (MiB)"]]
    grouped: dict[tuple[str, str], list[Cost]] = {}
    for row in rows:
        grouped.setdefault((row.shape, row.exporter), []).append(row)
    for (shape, exporter), its in grouped.items():
        runs = [row.run for row in its if row.run]
        line = [f"{shape}, {exporter}"]
        if runs:
            line += [
                median((run.wall for run in runs), 1),
                median((run.cpu for run in runs), 1),
                median(run.memory / MIB for run in runs),
                f"{max(row.webgpu for row in its) / MIB:.0f}",
                f"{max(row.wasm for row in its) / MIB:.0f}",
            ]
        lines.append(line + ["–"] * (len(lines[0]) - len(line)))
    return markdown(lines)


def markdown(lines: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


# -- the command -------------------------------------------------------------------------------


def names(known: Iterable[str]) -> Any:
    """A type for argparse: comma-separated names of `known`, "all" or "none"."""

    def parse(text: str) -> list[str]:
        if text in ("all", "none"):
            return list(known) if text == "all" else []
        if unknown := sorted(set(text.split(",")) - set(known)):
            message = f"no {', '.join(unknown)}; there are {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return text.split(",")

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(description="Parity and cost of exports, beside two rivals.")
    parser.add_argument("--optimum-python", help="interpreter with optimum-onnx and onnx-ir")
    parser.add_argument("--genai-python", help="interpreter with onnxruntime-genai and torch")
    tiny, shapes = names(tiny_families.CONFIGS), names(full_size.CONFIGS)
    some = "SmolLM2-135M,gemma-3-270m,Qwen3-0.6B"
    parser.add_argument(
        "--tiny", type=tiny, default="all", metavar="NAMES", help='separated by commas, or "none"'
    )
    parser.add_argument(
        "--shapes", type=shapes, default=some, metavar="NAMES", help=f"likewise; default: {some}"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each shape; medians are printed")
    parser.add_argument("--compare-shapes", action="store_true", help="parity of the shapes, too")
    parser.add_argument("--json", type=Path, help="where to write everything that was measured")
    parser.add_argument("--quick", action="store_true", help="one tiny Llama, no full-size shape")
    options = parser.parse_args()
    if options.quick:
        options.tiny, options.shapes = ["llama"], []
    pythons = {
        "sitegen": sys.executable,
        "optimum": options.optimum_python,
        "genai": options.genai_python,
    }
    pythons = {exporter: python for exporter, python in pythons.items() if python}
    torch = options.optimum_python or options.genai_python
    truth = [torch, "transformers"] if torch else [sys.executable, "sitegen"]
    print(machine(), flush=True)

    compared: list[Parity] = []
    costs: list[Cost] = []

    def compare(model: Path, name: str) -> None:
        for row in parity(model, name, pythons, truth):
            compared.append(row)
            print(f"{name:28} {row.exporter:8} {said(row)}", flush=True)

    for name in options.tiny:
        with tempfile.TemporaryDirectory(prefix="sitegen-benchmark-") as folder:
            compare(write_tiny(Path(folder) / "m", name), name)
    if compared:
        print(f"\nAgainst {truth[1]}:\n\n{families_table(compared, pythons)}")
        print(others(compared), flush=True)
    for shape in options.shapes:
        with tempfile.TemporaryDirectory(prefix="sitegen-benchmark-") as folder:
            model = full_size.write(Path(folder) / "m", shape)
            if options.compare_shapes:
                compare(model, shape)
            for _ in range(options.runs):
                for exporter, python in pythons.items():
                    costs.append(cost(model, shape, exporter, python))
                    print(f"{shape:14} {exporter:8} {said_of_cost(costs[-1])}", flush=True)
    if costs:
        print(f"\nMedians:\n\n{cost_table(costs)}")
    print(f"\n{machine()}")
    if options.json:
        found = {"parity": list(map(asdict, compared)), "cost": list(map(asdict, costs))}
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
