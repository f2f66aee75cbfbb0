"""Small vocabularies, trained or counted here; a second run makes the same."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizer_texts import BORDERS, CORPUS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

Json = dict[str, Any]


def byte_level_bpe(size: int = 640, **options: Any) -> Json:
    """A BPE over GPT-2's alphabet of bytes.

    It is trained without any splitting, so its merges cross every border that a pre-tokenizer
    draws: a border drawn elsewhere changes the ids.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=6,
        show_progress=False,
    )
    tokenizer.train_from_iterator([*CORPUS, *BORDERS * 3], trainer)
    return {**json.loads(tokenizer.to_str())["model"], **options}


def byte_fallback_bpe(**options: Any) -> Json:
    """A BPE over characters that spells what it lacks in bytes, as SentencePiece's are converted.

    It is trained on Latin letters alone: the other scripts fall back.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.train_from_iterator(
        CORPUS[:3], trainers.BpeTrainer(vocab_size=160, show_progress=False)
    )
    model: Json = json.loads(tokenizer.to_str())["model"]
    trained = sorted(model["vocab"], key=model["vocab"].get)
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *trained]
    vocab = {name: number for number, name in enumerate(names)}
    flags = {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True}
    return {**model, **flags, "vocab": vocab, **options}


def pieces(words: Sequence[str], size: int) -> list[tuple[str, int]]:
    """The commonest parts of words with their counts; single characters all come along.

    The trainers of Unigram and WordPiece find others from run to run.
    """
    counts = Counter(
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 1, min(start + 5, len(word)) + 1)
    )
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1] * len(entry[0]), entry[0]))
    return ranked[:size] + [entry for entry in ranked[size:] if len(entry[0]) == 1]


def unigram(byte_fallback: bool) -> Json:
    words = ["▁" + word for text in CORPUS[:4] for word in text.split()]
    found = pieces(words, 180)
    total = sum(count for _, count in found)
    vocab: list[list[Any]] = [[special, 0.0] for special in ("<pad>", "</s>", "<unk>")]
    vocab += [[piece, round(math.log(count / total), 3)] for piece, count in found]
    if byte_fallback:
        vocab += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    return {"type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": byte_fallback}


def word_piece() -> Json:
    words = [word.lower() for text in CORPUS[:4] for word in text.split()]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for piece, _ in pieces(words, 120):
        names += [piece, f"##{piece}"]
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {name: number for number, name in enumerate(names)},
    }


def metaspace_bpe() -> Json:
    """A BPE over characters that knows no bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return dict(json.loads(tokenizer.to_str())["model"])
