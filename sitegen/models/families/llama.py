"""Llama: RMSNorm, grouped-query attention with rotary positions, gated SiLU MLP.

Touvron et al. 2023, https://arxiv.org/abs/2302.13971; Llama 2 and 3, SmolLM2 and many others.
transformers/models/llama/modeling_llama.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder
from sitegen.models.fields import Fields
from sitegen.models.network import Attention, Network, Norm, Projection, V, gated_mlp
from sitegen.models.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    layers: int
    hidden: int
    intermediate: int
    attention: Attention
    norm: Norm
    tied: bool
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """The defaults are those of transformers' LlamaConfig."""
        heads, kv_heads, head_dim = fields.heads()
        fields.only("hidden_act", "silu")
        return cls(
            vocab=fields.integer("vocab_size"),
            max_context=fields.integer("max_position_embeddings", 2048, low=16),
            layers=fields.integer("num_hidden_layers", high=1024),
            hidden=fields.integer("hidden_size"),
            intermediate=fields.integer("intermediate_size"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
            norm=Norm(fields.number("rms_norm_eps", 1e-6)),
            tied=fields.flag("tie_word_embeddings", False),
            attention_bias=fields.flag("attention_bias", False),
            mlp_bias=fields.flag("mlp_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", self.attention_bias))
            h = net.attention(qkv, layer, self.attention)
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias)
            x = net.add(x, net.linear(h, output))
            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate, self.mlp_bias)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, "silu"))
        x = net.norm(x, "model.norm", self.norm)
        head = "model.embed_tokens" if self.tied else "lm_head"
        return net.logits(x, Projection(head, self.vocab), tied=self.tied)

    def ignored(self, name: str) -> bool:
        # A tied head may be stored a second time; old checkpoints store what `rope` computes.
        return (self.tied and name == "lm_head.weight") or bool(
            re.fullmatch(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq", name)
        )
