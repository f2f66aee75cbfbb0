"""SmolLM3: a Llama of which every fourth layer has no positions.

https://huggingface.co/blog/smollm3; no positions: Yang et al. 2025, https://arxiv.org/abs/2501.18795.
transformers/models/smollm3/modeling_smollm3.py.
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
    attentions: tuple[Attention, ...]
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        sizes = usual(fields, context=32768, epsilon=1e-6, tied=True)
        turns = _layers_with_rope(fields, sizes["layers"])
        listed = fields.values.get("layer_types") is not None  # they use the window in any case
        used = fields.flag("use_sliding_window", False) or listed
        window = fields.optional_integer("sliding_window") if used else None
        seen = windows(fields, sizes["layers"], window, lambda layer: not turns[layer])
        whole = Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim, theta=2e6))
        return cls(
            **sizes,
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attentions=tuple(
                replace(whole, window=window, rope=whole.rope if turn else None)
                for turn, window in zip(turns, seen, strict=True)
            ),
            attention_bias=fields.flag("attention_bias", False),
            mlp_bias=fields.flag("mlp_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer, attention in enumerate(self.attentions):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *attention.projections(f"{at}self_attn.", self.attention_bias))
            h = net.attention(qkv, layer, attention)
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.attention_bias)
            x = net.add(x, net.linear(h, output))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate, self.mlp_bias)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))


def _layers_with_rope(fields: Fields, layers: int) -> list[bool]:
    """`no_rope_layers` says 1 for a layer *with* rope."""
    interval = fields.integer("no_rope_layer_interval", 4)
    listed = fields.values.get("no_rope_layers")
    if not listed:
        return [(layer + 1) % interval != 0 for layer in range(layers)]
    if not isinstance(listed, list) or any(each not in (0, 1) for each in listed):
        raise fields.error("no_rope_layers", f"is {listed!r}; a list of 0 and 1 is expected")
    if len(listed) != layers:
        raise fields.error(
            "no_rope_layers", f"lists {len(listed)} layers; num_hidden_layers is {layers}"
        )
    return [bool(each) for each in listed]
