"""Gemma 3, its text model: five layers with a window and a rope of their own to each that sees all;
queries and keys normalized, each head by itself.

Gemma Team 2025, https://arxiv.org/abs/2503.19786. transformers/models/gemma3/modeling_gemma3.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from sitegen.models.families import Decoder, activation, usual, windows
from sitegen.models.families.gemma import gemma_norm
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V, gated_mlp
from sitegen.models.network.rope import Rope, plain, read_rope, scaled_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attentions: tuple[Attention, ...]
    attention_bias: bool
    softcap: float | None

    half_precision: ClassVar[bool] = False  # trained in bfloat16, whose range it uses

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads(default_head_dim=256)
        sizes = usual(fields, context=131072, epsilon=1e-6, norm=gemma_norm(fields), tied=True)
        if fields.flag("use_bidirectional_attention", False):
            raise fields.error(
                "use_bidirectional_attention", "is true: such a model writes no text"
            )
        pattern = fields.integer("sliding_window_pattern", 6)
        window = fields.integer("sliding_window", 4096)
        seen = windows(fields, sizes["layers"], window, lambda layer: (layer + 1) % pattern != 0)
        near, far = _ropes(fields, head_dim)
        return cls(
            **sizes,
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_activation", "gelu_pytorch_tanh"),
            attentions=tuple(
                Attention(
                    heads,
                    kv_heads,
                    head_dim,
                    far if window is None else near,
                    scale=fields.number("query_pre_attn_scalar", 256) ** -0.5,
                    window=window,
                )
                for window in seen
            ),
            attention_bias=fields.flag("attention_bias", False),
            softcap=fields.optional_number("final_logit_softcapping"),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        x = net.scale(x, math.sqrt(self.hidden))
        for layer, attention in enumerate(self.attentions):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            projections = attention.projections(f"{at}self_attn.", self.attention_bias)
            q, k, v = (net.linear(h, each) for each in projections)
            q = net.norm(q, f"{at}self_attn.q_norm", self.norm, attention.heads)
            k = net.norm(k, f"{at}self_attn.k_norm", self.norm, attention.kv_heads)
            h = net.attention((q, k, v), layer, attention)
            h = net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias))
            x = net.add(x, net.norm(h, f"{at}post_attention_layernorm", self.norm))

            h = net.norm(x, f"{at}pre_feedforward_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            h = gated_mlp(net, h, mlp, self.hidden, self.activation)
            x = net.add(x, net.norm(h, f"{at}post_feedforward_layernorm", self.norm))
        return self.logits(net, net.norm(x, "model.norm", self.norm), self.softcap)


def _ropes(fields: Fields, head_dim: int) -> tuple[Rope, Rope]:
    """Of the layers with a window, and of those that see all."""
    named = fields.table("rope_parameters")  # transformers 5: one table for each kind of layer
    if named is not None and (far := named.table("full_attention")) is not None:
        near = named.table("sliding_attention") or Fields({}, fields.where)
        return (
            scaled_rope(fields, near, near.number("rope_theta", 10000.0), head_dim),
            scaled_rope(fields, far, far.number("rope_theta", 1e6), head_dim),
        )
    near_theta = fields.number("rope_local_base_freq", 10000.0)
    return plain(near_theta, head_dim), read_rope(fields, head_dim, theta=1e6)
