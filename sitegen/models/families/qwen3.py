"""Qwen3: as Qwen2 without the biases; queries and keys are normalized, each head by itself.

Yang et al. 2025, https://arxiv.org/abs/2505.09388.
transformers/models/qwen3/modeling_qwen3.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.families.qwen2 import late_windows
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    attention_bias: bool
    windows: tuple[int | None, ...]

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads(default_head_dim=128)
        sizes = usual(fields, context=32768, epsilon=1e-6)
        return cls(
            **sizes,
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
            attention_bias=fields.flag("attention_bias", False),
            windows=late_windows(fields, sizes["layers"]),
        )

    def forward(self, net: Network[V]) -> V:
        heads, kv_heads = self.attention.heads, self.attention.kv_heads
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer, window in enumerate(self.windows):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            projections = self.attention.projections(f"{at}self_attn.", self.attention_bias)
            q, k, v = (net.linear(h, each) for each in projections)
            q = net.norm(q, f"{at}self_attn.q_norm", self.norm, heads)
            k = net.norm(k, f"{at}self_attn.k_norm", self.norm, kv_heads)
            h = net.attention((q, k, v), layer, replace(self.attention, window=window))
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias)
            x = net.add(x, net.linear(h, output))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
