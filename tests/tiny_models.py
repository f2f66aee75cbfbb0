"""Tiny random models made with numpy: folders as `save_pretrained` writes them, in milliseconds."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

VOCAB = 512
STORED = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CARD = "---\nlicense: apache-2.0\n---\n# A tiny random model\n"


def config(**changes: Any) -> dict[str, Any]:
    """config.json of a two-layer Llama with grouped queries and a tied head."""
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": VOCAB,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "eos_token_id": 0,
        **changes,
    }


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of such a model."""
    hidden, inter = config["hidden_size"], config["intermediate_size"]
    head_dim = config.get("head_dim") or hidden // config["num_attention_heads"]
    q, kv = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    named: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], hidden)
    }
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        attention = {"q": (q, hidden), "k": (kv, hidden), "v": (kv, hidden), "o": (hidden, q)}
        mlp = {"gate": (inter, hidden), "up": (inter, hidden), "down": (hidden, inter)}
        for part, projections, bias in (
            ("self_attn", attention, config.get("attention_bias")),
            ("mlp", mlp, config.get("mlp_bias")),
        ):
            for name, shape in projections.items():
                named[f"{at}{part}.{name}_proj.weight"] = shape
                if bias:
                    named[f"{at}{part}.{name}_proj.bias"] = shape[:1]
        named[f"{at}input_layernorm.weight"] = named[f"{at}post_attention_layernorm.weight"] = (
            hidden,
        )
    named["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        named["lm_head.weight"] = named["model.embed_tokens.weight"]
    return named


def random_weights(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """float32 values of a scale at which every layer matters."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes(config).items():
        values = random.standard_normal(shape, np.float32)
        if name.endswith("norm.weight"):
            weights[name] = 1 + 0.1 * values
        elif name.endswith("bias"):
            weights[name] = 0.1 * values
        else:
            weights[name] = values / np.float32(math.sqrt(shape[-1]))
    return weights


def write_safetensors(
    path: Path, tensors: dict[str, np.ndarray], dtype: str = "F32", **metadata: str
) -> None:
    """A safetensors file; float32 values are cut to bfloat16 where that is asked for."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = []
    end = 0
    for name, values in tensors.items():
        if dtype == "BF16":
            stored = (values.astype("<f4").view("<u4") >> 16).astype("<u2")
        else:
            stored = values.astype(STORED[dtype])
        start, end = end, end + stored.nbytes
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": [start, end]}
        data.append(stored.tobytes())
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def write_tokenizer(folder: Path, size: int = VOCAB, **configuration: Any) -> None:
    """A byte-level BPE of `size` tokens with a few merges; token 0 is <|end|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", *letters]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("a", "n"), ("Ġ", "a"), ("e", "r")]
    words += ["".join(merge) for merge in merges]
    words += [f"<unused{i}>" for i in range(size - len(words))]
    vocab = {word: i for i, word in enumerate(words[:size])}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(words[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    values = {"eos_token": "<|end|>", "bos_token": None, **configuration}
    (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")


def write_model(
    folder: Path,
    *,
    dtype: str = "BF16",
    files: int = 1,
    chat_template: str | None = CHAT_TEMPLATE,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """A complete model folder; `changes` go to config.json. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    values = config(**changes)
    (folder / "config.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    weights = random_weights(values, seed)
    if files == 1:
        write_safetensors(folder / "model.safetensors", weights, dtype, format="pt")
    else:
        names = list(weights)
        weight_map = {}
        for i in range(files):
            file = f"model-{i + 1:05}-of-{files:05}.safetensors"
            part = {name: weights[name] for name in names[i::files]}
            write_safetensors(folder / file, part, dtype, format="pt")
            weight_map |= dict.fromkeys(part, file)
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    extra = {} if chat_template is None else {"chat_template": chat_template}
    write_tokenizer(folder, values["vocab_size"], **extra)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder
