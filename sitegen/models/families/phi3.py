"""Phi-3: a Llama whose queries, keys and values are one matrix, and so are gate and up; LongRoPE.

Abdin et al. 2024, https://arxiv.org/abs/2404.14219; Phi-3, Phi-3.5, Phi-4 and Phi-4-mini.
transformers/models/phi3/modeling_phi3.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        window = fields.optional_integer("sliding_window")
        return cls(
            **usual(fields, context=4096, epsilon=1e-5),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(
                heads, kv_heads, head_dim, read_rope(fields, head_dim), window=window
            ),
        )

    def forward(self, net: Network[V]) -> V:
        qkv_rows = (self.attention.heads + 2 * self.attention.kv_heads) * self.attention.head_dim
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, Projection(f"{at}self_attn.qkv_proj", qkv_rows))
            h = net.attention(qkv, layer, self.attention)
            x = net.add(x, net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden)))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            packed = Projection.parts(f"{at}mlp.gate_up_proj", 2, self.intermediate)
            gate, up = (net.linear(h, each) for each in packed)
            h = net.multiply(net.activation(gate, self.activation), up)
            down = Projection(f"{at}mlp.down_proj", self.hidden)
            x = net.add(x, net.linear(h, down, outliers=True))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
