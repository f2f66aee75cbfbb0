"""What of a tokenizer.json the browser does not make tokens with as Python does.

sitegen/runtime/tokenizer.js and decode.js know the parts listed here, and tests/runtime holds them
against the Python library. Anything else is refused: other tokens would be another model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

KNOWN = {
    "normalizer": frozenset(
        "BertNormalizer Lowercase NFC NFD NFKC NFKD Precompiled Prepend Replace Sequence Strip "
        "StripAccents".split()
    ),
    "pre_tokenizer": frozenset(
        "BertPreTokenizer ByteLevel Digits Metaspace Punctuation Sequence Split Whitespace "
        "WhitespaceSplit".split()
    ),
    "model": frozenset({"BPE", "Unigram", "WordPiece"}),
    "post_processor": frozenset(
        "BertProcessing ByteLevel RobertaProcessing Sequence TemplateProcessing".split()
    ),
    "decoder": frozenset(
        "BPEDecoder ByteFallback ByteLevel Fuse Metaspace Replace Sequence Strip WordPiece".split()
    ),
}
"""Stage → the values of `type` that are known."""
STEPS = ("normalizers", "pretokenizers", "processors", "decoders")
"""Where a `Sequence` of each stage keeps its parts."""
BEHAVIORS = frozenset({"Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"})
UNKNOWN_ESCAPES = frozenset(rf"\{letter}" for letter in "GKQRXYy") | {r"\p{^", r"\P{^"}
"""Of Oniguruma's: the browser's regular expressions have nothing of the kind."""


def unknown_parts(tokenizer: Mapping[str, Any]) -> list[str]:
    """The parts of a tokenizer.json that the browser does not know; [] when there are none."""
    return [part for stage in KNOWN for part in _unknown_in(stage, tokenizer.get(stage), stage)]


def _unknown_in(stage: str, part: Any, place: str) -> Iterator[str]:
    """place: how the part is reached, as in `pre_tokenizer.pretokenizers[1]`."""
    if part is None:
        return
    kind = part.get("type") if isinstance(part, Mapping) else None
    # Models of old files say their kind by their keys alone; the library finds it out.
    if kind not in KNOWN[stage] and not (stage == "model" and kind is None):
        yield f"`{place}` of type {kind!r}"
        return
    for key in STEPS:
        for number, step in enumerate(part.get(key) or ()):
            yield from _unknown_in(stage, step, f"{place}.{key}[{number}]")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if stage == "model" and kind != "WordPiece" and part.get(key):
            yield f"`{place}.{key}`"
    if stage == "pre_tokenizer" and "behavior" in part:
        behavior, merges = part["behavior"], "MergedWith" in str(part["behavior"])
        if behavior not in BEHAVIORS or (part.get("invert") and merges):
            yield f"`{place}.behavior` {behavior!r}" + (" inverted" if part.get("invert") else "")
    pattern = part.get("pattern")
    if isinstance(pattern, Mapping) and "String" not in pattern:
        # What is neither escaped nor in a class: there these are letters like others.
        source = str(pattern.get("Regex", "(?>"))
        regex = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", source)
        unknown = re.findall(r"[*+?]\+|\(\?>|\(\?[^:=!<i]|\(\?i[^:]", regex)
        unknown += UNKNOWN_ESCAPES.intersection(re.findall(r"\\(?:[pP]\{\^|.)", source))
        if unknown:
            yield f"{unknown[0]!r} in the regular expression of `{place}.pattern`"
    if "$" in str(part.get("content", "")):
        yield f"the `$` in `{place}.content`"  # JavaScript puts a match in its place
