"""StarCoder2: LayerNorm and biases, a plain MLP, rotary positions, a window.

Lozhkov et al. 2024, https://arxiv.org/abs/2402.19173.
transformers/models/starcoder2/modeling_starcoder2.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Norm, Projection, V
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        norm = Norm(fields.number("norm_epsilon", 1e-5), centred=True, bias=True)
        window = fields.optional_integer("sliding_window")
        return cls(
            **usual(fields, context=4096, epsilon=1e-5, norm=norm, tied=True),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "gelu_pytorch_tanh"),
            attention=Attention(
                heads, kv_heads, head_dim, read_rope(fields, head_dim), window=window
            ),
            bias=fields.flag("use_bias", True),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self.attention.projections(f"{at}self_attn.", self.bias))
            h = net.attention(qkv, layer, self.attention)
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.bias)
            x = net.add(x, net.linear(h, output))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            up = Projection(f"{at}mlp.c_fc", self.intermediate, self.bias)
            h = net.activation(net.linear(h, up), self.activation)
            down = Projection(f"{at}mlp.c_proj", self.hidden, self.bias)
            x = net.add(x, net.linear(h, down, outliers=True))
        return self.logits(net, net.norm(x, "model.norm", self.norm))
