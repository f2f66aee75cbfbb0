"""Export time and memory: sitegen against optimum, on the same random weights, in the same run.

    python benchmarks/export.py --runs 3 --optimum-python ../venv-with-optimum/bin/python

The model has SmolLM2-135M's shape. Both sides start from its folder and end with an int4 and an
int8 model: sitegen with its default variants, cut into shards and verified, into an empty cache;
optimum with `main_export` (its own validation included), `quantize_dynamic` and
`MatMulNBitsQuantizer`. Each runs in a process of its own, by turns. Measured from outside:

    wall      from start to exit, interpreter and imports included
    cpu       user and system time of the process
    rss       the most memory at once (ru_maxrss): also counts pages of mapped files
    anon      the most anonymous memory (RssAnon, sampled every 10 ms; Linux only)
    size      of the files a site would publish
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "torch_dtype": "bfloat16",
}
MIB = 1 << 20


@dataclass(frozen=True)
class Run:
    wall: float  # seconds
    cpu: float  # seconds
    rss: int  # bytes
    anon: int  # bytes; 0 where it cannot be sampled
    size: int  # bytes


def write_model(folder: Path) -> None:
    """Random bfloat16 weights of CONFIG's shape and a tokenizer that fits them."""
    import numpy as np
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    hidden, inter, vocab = (CONFIG[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    kv = hidden // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, hidden)}
    for layer in range(CONFIG["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        for name, rows, columns in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", inter, hidden),
            ("mlp.up_proj", inter, hidden),
            ("mlp.down_proj", hidden, inter),
        ):
            shapes[f"{at}{name}.weight"] = (rows, columns)
        shapes[f"{at}input_layernorm.weight"] = (hidden,)
        shapes[f"{at}post_attention_layernorm.weight"] = (hidden,)
    shapes["model.norm.weight"] = (hidden,)

    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    with (folder / "model.safetensors").open("wb") as file:
        text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.values():
            values = random.standard_normal(shape, np.float32)
            values = 1 + 0.1 * values if len(shape) == 1 else 0.02 * values
            file.write((values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes())
    (folder / "config.json").write_text(json.dumps(CONFIG))

    words = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    words += [f"<unused{i}>" for i in range(vocab - len(words))]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def export_sitegen(model: Path, out: Path) -> list[Path]:
    """Files of the model as `sitegen build` puts them into a site."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from sitegen.config import ModelSpec
    from sitegen.models import prepare

    exported = prepare(ModelSpec(id=f"./{model.name}"), root=model.parent, cache=out)
    return list(exported.files.values())


def export_optimum(model: Path, out: Path) -> list[Path]:
    """int8 and int4 models the way optimum's users make them."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from optimum.exporters.onnx import main_export

    main_export(
        str(model), output=str(out), task="text-generation-with-past", local_files_only=True
    )
    quantize_dynamic(out / "model.onnx", out / "int8.onnx", weight_type=QuantType.QInt8)
    quantizer = MatMulNBitsQuantizer(
        onnx.load(out / "model.onnx"), block_size=32, is_symmetric=True, accuracy_level=4
    )
    quantizer.process()
    onnx.save(quantizer.model.model, out / "int4.onnx")
    return [out / "int8.onnx", out / "int4.onnx", out / "tokenizer.json"]


def measure(python: str, side: str, model: Path) -> Run:
    """One export in a process of its own, measured from outside."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        sizes = Path(folder) / "sizes.json"
        command = [python, __file__, "--child", side, str(model), str(sizes)]
        start = time.perf_counter()
        with (Path(folder) / "log").open("w+") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            anon = 0
            while True:
                anon = max(anon, anonymous(process.pid))
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                time.sleep(0.01)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                log.seek(0)
                raise SystemExit(f"{side} failed:\n{log.read()[-4000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Run(
            wall,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * unit,
            anon,
            json.loads(sizes.read_text()),
        )


def anonymous(pid: int) -> int:
    """Anonymous memory of a process in bytes; 0 when it cannot be known."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


def child(side: str, model: Path, sizes: Path) -> None:
    out = sizes.parent / "out"
    out.mkdir()
    files = {"sitegen": export_sitegen, "optimum": export_optimum}[side](model, out)
    sizes.write_text(str(sum(path.stat().st_size for path in files)))


def report(runs: dict[str, list[Run]]) -> None:
    columns = ("wall", "cpu", "rss", "anon", "size")
    units = {"wall": 1.0, "cpu": 1.0, "rss": MIB, "anon": MIB, "size": MIB}
    middle = {
        side: {c: statistics.median(getattr(run, c) for run in found) / units[c] for c in columns}
        for side, found in runs.items()
    }
    print(f"\n{'median':10}{'wall s':>10}{'cpu s':>10}{'rss MiB':>10}{'anon MiB':>10}{'MiB':>10}")
    for side, values in middle.items():
        print(f"{side:10}" + "".join(f"{values[c]:10.1f}" for c in columns))
    if len(middle) == 2:
        ratios = (middle["optimum"][c] / max(middle["sitegen"][c], 1e-9) for c in columns)
        print(f"{'ratio':10}" + "".join(f"{ratio:10.1f}" for ratio in ratios))


def machine() -> str:
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores{load}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Export: sitegen against optimum.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--optimum-python", help="interpreter with optimum-onnx installed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        side, model, sizes = options.child
        child(side, Path(model), Path(sizes))
        return

    interpreters = {"sitegen": sys.executable}
    if options.optimum_python:
        interpreters["optimum"] = options.optimum_python
    folder = Path(tempfile.mkdtemp(prefix="sitegen-benchmark-"))
    try:
        print(f"SmolLM2-135M's shape, random bfloat16 weights; {machine()}", flush=True)
        write_model(folder / "model")
        runs: dict[str, list[Run]] = {side: [] for side in interpreters}
        for i in range(options.runs):
            for side, python in interpreters.items():
                run = measure(python, side, folder / "model")
                runs[side].append(run)
                print(
                    f"{i + 1} {side:8} {run.wall:7.1f} s wall {run.cpu:7.1f} s cpu "
                    f"{run.rss / MIB:7.0f} MiB rss {run.anon / MIB:7.0f} MiB anon "
                    f"{run.size / MIB:7.1f} MiB",
                    flush=True,
                )
        report(runs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
