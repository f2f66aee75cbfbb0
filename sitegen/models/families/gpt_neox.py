"""GPT-NeoX: attention and MLP side by side, a part of each head turns, packed weights head by head.

Black et al. 2022, https://arxiv.org/abs/2204.06745; Pythia.
transformers/models/gpt_neox/modeling_gpt_neox.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sitegen.models.families import Decoder, activation, usual
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Norm, Projection, V
from sitegen.models.network.rope import read_rope


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attention: Attention
    attention_bias: bool
    parallel: bool

    prefix: ClassVar[str] = "gpt_neox."

    @classmethod
    def read(cls, fields: Fields) -> Self:
        heads, kv_heads, head_dim = fields.heads()
        if kv_heads != heads:
            raise fields.error("num_key_value_heads", f"is {kv_heads}, not the {heads} heads")
        norm = Norm(fields.number("layer_norm_eps", 1e-5), centred=True, bias=True)
        rope = read_rope(
            fields, head_dim, share=0.25, theta_key="rotary_emb_base", share_key="rotary_pct"
        )
        return cls(
            **usual(fields, context=2048, epsilon=1e-5, norm=norm),
            intermediate=fields.integer("intermediate_size"),
            activation=activation(fields, "hidden_act", "gelu"),
            attention=Attention(heads, heads, head_dim, rope),
            attention_bias=fields.flag("attention_bias", True),
            parallel=fields.flag("use_parallel_residual", True),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.embedding("gpt_neox.embed_in", self.vocab, self.hidden, tied=self.tied)
        for layer in range(self.layers):
            at = f"gpt_neox.layers.{layer}."
            h = net.norm(x, f"{at}input_layernorm", self.norm)
            qkv = net.linear(h, *self._packed(f"{at}attention.query_key_value"))
            h = net.attention(qkv, layer, self.attention)
            dense = Projection(f"{at}attention.dense", self.hidden, self.attention_bias)
            mixed = net.add(x, net.linear(h, dense))

            h = net.norm(x if self.parallel else mixed, f"{at}post_attention_layernorm", self.norm)
            up = Projection(f"{at}mlp.dense_h_to_4h", self.intermediate, bias=True)
            h = net.activation(net.linear(h, up), self.activation)
            down = Projection(f"{at}mlp.dense_4h_to_h", self.hidden, bias=True)
            x = net.add(mixed, net.linear(h, down, outliers=True))
        x = net.norm(x, "gpt_neox.final_layer_norm", self.norm)
        head = Projection("gpt_neox.embed_in" if self.tied else "embed_out", self.vocab)
        return net.logits(x, head, tied=self.tied)

    def _packed(self, name: str) -> list[Projection]:
        """One tensor holds query, key and value of the first head, then those of the next."""
        heads, width = self.attention.heads, self.attention.head_dim
        found = []
        for part in range(3):
            starts = [(3 * head + part) * width for head in range(heads)]
            ranges = tuple((start, start + width) for start in starts)
            rows = heads * width
            found.append(Projection(name, rows, self.attention_bias, ranges, 3 * rows))
        return found

    def ignored(self, name: str) -> bool:
        tied_head = self.tied and name == "embed_out.weight"
        # Early checkpoints store the causal mask and the number that stands for hidden.
        mask = name.endswith((".attention.bias", ".attention.masked_bias"))
        return tied_head or mask or super().ignored(name)
