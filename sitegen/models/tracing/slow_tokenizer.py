"""A tokenizer.json for a model that was published without one, made by transformers.

Before there were fast tokenizers, models brought what the slow ones read: a SentencePiece model, or
a vocabulary with merges. transformers converts them; needs the extra `sitegen[optimum]`, and works
in a process of its own, see `process`. What comes out must cut text as the slow tokenizer does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sitegen.errors import ModelError
from sitegen.models.source import Source
from sitegen.models.source.files import NEEDED, slow_files
from sitegen.models.tracing import process
from sitegen.models.tracing.process import Say, library
from sitegen.models.verification.passages import PASSAGE

# transformers reads SentencePiece's files with the last two.
PACKAGES = ("transformers", "sentencepiece", "protobuf")
WORK = process.Work(
    "sitegen.models.tracing.slow_tokenizer",
    "the conversion of the tokenizer",
    "Close other programs, and build again.",
)
INSTEAD = (
    "Name a repository of the same model that has a tokenizer.json, or make one where you can "
    "check it: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` of transformers."
)

# What both tokenizers must cut alike. Left out is where conversions of SentencePiece are known to
# differ: space at the ends of a text, and several marks on one letter (see tokenizer-charsmap.js).
TEXTS = (
    PASSAGE,
    "def add(a, b):\n    return a + b  # 12345\n\tx[0] = {'k': 1_000.50}; /* ok */ a.b/?c=d%20e",
    "Don't, they'll, I'M: “quotes” — ½ ² ﬁ ① Ａ ｶﾞ ㍿",
    "Das Mädchen aß süße Äpfel. Élève, façade, naïve, e\u0301, Ωμέγα ΟΔΟΣ, Привет, İstanbul",
    "今天天气很好。東京は日本の首都です。𠀀 한국어 문장입니다.",
    "مرحبا بالعالم، كيف حالك؟ नमस्ते दुनिया। क्षत्रिय สวัสดีชาวโลก ١٢٣",
    "🦊🌍👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇩🇪 👍🏽 ❤\ufe0f",
)


def with_tokenizer(source: Source, folder: Path, say: Say) -> tuple[Source, Mapping[str, str]]:
    """The model with a tokenizer.json, and the packages that made it, none where it had one.

    folder: where it is made. Raises ModelError when the extra is not installed, and when
    transformers cannot convert the tokenizer or makes another one of it.
    """
    packages = require_tokenizer(source)
    if not packages:
        return source, {}
    say(f"converting the tokenizer: {', '.join(slow_files(source.files))}")
    names: list[str] = WORK.do(source.files, folder, source.folder, say)
    made = {name: folder / name for name in names}
    return dataclasses.replace(source, files={**source.files, **made}), packages


def require_tokenizer(source: Source) -> Mapping[str, str]:
    """The packages that will make a tokenizer.json, none where there is one.

    Raises ModelError when they are not installed.
    """
    if "tokenizer.json" in source.files:
        return {}
    packages = process.versions(PACKAGES)
    if not packages:
        slow = ", ".join(slow_files(source.files))
        raise ModelError(
            f"the model has no tokenizer.json, the file that {NEEDED['tokenizer.json']}; it has "
            f"{slow}, which transformers can convert",
            where=source.folder,
            hint=f"Let the build convert it: {process.INSTALL}",
        )
    return packages


# In the other process


def _convert(model: Path, folder: Path, say: Say) -> list[str]:
    """Write tokenizer.json and tokenizer_config.json into `folder`; returns their names."""
    say("starting transformers")
    from transformers import AutoTokenizer

    local = {"local_files_only": True, "trust_remote_code": False}
    with library("transformers cannot read the tokenizer"):
        slow = AutoTokenizer.from_pretrained(model, use_fast=False, **local)
    if slow is False:  # which is how it says so
        [name, *_] = slow_files([path.name for path in model.iterdir()])
        raise ModelError(
            f"transformers cannot read the tokenizer: {name} is damaged, or no SentencePiece model",
            hint=INSTEAD,
        )
    with library(f"transformers cannot convert this {type(slow).__name__}"):
        fast = AutoTokenizer.from_pretrained(model, use_fast=True, **local)
    if not fast.is_fast:
        raise ModelError(f"transformers knows no fast form of {type(slow).__name__}")
    fast.backend_tokenizer.save(str(folder / "tokenizer.json"))
    _check(slow, folder / "tokenizer.json")
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(_config(model, fast), ensure_ascii=False), encoding="utf-8")
    return ["tokenizer.json", config.name]


def _config(model: Path, fast: Any) -> dict[str, Any]:
    """The model's tokenizer_config.json with the special tokens that its class names by itself."""
    path = model / "tokenizer_config.json"
    own = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    named = {key: getattr(fast, key) for key in ("bos_token", "eos_token")}
    return {**named, **{key: value for key, value in own.items() if value is not None}}


def _check(slow: Any, path: Path) -> None:
    """Raise ModelError where a tokenizer.json does not give the ids of the slow tokenizer."""
    from tokenizers import Tokenizer

    if slow.is_fast:
        raise ModelError(
            f"transformers has no slow tokenizer to hold the converted one against, only "
            f"{type(slow).__name__}",
            hint=INSTEAD,
        )
    converted = Tokenizer.from_file(str(path))
    for text in TEXTS:
        expected, found = slow.encode(text), converted.encode(text).ids
        if found != expected:
            at = len(os.path.commonprefix([expected, found]))
            raise ModelError(
                f"the tokenizer that transformers made of {type(slow).__name__} gives other "
                f"tokens: {found[at:][:4]} instead of {expected[at:][:4]} in {text[:24]!r}",
                hint=f"Nothing was exported. {INSTEAD}",
            )


if __name__ == "__main__":
    process.answer(sys.argv[1], _convert)
