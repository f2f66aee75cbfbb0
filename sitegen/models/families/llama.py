"""Llama: RMSNorm, grouped-query attention with rotary positions, gated SiLU MLP.

Touvron et al. 2023, https://arxiv.org/abs/2302.13971; Llama 2 and 3, SmolLM2 and many others.
The same arithmetic as `LlamaForCausalLM` of transformers, which tests/models/test_parity.py asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from sitegen.models import reference
from sitegen.models.families import Decoder, Expected, Fields
from sitegen.models.graph import Graph
from sitegen.models.rope import Rope
from sitegen.models.weights import Float32, Tensor


@dataclass(frozen=True)
class Family(Decoder):
    """A Llama model; the defaults in `read` are those of transformers' LlamaConfig."""

    intermediate: int
    epsilon: float
    tied: bool
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        hidden = fields.integer("hidden_size")
        heads = fields.integer("num_attention_heads")
        kv_heads = fields.integer("num_key_value_heads", heads)
        if heads % kv_heads:
            raise fields.error(
                "num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} heads"
            )
        if fields.values.get("head_dim") is None and hidden % heads:
            raise fields.error(
                "num_attention_heads", f"is {heads}, which does not divide hidden_size ({hidden})"
            )
        head_dim = fields.integer("head_dim", hidden // heads)
        if head_dim % 16:
            raise fields.error(
                "head_dim",
                f"is {head_dim}; a multiple of 16 is expected",
                "The attention kernel of onnxruntime has no other.",
            )
        if (activation := fields.text("hidden_act", "silu")) != "silu":
            raise fields.error("hidden_act", f"is {activation!r}; a llama uses 'silu'")
        return cls(
            layers=fields.integer("num_hidden_layers", high=1024),
            hidden=hidden,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            vocab=fields.integer("vocab_size"),
            max_context=fields.integer("max_position_embeddings", 2048, low=16),
            rope=_rope(fields),
            intermediate=fields.integer("intermediate_size"),
            epsilon=fields.number("rms_norm_eps", 1e-6),
            tied=fields.flag("tie_word_embeddings", False),
            attention_bias=fields.flag("attention_bias", False),
            mlp_bias=fields.flag("mlp_bias", False),
        )

    def tensors(self) -> dict[str, Expected]:
        hidden, inter = self.hidden, self.intermediate
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        q, k = "num_attention_heads x head_dim", "num_key_value_heads x head_dim"
        named = {
            "model.embed_tokens.weight": Expected((self.vocab, hidden), "vocab_size, hidden_size")
        }
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            for name, rows, columns, keys_of, bias in (
                ("self_attn.q_proj", queries, hidden, f"{q}, hidden_size", self.attention_bias),
                ("self_attn.k_proj", keys, hidden, f"{k}, hidden_size", self.attention_bias),
                ("self_attn.v_proj", keys, hidden, f"{k}, hidden_size", self.attention_bias),
                ("self_attn.o_proj", hidden, queries, f"hidden_size, {q}", self.attention_bias),
                ("mlp.gate_proj", inter, hidden, "intermediate_size, hidden_size", self.mlp_bias),
                ("mlp.up_proj", inter, hidden, "intermediate_size, hidden_size", self.mlp_bias),
                ("mlp.down_proj", hidden, inter, "hidden_size, intermediate_size", self.mlp_bias),
            ):
                named[f"{at}{name}.weight"] = Expected((rows, columns), keys_of)
                if bias:
                    named[f"{at}{name}.bias"] = Expected((rows,), keys_of.split(",")[0])
            for name in ("input_layernorm", "post_attention_layernorm"):
                named[f"{at}{name}.weight"] = Expected((hidden,), "hidden_size")
        named["model.norm.weight"] = Expected((hidden,), "hidden_size")
        if not self.tied:
            named["lm_head.weight"] = Expected((self.vocab, hidden), "vocab_size, hidden_size")
        return named

    def ignored(self, name: str) -> bool:
        # A tied head may be stored a second time; old checkpoints store what `rope` computes.
        return (self.tied and name == "lm_head.weight") or bool(
            re.fullmatch(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq", name)
        )

    def graph(self, graph: Graph) -> None:
        bias, mlp_bias, eps = self.attention_bias, self.mlp_bias, self.epsilon
        graph.rotary(self.rope, self.head_dim)
        residual = graph.embedding("model.embed_tokens", tied=self.tied)
        update = None  # what the next norm adds to the residual stream
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            x, residual = graph.norm(residual, update, f"{at}input_layernorm", eps)
            q, k, v = (f"{at}self_attn.{name}_proj" for name in "qkv")
            x = graph.attention(graph.linear(x, q, k, v, bias=bias), layer)
            update = graph.linear(x, f"{at}self_attn.o_proj", bias=bias)
            x, residual = graph.norm(residual, update, f"{at}post_attention_layernorm", eps)
            x = graph.gated(x, f"{at}mlp.gate_proj", f"{at}mlp.up_proj", bias=mlp_bias)
            update = graph.linear(x, f"{at}mlp.down_proj", bias=mlp_bias, outliers=True)
        x, _ = graph.norm(residual, update, "model.norm", eps)
        graph.logits(x, "model.embed_tokens" if self.tied else "lm_head", tied=self.tied)

    def reference(self, weights: Mapping[str, Tensor], ids: Sequence[int]) -> Float32:
        def linear(x: Float32, name: str, bias: bool = False) -> Float32:
            y = reference.linear(x, weights[f"{name}.weight"])
            return y + weights[f"{name}.bias"].rows() if bias else y

        def norm(x: Float32, name: str) -> Float32:
            return reference.rms_norm(x, weights[f"{name}.weight"].rows(), self.epsilon)

        cos, sin = self.rope.cos_sin(self.head_dim, len(ids))
        embedding = weights["model.embed_tokens.weight"]
        x = np.concatenate([embedding.rows(i, i + 1) for i in ids])  # (seq, hidden)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = norm(x, f"{at}input_layernorm")
            q, k, v = (
                linear(h, f"{at}self_attn.{name}_proj", self.attention_bias)
                .reshape(len(ids), -1, self.head_dim)
                .transpose(1, 0, 2)  # (heads, seq, head_dim)
                for name in "qkv"
            )
            q, k = reference.rotate(q, cos, sin), reference.rotate(k, cos, sin)
            h = reference.attention(q, k, v)  # (seq, heads x head_dim)
            x = x + linear(h, f"{at}self_attn.o_proj", self.attention_bias)
            h = norm(x, f"{at}post_attention_layernorm")
            gate = reference.silu(linear(h, f"{at}mlp.gate_proj", self.mlp_bias))
            h = gate * linear(h, f"{at}mlp.up_proj", self.mlp_bias)
            x = x + linear(h, f"{at}mlp.down_proj", self.mlp_bias)
        return linear(norm(x, "model.norm"), "model.embed_tokens" if self.tied else "lm_head")


def _rope(fields: Fields) -> Rope:
    """`rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before)."""
    scaling = fields.table("rope_parameters") or fields.table("rope_scaling")
    theta = fields.number("rope_theta", 10000.0)
    if scaling is None:
        return Rope(theta)
    theta = scaling.number("rope_theta", theta)
    kind = scaling.text("rope_type", scaling.text("type", "default"))
    if scaling.number("partial_rotary_factor", 1.0) != 1.0:
        raise scaling.error("partial_rotary_factor", "is not 1; a llama turns whole heads")
    if kind == "default":
        return Rope(theta)
    if kind == "linear":
        return Rope(theta, "linear", scaling.number("factor"))
    if kind == "llama3":
        low, high = scaling.number("low_freq_factor"), scaling.number("high_freq_factor")
        if low >= high:
            raise scaling.error("high_freq_factor", f"is {high}, not above low_freq_factor ({low})")
        original = scaling.integer("original_max_position_embeddings")
        return Rope(theta, "llama3", scaling.number("factor"), low, high, original)
    raise scaling.error(
        "rope_type", f"is {kind!r}", "Supported for a llama: default, linear, llama3."
    )
