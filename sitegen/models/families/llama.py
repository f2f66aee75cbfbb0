"""Llama: RMSNorm, grouped-query attention with rotary positions, gated SiLU MLP.

Touvron et al. 2023, https://arxiv.org/abs/2302.13971; Llama 2 and 3, SmolLM2 and many others.
transformers/models/llama/modeling_llama.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        return cls(
            **usual(fields, context=2048, epsilon=1e-6),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
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
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
