"""What quantization costs the built-in storyteller, on stories it was not trained on.

    python benchmarks/quantization.py --documents 60

Each recipe is exported as `sitegen build` does it. Its variants then read documents of the
training corpus' held-out seed under onnxruntime on this machine's CPU, each document by itself, and
are compared with `fp32` at every token. `rounding to nearest` is the same export of weights that
were rounded before: the largest of each block to -8, as onnxruntime's own quantizer does it.
The page of `calibration: page` is the home page of the manual: none of the documents.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "storyteller"))

import corpus
from jinja2 import Environment
from tiny_models import write_safetensors
from tokenizers import Tokenizer

from sitegen import config, content
from sitegen.config import ModelSpec, Quantization
from sitegen.models import Model, prepare
from sitegen.models.exports import runner_of
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.manifest import Manifest
from sitegen.models.shards import File, join
from sitegen.models.verification.quality import Quality, compare
from sitegen.models.weights import read_header
from sitegen.texts import Texts

STORYTELLER = Path(__file__).parents[1] / "sitegen" / "builtin" / "storyteller"
MANUAL = Path(__file__).parents[1]
HELD_OUT_SEED = 2  # of tools/storyteller/train.py
RECIPES: dict[str, dict[str, Any]] = {
    "q4, rounding to nearest": {},
    "q4": {},
    "q4, calibrated": {"calibration": "generated"},
    "q4, calibrated by a page": {"calibration": "page"},
    "q4, zero points": {"symmetric": False},
    "q4, zero points, calibrated": {"symmetric": False, "calibration": "generated"},
    "q4, zero points, by a page": {"symmetric": False, "calibration": "page"},
    "q4, blocks of 64": {"block_size": 64},
    "q4, blocks of 64, calibrated": {"block_size": 64, "calibration": "generated"},
    "q4, blocks of 16": {"block_size": 16},
    "q4, 8-bit table": {"head_bits": 8},
    "q4, 8-bit table, calibrated": {"head_bits": 8, "calibration": "generated"},
    "q8": {"recipe": "q8"},
    "fp16": {"recipe": "fp16"},
    "fp32": {"recipe": "fp32"},
}


def documents(count: int) -> list[list[int]]:
    """Token ids, chats as the template renders them."""
    tokenizer = Tokenizer.from_file(str(STORYTELLER / "tokenizer.json"))
    settings = json.loads((STORYTELLER / "tokenizer_config.json").read_text("utf-8"))
    template = Environment().from_string(settings["chat_template"])
    end, found = settings["eos_token"], []
    for each in corpus.documents(HELD_OUT_SEED, 0, count):
        text = each.text + end
        if not each.text:
            text = template.render(messages=list(each.messages), bos_token="", eos_token=end)
        found.append(tokenizer.encode(text, add_special_tokens=False).ids[:640])
    return found


def home_page() -> Texts:
    """What the manual's home page says, which offers the storyteller."""
    [page] = [page for page in content.read(config.load(MANUAL)) if not page.url]
    return content.texts(page)


def round_to_nearest(folder: Path) -> None:
    """The storyteller with weights that int4 in blocks of 32 holds exactly."""
    shutil.copytree(STORYTELLER, folder)
    rounded = {}
    for name, tensor in read_header(STORYTELLER / "model.safetensors").items():
        values = tensor.rows()
        if values.ndim == 2:
            blocks = values.reshape(-1, 32)
            largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
            scale = (largest / -8).astype(np.float16).astype(np.float32)
            q = np.clip(np.rint(blocks / np.where(scale == 0, 1, scale)), -8, 7)
            values = (q * scale).reshape(values.shape)
        rounded[name] = values
    write_safetensors(folder / "model.safetensors", rounded)


def logits(model: Model, name: str, texts: list[list[int]], folder: Path) -> list[Any]:
    """Of one variant, for every token."""
    manifest = Manifest.model_validate(model.manifest)
    variant = next(each for each in manifest.variants if each.name == name)
    shards = [File(shard.sha256, shard.bytes) for shard in variant.weights.shards]
    folder.mkdir(exist_ok=True)
    join(model.files[shards[0].sha256].parent, shards, folder / EXTERNAL_NAME)
    graph = model.files[variant.graph.sha256].read_bytes()
    runner = runner_of(manifest, variant, graph, folder)
    return [runner.forward(ids, runner.empty(), len(ids))[0] for ids in texts]


def over_all(parts: list[Quality]) -> Quality:
    """The mean over all positions of all documents."""
    count = sum(part.positions for part in parts)
    following = [part.positions - 1 for part in parts]
    logs = [n * np.log(part.perplexity_ratio) for n, part in zip(following, parts, strict=True)]
    return Quality(
        positions=count,
        agreement=sum(part.agreement * part.positions for part in parts) / count,
        kl=sum(part.kl * part.positions for part in parts) / count,
        perplexity_ratio=float(np.exp(sum(logs) / sum(following))),
    )


def machine() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="The storyteller's quality by recipe.")
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--runs", type=int, default=1, help="exports timed of each recipe")
    parser.add_argument("--only", default="", help="recipes whose names begin so")
    options = parser.parse_args()
    said = home_page()
    texts = documents(options.documents)
    root = Path(tempfile.mkdtemp(prefix="sitegen-quantization-"))
    try:
        round_to_nearest(root / "nearest")
        print(f"{sum(map(len, texts))} tokens of {len(texts)} documents; {machine()}", flush=True)
        exact = prepare(
            ModelSpec(id="builtin:storyteller", quantization=Quantization(recipe="fp32")),
            root=root,
            cache=root / "cache",
        )
        expected = logits(exact, "fp32", texts, root / "exact")
        print(f"{'':30}{'bits':>7}{'MB':>7}{'agree':>8}{'KL':>9}{'ppl':>8}{'export s':>10}")
        for label, chosen in RECIPES.items():
            if not label.startswith(options.only):
                continue
            id = "./nearest" if "nearest" in label else "builtin:storyteller"
            spec = ModelSpec(id=id, quantization=Quantization(**chosen))
            seconds = []
            for run in range(options.runs):
                start = time.perf_counter()
                model = prepare(spec, root=root, cache=root / f"cache-{run}", texts=said)
                seconds.append(time.perf_counter() - start)
            names = [each["name"] for each in model.manifest["variants"]]
            shown = ("webgpu-f32", "wasm") if label in ("q4", "q8") else names[-2:][:1]
            for name in shown:
                found = logits(model, name, texts, root / "joined")
                all_of = zip(found, expected, texts, strict=True)
                quality = over_all([compare(*each) for each in all_of])
                about = next(v for v in model.manifest["variants"] if v["name"] == name)
                print(
                    f"{label + (' on wasm' if name == 'wasm' else ''):30}"
                    f"{about['quality']['bits_per_weight']:7.2f}"
                    f"{about['weights']['bytes'] / 1e6:7.2f}{quality.agreement:8.2%}"
                    f"{quality.kl:9.5f}{quality.perplexity_ratio:8.4f}"
                    f"{statistics.median(seconds):10.1f}",
                    flush=True,
                )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
