"""Turns a checkpoint into the files the site generator embeds.

Usage: python export.py RUN_FOLDER [OUT_FOLDER]

Every file is written beside its place first and then renamed into it, so that a site built at the
same moment never reads half a file.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))

from tokenizer import MAX_LENGTH, SPECIAL

BUILTIN = Path(__file__).parents[2] / "sitegen" / "builtin" / "storyteller"

# These become the defaults of every site that uses the model. A story is 150-220 tokens long.
SAMPLING = {"temperature": 0.7, "top_k": 20, "top_p": 0.7, "max_new_tokens": 320}


def write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def llama_config(shape: dict[str, object]) -> dict[str, object]:
    """`config.json` for transformers; `shape` is the `ModelConfig` the checkpoint was made with."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **shape,
        "max_position_embeddings": MAX_LENGTH,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "rope_scaling": None,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "pretraining_tp": 1,
        "use_cache": True,
        "bos_token_id": SPECIAL.index("<|begin|>"),
        "eos_token_id": SPECIAL.index("<|end|>"),
        "pad_token_id": SPECIAL.index("<|pad|>"),
        "torch_dtype": "float16",
    }


def plot_losses(log: Path, out: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "storyteller"  # the same picture for the same numbers
    from matplotlib import pyplot

    with log.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["train_loss"]) > 0]
    millions = [int(row["tokens"]) / 1e6 for row in rows]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(
        millions,
        [float(r["train_loss"]) for r in rows],
        label="training (weighted)",
        color="#9a9a9a",
    )
    axes.plot(
        millions, [float(r["held_out_loss"]) for r in rows], label="held out", color="#b5472f"
    )
    axes.set_yscale("log")
    ticks = [0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("tokens seen (millions)")
    axes.set_ylabel("loss (nats per token)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


def export(run: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".storyteller-") as folder:
        fresh = Path(folder)
        weights = {name: w.to(torch.float16).contiguous() for name, w in state["model"].items()}
        save_file(weights, fresh / "model.safetensors", metadata={"format": "pt"})
        config = llama_config(state["config"])
        write_json(fresh / "config.json", config)
        ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        write_json(fresh / "generation_config.json", {"do_sample": True, **SAMPLING, **ids})
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(run / "tokenizer" / name, fresh / name)
        plot_losses(run / "loss.csv", fresh / "loss.svg")
        for file in sorted(fresh.iterdir()):
            file.chmod(0o644)
            os.replace(file, out / file.name)
    minutes = state["seconds"] / 60
    print(f"step {state['step']:,}, {state['tokens']:,} tokens, {minutes:.1f} minutes -> {out}")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else BUILTIN)
