"""OLMo 2: a Llama normalized after each block instead of before; queries and keys normalized whole.

OLMo Team 2025, https://arxiv.org/abs/2501.00656. transformers/models/olmo2/modeling_olmo2.py.
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

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        return cls(
            **usual(fields, context=2048, epsilon=1e-5),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
            attention_bias=fields.flag("attention_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            projections = self.attention.projections(f"{at}self_attn.", self.attention_bias)
            q, k, v = (net.linear(x, each) for each in projections)
            q = net.norm(q, f"{at}self_attn.q_norm", self.norm)
            k = net.norm(k, f"{at}self_attn.k_norm", self.norm)
            h = net.attention((q, k, v), layer, self.attention)
            h = net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias))
            x = net.add(x, net.norm(h, f"{at}post_attention_layernorm", self.norm))

            mlp = Projection(f"{at}mlp.", self.intermediate)
            h = gated_mlp(net, x, mlp, self.hidden, self.activation)
            x = net.add(x, net.norm(h, f"{at}post_feedforward_layernorm", self.norm))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
