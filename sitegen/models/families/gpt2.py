"""GPT-2: LayerNorm, learned positions, weights stored as (inputs, outputs).

Radford et al. 2019; GPT-2, DistilGPT-2. transformers/models/gpt2/modeling_gpt2.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from sitegen.models.families import Decoder, activation
from sitegen.models.fields import Fields
from sitegen.models.network import Activation, Attention, Network, Norm, Projection, V

OTHER_NAMES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
"""What transformers also reads, and prefers."""


@dataclass(frozen=True)
class Family(Decoder):
    intermediate: int
    activation: Activation
    attentions: tuple[Attention, ...]

    prefix: ClassVar[str] = "transformer."

    @classmethod
    def read(cls, fields: Fields) -> Self:
        values = fields.values
        named = {name: values[other] for other, name in OTHER_NAMES.items() if other in values}
        fields = Fields({**values, **named}, fields.where)
        heads, hidden = fields.integer("n_head", 12), fields.integer("n_embd", 768)
        if hidden % (heads * 8):
            raise fields.error(
                "n_head", f"is {heads}; n_embd ({hidden}) must be a multiple of 8 x n_head"
            )
        layers = fields.integer("n_layer", 12, high=1024)
        scale = (hidden // heads) ** -0.5 if fields.flag("scale_attn_weights", True) else 1.0
        by_layer = fields.flag("scale_attn_by_inverse_layer_idx", False)
        return cls(
            vocab=fields.integer("vocab_size", 50257),
            max_context=fields.integer("n_positions", 1024, low=16),
            layers=layers,
            hidden=hidden,
            norm=Norm(fields.number("layer_norm_epsilon", 1e-5), centred=True, bias=True),
            tied=fields.flag("tie_word_embeddings", True),
            intermediate=fields.optional_integer("n_inner") or 4 * hidden,
            activation=activation(fields, "activation_function", "gelu_new"),
            attentions=tuple(
                Attention(
                    heads, heads, hidden // heads, scale=scale / (layer + 1 if by_layer else 1)
                )
                for layer in range(layers)
            ),
        )

    def forward(self, net: Network[V]) -> V:
        x = net.add(
            net.embedding("transformer.wte", self.vocab, self.hidden, tied=self.tied),
            net.positions("transformer.wpe", self.max_context, self.hidden),
        )
        for layer, attention in enumerate(self.attentions):
            at = f"transformer.h.{layer}."
            h = net.norm(x, f"{at}ln_1", self.norm)
            qkv = net.linear(h, _turned(f"{at}attn.c_attn", 3 * self.hidden))
            h = net.attention(qkv, layer, attention)
            x = net.add(x, net.linear(h, _turned(f"{at}attn.c_proj", self.hidden)))

            h = net.norm(x, f"{at}ln_2", self.norm)
            h = net.activation(
                net.linear(h, _turned(f"{at}mlp.c_fc", self.intermediate)), self.activation
            )
            down = _turned(f"{at}mlp.c_proj", self.hidden)
            x = net.add(x, net.linear(h, down, outliers=True))
        x = net.norm(x, "transformer.ln_f", self.norm)
        head = Projection("transformer.wte" if self.tied else "lm_head", self.vocab)
        return net.logits(x, head, tied=self.tied)

    def ignored(self, name: str) -> bool:
        # The causal mask, which early checkpoints store in every layer.
        mask = re.fullmatch(r"transformer\.h\.\d+\.attn\.(masked_)?bias", name)
        return bool(mask) or super().ignored(name)


def _turned(name: str, rows: int) -> Projection:
    return Projection(name, rows, bias=True, transposed=True)
