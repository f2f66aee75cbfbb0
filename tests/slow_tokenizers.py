"""Tiny models with the files of slow tokenizers, trained on the manual. Needs `sentencepiece`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_models import write_model

MANUAL = Path(__file__).parents[1] / "content"
VOCAB = 720  # rows of the models; every tokenizer here has fewer tokens


def text() -> list[str]:
    files = sorted(MANUAL.glob("*.md"))
    return [line for file in files for line in file.read_text("utf-8").splitlines() if line]


def sentencepiece(path: Path, **options: Any) -> None:
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(text()),
        model_writer=model,
        vocab_size=700,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    path.write_bytes(model.getvalue())


def llama(folder: Path) -> None:
    """BPE with bytes for what it lacks."""
    options = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    bpe = {"model_type": "bpe", "byte_fallback": True, "character_coverage": 0.99}
    sentencepiece(folder / "tokenizer.model", **bpe, **options)


def xglm(folder: Path) -> None:
    """Unigram, with a compiled character map."""
    sentencepiece(folder / "sentencepiece.bpe.model", model_type="unigram")


def gpt2(folder: Path, size: int = 700) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(text(), trainer)
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt


def bert(folder: Path) -> None:
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(text(), vocab_size=700, show_progress=False)
    tokenizer.save_model(str(folder))  # vocab.txt


# Kind → the class that reads it, and what writes its files.
KINDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "llama": ("LlamaTokenizer", llama),
    "xglm": ("XGLMTokenizer", xglm),
    "gpt2": ("GPT2Tokenizer", gpt2),
    "bert": ("BertTokenizer", bert),
}


def write_slow(folder: Path, kind: str, **configuration: Any) -> Path:
    """A tiny Llama with a slow tokenizer; returns its folder."""
    write_model(folder, vocab_size=VOCAB)
    tokenizer_class, write = KINDS[kind]
    make_slow(folder, write)
    values = {"tokenizer_class": tokenizer_class, **configuration}
    (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def make_slow(folder: Path, write: Callable[[Path], None]) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    write(folder)
