"""LFM2: short gated convolutions, and attention in a few layers.

Liquid AI 2025, https://arxiv.org/abs/2511.23404. transformers/models/lfm2/modeling_lfm2.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Attention, Network, Norm, Projection, V
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    attention: Attention
    attends: tuple[bool, ...]  # per layer; the others convolve
    length: int  # of the convolution, in tokens
    conv_bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        norm = Norm(fields.number("norm_eps", 1e-5))
        sizes = usual(fields, context=128000, epsilon=1e-5, norm=norm, tied=True)
        # What the first checkpoints call otherwise goes before the name it has now.
        sizes["tied"] = fields.flag("tie_embedding", sizes["tied"])
        theta_key = "theta" if "theta" in fields.values else "rope_theta"
        rope = read_rope(fields, head_dim, theta=1e6, theta_key=theta_key)
        return cls(
            **sizes,
            intermediate=_intermediate(fields),
            attention=Attention(heads, kv_heads, head_dim, rope),
            attends=_layers_with_attention(fields, sizes["layers"]),
            length=fields.integer("conv_L_cache", 3, low=2),
            conv_bias=fields.flag("conv_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer, attends in enumerate(self.attends):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}operator_norm", self.norm)
            x = net.add(x, (self._attend if attends else self._convolve)(net, h, at, layer))

            h = net.norm(x, f"{at}ffn_norm", self.norm)
            gate, up = (
                net.linear(h, Projection(f"{at}feed_forward.{name}", self.intermediate))
                for name in ("w1", "w3")
            )
            h = net.multiply(net.activation(gate, "silu"), up)
            down = Projection(f"{at}feed_forward.w2", self.hidden)
            x = net.add(x, net.linear(h, down, outliers=True))
        return self.logits(net, net.norm(x, "model.embedding_norm", self.norm))

    def _attend(self, net: Network[V], x: V, at: str, layer: int) -> V:
        heads, kv_heads = self.attention.heads, self.attention.kv_heads
        q, k, v = (net.linear(x, each) for each in self.attention.projections(f"{at}self_attn."))
        q = net.norm(q, f"{at}self_attn.q_layernorm", self.norm, heads)
        k = net.norm(k, f"{at}self_attn.k_layernorm", self.norm, kv_heads)
        h = net.attention((q, k, v), layer, self.attention)
        return net.linear(h, Projection(f"{at}self_attn.out_proj", self.hidden))

    def _convolve(self, net: Network[V], x: V, at: str, layer: int) -> V:
        packed = Projection.parts(f"{at}conv.in_proj", 3, self.hidden, self.conv_bias)
        before, after, x = (net.linear(x, each) for each in packed)
        h = net.multiply(before, x)
        h = net.convolution(h, f"{at}conv.conv", self.length, layer, bias=self.conv_bias)
        h = net.multiply(after, h)
        return net.linear(h, Projection(f"{at}conv.out_proj", self.hidden, self.conv_bias))


def _intermediate(fields: Fields) -> int:
    """The width of the MLP, which the model's code derives from `intermediate_size`."""
    width = fields.integer(
        "block_ff_dim" if "block_ff_dim" in fields.values else "intermediate_size", 12288
    )
    if not fields.flag("block_auto_adjust_ff_dim", True):
        return width
    width = int(fields.number("block_ffn_dim_multiplier", 1.0) * int(2 * width / 3))
    multiple = fields.integer("block_multiple_of", 256)
    return multiple * -(-width // multiple)


def _layers_with_attention(fields: Fields, layers: int) -> tuple[bool, ...]:
    kinds = fields.texts("layer_types", layers)
    if kinds is not None:
        for kind in kinds:
            if kind not in ("full_attention", "conv"):
                raise fields.error(
                    "layer_types", f"holds {kind!r}; full_attention or conv is expected"
                )
        return tuple(kind == "full_attention" for kind in kinds)
    listed = fields.values.get("full_attn_idxs")
    if listed is None:
        return (True,) * layers
    if not isinstance(listed, list) or not all(type(n) is int and 0 <= n < layers for n in listed):
        raise fields.error(
            "full_attn_idxs", f"is {listed!r}; numbers of layers below {layers} are expected"
        )
    return tuple(layer in listed for layer in range(layers))
