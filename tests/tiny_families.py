"""A tiny config.json for each family, and for each thing that a family's config.json may say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import (
    CARD,
    CHAT_TEMPLATE,
    LLAMA3_ROPE,
    VOCAB,
    write_safetensors,
    write_tokenizer,
)

from sitegen.models.families import read_decoder

LAYERS = 4
COMMON: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCAB,
    "max_position_embeddings": 256,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {
    "type": "longrope",
    "short_factor": [1.0 + i / 16 for i in range(8)],
    "long_factor": [2.0 + i for i in range(8)],
}
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 64,
    "n_head": 4,
    "n_layer": LAYERS,
    "n_positions": 256,
    "vocab_size": VOCAB,
    "eos_token_id": 0,
    "bos_token_id": 0,
}
GRANITE_4 = {
    "num_local_experts": 0,
    "layer_types": ["attention"] * LAYERS,
    "shared_intermediate_size": 96,
    "embedding_multiplier": 12.0,
    "attention_multiplier": 0.1,
    "residual_multiplier": 0.22,
    "logits_scaling": 4.0,
}


def of(model_type: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": model_type, **COMMON, **changes}


# The window is shorter than the prompts of the tests.
WINDOW = 12
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": of("llama"),
    "llama-tied": of("llama", tie_word_embeddings=True),
    "llama-biases": of("llama", attention_bias=True, mlp_bias=True),
    "llama-llama3-rope": of("llama", rope_scaling=LLAMA3_ROPE),
    "llama-linear-rope": of("llama", rope_scaling={"rope_type": "linear", "factor": 4.0}),
    "llama-dynamic-rope": of("llama", rope_scaling={"rope_type": "dynamic", "factor": 4.0}),
    "llama-yarn-rope": of("llama", rope_scaling=YARN),
    "llama-wide-heads": of("llama", head_dim=32),
    "llama-narrow-heads": of("llama", head_dim=24),
    "mistral": of("mistral", sliding_window=WINDOW),
    "mistral-no-window": of("mistral", sliding_window=None, head_dim=32),
    "qwen2": of("qwen2", tie_word_embeddings=True),
    "qwen2-window": of(
        "qwen2", use_sliding_window=True, sliding_window=WINDOW, max_window_layers=2
    ),
    "qwen3": of("qwen3", head_dim=32, tie_word_embeddings=True),
    "smollm3": of("smollm3", tie_word_embeddings=True),
    "smollm3-window": of(
        "smollm3", use_sliding_window=True, sliding_window=WINDOW, no_rope_layers=[1, 0, 0, 1]
    ),
    "smollm3-listed-window": of(
        "smollm3",
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"] * 2,
    ),
    "ernie4_5": of("ernie4_5", head_dim=32),
    "ernie4_5-bias": of("ernie4_5", head_dim=None, use_bias=True, tie_word_embeddings=False),
    "phi3": of("phi3"),
    "phi3-longrope-short": of(
        "phi3",
        rope_scaling=LONGROPE,
        original_max_position_embeddings=128,
        sliding_window=WINDOW,
    ),
    "phi3-longrope-long": of("phi3", rope_scaling=LONGROPE, original_max_position_embeddings=16),
    "phi3-partial-rope": of("phi3", partial_rotary_factor=0.5, tie_word_embeddings=True),
    "gemma": of("gemma", head_dim=32, num_key_value_heads=1),
    "gemma2": of("gemma2", head_dim=32, sliding_window=WINDOW, query_pre_attn_scalar=48),
    "gemma2-uncapped": of(
        "gemma2",
        head_dim=32,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
        sliding_window=WINDOW,
    ),
    "gemma3_text": of("gemma3_text", head_dim=32, sliding_window=WINDOW, sliding_window_pattern=3),
    # Where the pattern is not said, every sixth layer sees all.
    "gemma3_text-default-pattern": of(
        "gemma3_text", head_dim=32, num_hidden_layers=6, sliding_window=WINDOW
    ),
    "gemma3_text-linear-rope": of(
        "gemma3_text",
        head_dim=32,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"] * 2,
        rope_scaling={"rope_type": "linear", "factor": 8.0},
        attn_logit_softcapping=0.1,  # which transformers leaves out
    ),
    "granite": of(
        "granite",
        embedding_multiplier=12.0,
        attention_multiplier=0.1,
        residual_multiplier=0.22,
        logits_scaling=8.0,
        tie_word_embeddings=True,
    ),
    "granitemoehybrid": of("granitemoehybrid", **GRANITE_4, position_embedding_type="rope"),
    "granitemoehybrid-no-positions": of(
        "granitemoehybrid", **GRANITE_4, attention_bias=True, tie_word_embeddings=True
    ),
    "olmo2": of("olmo2", num_key_value_heads=4),
    "gpt2": GPT2,
    "gpt2-by-layer": {**GPT2, "scale_attn_by_inverse_layer_idx": True, "n_inner": 96},
    "gpt2-other-names": {**GPT2, "num_attention_heads": 8},  # goes before `n_head`
    "gpt_neox": of("gpt_neox", num_key_value_heads=4, rotary_pct=0.25, intermediate_size=128),
    "gpt_neox-serial": of(
        "gpt_neox",
        num_key_value_heads=4,
        rotary_pct=1.0,
        rotary_emb_base=500,
        rope_theta=10000,  # unused, like every name but the family's own
        use_parallel_residual=False,
    ),
    "lfm2": of("lfm2", layer_types=["conv", "conv", "full_attention", "conv"]),
    "lfm2-bias": of(
        "lfm2",
        conv_bias=True,
        conv_L_cache=4,
        full_attn_idxs=[0, 3],
        block_auto_adjust_ff_dim=False,
    ),
    "lfm2-first-names": of(
        "lfm2",
        layer_types=["conv", "full_attention"] * 2,
        block_ff_dim=200,
        block_multiple_of=32,
        theta=500.0,
        tie_embedding=False,
        tie_word_embeddings=True,
    ),
    "starcoder2": of("starcoder2", sliding_window=WINDOW),
    "stablelm": of("stablelm", use_qkv_bias=True, partial_rotary_factor=0.25),
    "stablelm-parallel": of("stablelm", use_parallel_residual=True, partial_rotary_factor=1.0),
}


def write(folder: Path, name: str, *, seed: int = 0, **changes: Any) -> Path:
    """A complete model folder of float32 random weights. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIGS[name], **changes}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    _, decoder = read_decoder(folder / "config.json")
    random = np.random.default_rng(seed)
    weights = {}
    for tensor, shape in decoder.inventory().tensors.items():
        values = random.standard_normal(shape, np.float32)
        if tensor.endswith("bias"):
            weights[tensor] = 0.1 * values
        elif len(shape) == 1:  # of a norm, stored with its offset taken away
            weights[tensor] = 1 - np.float32(decoder.norm.offset) + 0.1 * values
        else:
            weights[tensor] = values / np.float32(math.sqrt(shape[-1]))
    write_safetensors(folder / "model.safetensors", weights, format="pt")
    write_tokenizer(folder, VOCAB, chat_template=CHAT_TEMPLATE)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder
