"""Tiny random models of architectures without a family here, written by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_models import VOCAB, write_tokenizer

COMMON = {"hidden_size": 64, "intermediate_size": 128, "max_position_embeddings": 256}
COMMON |= {"num_hidden_layers": 2, "num_attention_heads": 4}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    # Learned positions, biased LayerNorm, Gemm instead of MatMul, a tied head.
    "opt": {**COMMON, "ffn_dim": 128, "word_embed_proj_dim": 64},
    # Scores by distance (ALiBi) instead of positions, one matrix for queries, keys and values.
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},
    # Every other layer sees 16 tokens, by a stored mask; scores are not scaled.
    "gpt_neo": {
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 16,
        "max_position_embeddings": 256,
    },
    # Turns a part of each head, attention and MLP side by side, a head with a bias.
    "phi": COMMON,
    # Turns pairs of neighbours, and multiplies the logits by a factor.
    "cohere": COMMON,
}


def write_transformer(folder: Path, model_type: str, **changes: Any) -> Any:
    """A folder with random weights as transformers saves it; returns the PyTorch model."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokens = {"vocab_size": VOCAB, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(model_type, **tokens, **ARCHITECTURES[model_type], **changes)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim > 1:
                values.normal_(0, 2 / values.shape[-1] ** 0.5)
            elif name.endswith("bias"):
                values.normal_(0, 0.1)
            else:
                values.add_(0.1 * torch.randn_like(values))
    model.tie_weights()
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model
