"""Granite: a Llama with factors on embeddings, attention scores, residuals and logits.

https://arxiv.org/abs/2405.04324, https://github.com/ibm-granite; Granite 3.
transformers/models/granite/modeling_granite.py.
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
    embedding_multiplier: float
    residual_multiplier: float
    logits_scaling: float

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        return cls(
            **usual(fields, context=2048, epsilon=1e-6),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(
                heads,
                kv_heads,
                head_dim,
                read_rope(fields, head_dim),
                scale=fields.number("attention_multiplier", 1.0),
            ),
            attention_bias=fields.flag("attention_bias", False),
            mlp_bias=fields.flag("mlp_bias", False),
            embedding_multiplier=fields.number("embedding_multiplier", 1.0),
            residual_multiplier=fields.number("residual_multiplier", 1.0),
            logits_scaling=fields.number("logits_scaling", 1.0),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        x = net.scale(x, self.embedding_multiplier)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", self.attention_bias))
            h = net.attention(qkv, layer, self.attention)
            h = net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias))
            x = net.add(x, net.scale(h, self.residual_multiplier))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate, self.mlp_bias)
            h = gated_mlp(net, h, mlp, self.hidden, self.activation)
            x = net.add(x, net.scale(h, self.residual_multiplier))
        x = net.scale(net.norm(x, "model.norm", self.norm), 1 / self.logits_scaling)
        return self.logits(net, x)
