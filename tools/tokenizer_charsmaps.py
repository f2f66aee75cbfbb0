"""Unigram tokenizers with SentencePiece's compiled character maps, trained by SentencePiece.

The maps are those that it ships, whole: some 240 KB each, as in real models. Needs the package
`sentencepiece`.
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable, Sequence
from typing import Any

from sentencepiece import SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizer_families import METASPACE, added, assemble, sequence, template
from tokenizer_texts import BORDERS, CORPUS
from tokenizers import normalizers

Json = dict[str, Any]


def trained(rule: str, **options: Any) -> ModelProto:
    """A Unigram model whose texts are normalized by one of SentencePiece's rules."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([*CORPUS, *BORDERS]),
        model_writer=model,
        model_type="unigram",
        vocab_size=340,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        normalization_rule_name=rule,
        **options,
    )
    return ModelProto.FromString(model.getvalue())


def unigram(found: ModelProto) -> Json:
    vocab = [[piece.piece, piece.score] for piece in found.pieces]
    unknown = found.trainer_spec.unk_id
    return {"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": False}


def precompiled(found: ModelProto) -> Json:
    charsmap = base64.b64encode(found.normalizer_spec.precompiled_charsmap).decode()
    return {"type": "Precompiled", "precompiled_charsmap": charsmap}


def replace(pattern: Json, content: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


def xglm() -> Json:
    """XGLM, T5, XLM-RoBERTa: NFKC with SentencePiece's own rules for white space."""
    found = trained("nmt_nfkc")
    return assemble(
        unigram(found),
        [added("<unk>"), added("<s>"), added("</s>"), added("<mask>", lstrip=True)],
        normalizer=sequence(
            precompiled(found),
            {"type": "Strip", "strip_left": False, "strip_right": True},
            replace({"Regex": " {2,}"}, "▁"),
            of="normalizers",
        ),
        pre_tokenizer=METASPACE,
        post_processor=template("</s>"),
        decoder=METASPACE,
    )


def xlnet() -> Json:
    """XLNet's and ALBERT's steps, in front of the map that folds case as well."""
    found = trained("nmt_nfkc_cf")
    return assemble(
        unigram(found),
        [added("<unk>"), added("<s>"), added("</s>"), added("<sep>", normalized=True)],
        normalizer=sequence(
            replace({"String": "``"}, '"'),
            replace({"String": "''"}, '"'),
            {"type": "NFKD"},
            {"type": "StripAccents"},
            precompiled(found),
            replace({"Regex": " {2,}"}, " "),
            of="normalizers",
        ),
        pre_tokenizer=METASPACE,
        post_processor=template(None, "<sep>"),
        decoder=METASPACE,
    )


# What a map has entries for, and what joins it: marks of two and three bytes, controls, Hangul.
LETTERS = [
    *"aAΣªº²½ĳﬁ①Ａｶ㍿ﷺ가각\u1100\u1161\u11a8क\u0958©🦊🇩\u0600\u06dd\xa0\xad\u200b\ufeff",
    *" \r\n\t\x00\x7f\u2028",
    "\r\n",
]
MARKS = (
    "\u0300\u0301\u0345\u064b\u0903\u093c\u094d\u0e33\u102b\u20e3\u3099\uff9e\u200c\u200d\ufe0f🏽"
)


def normalized(charsmap: Json, count: int = 600) -> list[list[str]]:
    """Texts of a few letters and marks, each with what the library makes of it."""
    normalizer = normalizers.Precompiled(base64.b64decode(charsmap["precompiled_charsmap"]))
    draw = random.Random(5)
    texts = [
        "".join(draw.choice(draw.choice([LETTERS, MARKS])) for _ in range(draw.randrange(1, 7)))
        for _ in range(count)
    ]
    return [[text, normalizer.normalize_str(text)] for text in texts]


COMPILED: Sequence[Callable[[], Json]] = (xglm, xlnet)
