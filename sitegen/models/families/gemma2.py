"""Gemma 2: norms before and after each block, capped scores and logits, every other layer a window.

Gemma Team 2024, https://arxiv.org/abs/2408.00118. transformers/models/gemma2/modeling_gemma2.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from sitegen.models.families import Decoder, activation, usual, windows
from sitegen.models.families.gemma import gemma_norm
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
    softcap: float | None

    half_precision: ClassVar[bool] = False  # trained in bfloat16, whose range it uses

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads(default_head_dim=256)
        sizes = usual(fields, context=8192, epsilon=1e-6, norm=gemma_norm(fields), tied=True)
        window = fields.optional_integer("sliding_window", 4096)
        return cls(
            **sizes,
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_activation", "gelu_pytorch_tanh"),
            attention=Attention(
                heads,
                kv_heads,
                head_dim,
                read_rope(fields, head_dim),
                scale=fields.number("query_pre_attn_scalar", 256) ** -0.5,
                softcap=fields.optional_number("attn_logit_softcapping", 50.0),
            ),
            attention_bias=fields.flag("attention_bias", False),
            windows=windows(fields, sizes["layers"], window, lambda layer: layer % 2 == 0),
            softcap=fields.optional_number("final_logit_softcapping", 30.0),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        x = net.scale(x, math.sqrt(self.hidden))
        for layer, window in enumerate(self.windows):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", self.attention_bias))
            h = net.attention(qkv, layer, replace(self.attention, window=window))
            h = net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias))
            x = net.add(x, net.norm(h, f"{at}post_attention_layernorm", self.norm))

            h = net.norm(x, f"{at}pre_feedforward_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            h = gated_mlp(net, h, mlp, self.hidden, self.activation)
            x = net.add(x, net.norm(h, f"{at}post_feedforward_layernorm", self.norm))
        return self.logits(net, net.norm(x, "model.norm", self.norm), self.softcap)
