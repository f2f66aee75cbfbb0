"""Granite 4, its dense models: a Granite whose gate and up are one matrix, some without positions.

https://github.com/ibm-granite; Granite 4.0 350M and 1B. Those with Mamba layers or experts have the
same `model_type`. transformers/models/granitemoehybrid/modeling_granitemoehybrid.py.
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
    attention_bias: bool
    embedding_multiplier: float
    residual_multiplier: float
    logits_scaling: float

    @classmethod
    def read(cls, fields: Fields) -> Self:
        sizes = usual(fields, context=2048, epsilon=1e-6)
        _require_dense(fields, sizes["layers"])
        heads, kv_heads, head_dim = fields.heads()
        turns = fields.values.get("position_embedding_type") == "rope"
        return cls(
            **sizes,
            intermediate=fields.integer("shared_intermediate_size", 1024),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(
                heads,
                kv_heads,
                head_dim,
                read_rope(fields, head_dim) if turns else None,
                scale=fields.number("attention_multiplier", 1.0),
            ),
            attention_bias=fields.flag("attention_bias", False),
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
            packed = Projection.parts(f"{at}shared_mlp.input_linear", 2, self.intermediate)
            gate, up = (net.linear(h, each) for each in packed)
            h = net.multiply(net.activation(gate, self.activation), up)
            down = Projection(f"{at}shared_mlp.output_linear", self.hidden)
            h = net.linear(h, down, outliers=True)
            x = net.add(x, net.scale(h, self.residual_multiplier))
        x = net.scale(net.norm(x, "model.norm", self.norm), 1 / self.logits_scaling)
        return self.logits(net, x)


def _require_dense(fields: Fields, layers: int) -> None:
    if experts := fields.integer("num_local_experts", 8, low=0):
        raise fields.error(
            "num_local_experts", f"is {experts}; mixtures of experts are not supported"
        )
    kinds = fields.texts("layer_types", layers) or ["mamba"]
    if other := next((kind for kind in kinds if kind != "attention"), None):
        raise fields.error(
            "layer_types",
            f"makes a layer {other!r}; only attention is supported",
            "Of Granite 4.0 the models without `h` in their names have nothing else.",
        )
