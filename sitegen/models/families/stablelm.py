"""StableLM: LayerNorm, a quarter of each head turns, attention and MLP one after the other or not.

Bellagente et al. 2024, https://arxiv.org/abs/2402.17834; StableLM 2 and 3B.
transformers/models/stablelm/modeling_stablelm.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Norm, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    qkv_bias: bool
    parallel: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        if fields.flag("qk_layernorm", False):
            raise fields.error(
                "qk_layernorm", "is true; heads with norms of their own are not supported"
            )
        norm = Norm(fields.number("layer_norm_eps", 1e-5), centred=True, bias=True)
        rope = read_rope(fields, head_dim, share=0.25)
        return cls(
            **usual(fields, context=4096, epsilon=1e-5, norm=norm),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, rope),
            qkv_bias=fields.flag("use_qkv_bias", False),
            parallel=fields.flag("use_parallel_residual", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            normed = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(normed, *self.attention.projections(f"{at}self_attn.", self.qkv_bias))
            h = net.attention(qkv, layer, self.attention)
            x = net.add(x, net.linear(h, Projection(f"{at}self_attn.o_proj", self.hidden)))

            if not self.parallel:
                normed = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate)
            x = net.add(x, gated_mlp(net, normed, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
