"""ERNIE 4.5, its dense models: a Llama whose queries and keys store the two numbers that turn
together side by side.

https://ernie.baidu.com/blog/publication/ERNIE_Technical_Report.pdf; ERNIE 4.5 0.3B.
transformers/models/ernie4_5/modeling_ernie4_5.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Projection, V, gated_mlp
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    bias: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        # null is no default here: heads are hidden_size / num_attention_heads then.
        heads, kv_heads, head_dim = fields.heads(None if "head_dim" in fields.values else 128)
        return cls(
            **usual(fields, context=131072, epsilon=1e-5, tied=True),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "silu"),
            attention=Attention(heads, kv_heads, head_dim, read_rope(fields, head_dim, theta=5e5)),
            bias=fields.flag("use_bias", False),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("model.embed_tokens", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            q, k, v = self.attention.projections(f"{at}self_attn.", self.bias)
            qkv = net.linear(h, self._in_halves(q), self._in_halves(k), v)
            h = net.attention(qkv, layer, self.attention)
            output = Projection(f"{at}self_attn.o_proj", self.hidden, self.bias)
            x = net.add(x, net.linear(h, output))

            h = net.norm(x, f"{at}post_attention_layernorm", self.norm)
            mlp = Projection(f"{at}mlp.", self.intermediate, self.bias)
            x = net.add(x, gated_mlp(net, h, mlp, self.hidden, self.activation))
        return self.logits(net, net.norm(x, "model.norm", self.norm))

    def _in_halves(self, projection: Projection) -> Projection:
        """Of each head the rows 0, 2, 4… and then 1, 3, 5…: as `rope` turns them. Scores stay the
        same, for queries and keys are sorted alike."""
        width = self.attention.head_dim
        starts = range(0, projection.rows, width)
        rows = (row for at in starts for odd in (0, 1) for row in range(at + odd, at + width, 2))
        return replace(projection, ranges=tuple((row, row + 1) for row in rows))
