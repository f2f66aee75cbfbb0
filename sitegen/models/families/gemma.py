"""Gemma: scaled embeddings, norms whose weights are stored minus one, wide heads, gated GELU.

Gemma Team 2024, https://arxiv.org/abs/2403.08295. transformers/models/gemma/modeling_gemma.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Norm, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    attention_bias: bool

    half_precision: ClassVar[bool] = False  # trained in bfloat16, whose range it uses

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads(default_head_dim=256)
        # The first configurations name another under `hidden_act` than the one trained with.
        key = "hidden_activation" if fields.values.get("hidden_activation") else "hidden_act"
        return cls(
            **usual(fields, context=8192, epsilon=1e-6, norm=gemma_norm(fields), tied=True),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, key, "gelu_pytorch_tanh"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
            attention_bias=fields.flag("attention_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        x = net.scale(x, math.sqrt(self.hidden))
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", self.attention_bias))
            h = net.attention(qkv, layer, self.attention)
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias)
            x = net.add(x, net.linear(h, output))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))


def gemma_norm(fields: Fields) -> Norm:
    """RMSNorm times 1 + weight."""
    return Norm(fields.number("rms_norm_eps", 1e-6), offset=1.0)
