"""What a model says: the logits of a prompt, and the greedy tokens after it.

    python benchmarks/answers.py graph MODEL OUT GRAPH       an ONNX graph under onnxruntime
    python benchmarks/answers.py transformers MODEL OUT      transformers' own model, in float32
    python benchmarks/answers.py sitegen MODEL OUT           sitegen's numpy reference

OUT is an .npz of `logits`, float32 (prompt, vocab), and `tokens`, int64 (NEW_TOKENS,).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

PROMPT_TOKENS = 40  # more than the windows of the tiny models
NEW_TOKENS = 32


def by_graph(graph: Path, head_dim: int, prompt: list[int]) -> tuple[np.ndarray, list[int]]:
    """The graph's answer, whichever exporter it is from; each new token goes through its cache."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {value.name: value for value in session.get_inputs()}
    named = {"batch_size": 1, "kv_cache_dim": head_dim}
    past = {
        # Before the first token: one sequence, no tokens. genai's graphs only name the head_dim.
        name: np.zeros(
            [d if isinstance(d, int) else named.get(d, 0) for d in value.shape], np.float32
        )
        for name, value in inputs.items()
        if name.startswith("past")
    }
    presents = [name.replace("past_key_values", "past").replace("past", "present") for name in past]
    first: np.ndarray | None = None
    ids, seen, tokens = prompt, 0, []
    while len(tokens) < NEW_TOKENS:
        total = seen + len(ids)
        feed = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(seen, total, dtype=np.int64)[None],
            "num_logits_to_keep": np.array(0, np.int64),  # all
        }
        feed = {name: value for name, value in feed.items() if name in inputs}
        logits, *state = session.run(["logits", *presents], {**feed, **past})
        past = dict(zip(past, state, strict=True))
        first = logits[0] if first is None else first
        tokens.append(int(logits[0, -1].argmax()))
        ids, seen = tokens[-1:], total
    assert first is not None
    return first, tokens


def by_transformers(model: Path, prompt: list[int]) -> tuple[np.ndarray, list[int]]:
    import torch
    from transformers import AutoModelForCausalLM

    loaded, loading = AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    if any(loading.values()):
        raise ValueError(f"transformers reads the folder otherwise: {loading}")
    loaded.eval()
    ids = torch.tensor([prompt])
    with torch.no_grad():
        logits = loaded(ids).logits[0].numpy()
        answer = loaded.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
        )
    return logits, answer[0, len(prompt) :].tolist()


def by_sitegen(model: Path, prompt: list[int]) -> tuple[np.ndarray, list[int]]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from sitegen.models.families import read_decoder
    from sitegen.models.weights import open_weights

    _, decoder = read_decoder(model / "config.json")
    weights = open_weights({path.name: path for path in model.glob("*.safetensors")}, None)
    first = decoder.reference(weights, prompt)
    ids = [*prompt, int(first[-1].argmax())]
    while len(ids) < len(prompt) + NEW_TOKENS:
        ids.append(int(decoder.reference(weights, ids)[-1].argmax()))
    return first, ids[len(prompt) :]


if __name__ == "__main__":
    kind, model, out, *graph = sys.argv[1:]
    config = json.loads((Path(model) / "config.json").read_text())
    prompt = np.random.default_rng(3).integers(4, config["vocab_size"], PROMPT_TOKENS).tolist()
    if kind == "graph":
        width, heads = (config.get(key) for key in ("hidden_size", "num_attention_heads"))
        head_dim = config.get("head_dim") or (width // heads if width else 0)
        logits, tokens = by_graph(Path(*graph), head_dim, prompt)
    else:
        logits, tokens = {"transformers": by_transformers, "sitegen": by_sitegen}[kind](
            Path(model), prompt
        )
    np.savez(out, logits=logits, tokens=np.array(tokens, np.int64))
