"""Qwen2: a Llama with biases on queries, keys and values; later layers may have a window.

Yang et al. 2024, https://arxiv.org/abs/2407.10671; Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen.
transformers/models/qwen2/modeling_qwen2.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from sitegen.models.families import Decoder, activation, usual, windows
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    windows: tuple[int | None, ...]

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        sizes = usual(fields, context=32768, epsilon=1e-6)
        return cls(
            **sizes,
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim)),
            windows=late_windows(fields, sizes["layers"]),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer, window in enumerate(self.windows):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", bias=True))
            h = net.attention(qkv, layer, replace(self.attention, window=window))
            x = net.add(x, net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden)))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))


def late_windows(fields: Fields, layers: int) -> tuple[int | None, ...]:
    """The windows of Qwen's layers: from `max_window_layers` on, when `use_sliding_window`."""
    used = fields.flag("use_sliding_window", False)
    window = fields.optional_integer("sliding_window", 4096) if used else None
    first = fields.integer("max_window_layers", 28, low=0)
    return windows(fields, layers, window, lambda layer: layer >= first)
