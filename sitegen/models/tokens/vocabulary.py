"""A model without the tokens that its author's languages never use.

Embedding and head have a row for each token: a fifth to more than half of a small model's weights.
`prune` decides which tokens stay, and writes the model's text files again for them, so that what
follows sees a model with a smaller vocabulary; `Pruned.kept` says which rows are left.

Tokens are kept, never made, and no weight changes: on the same text, the logits of the tokens that
stay are the original's. What `pieces` promises holds for every text in the scripts that stay.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sitegen.errors import ModelError
from sitegen.models.fields import read_json
from sitegen.models.tokens import scripts
from sitegen.models.tokens.pieces import Pieces, read, refusal
from sitegen.models.tokens.sample import Sample
from sitegen.models.tokens.template import texts_of
from sitegen.models.tokens.tokenizer import read_text

CONFIGURATIONS = ("config.json", "generation_config.json", "tokenizer_config.json")
"""The files beside tokenizer.json that hold token ids: `eos_token_id`, `pad_token_id`, …"""
UNREAD = frozenset(
    {
        "bad_words_ids",
        "begin_suppress_tokens",
        "force_words_ids",
        "forced_decoder_ids",
        "sequence_bias",
        "suppress_tokens",
    }
)
"""Lists of token ids that nothing here reads: left out rather than left wrong."""


@dataclass(frozen=True)
class Pruned:
    files: Mapping[str, Path]
    """A model's files by name; those that hold token ids are copies with the new ones."""
    kept: NDArray[np.int64]
    """(new vocabulary,): the old id of each token, which is its row in embedding and head."""
    rows: int
    """Of embedding and head in the original, padding included."""
    scripts: tuple[str, ...]
    """What was kept, by Unicode's names."""
    share: float
    """Of the sample's tokens, those that scripts and size keep; the others stay because the sample
    uses them. About so much of a new text of the same sort is cut as before."""

    def sentence(self) -> str:
        rest = "" if self.share == 1 else " and the rest of it"
        return (
            f"the vocabulary keeps {len(self.kept):,} of {self.rows:,} tokens: "
            f"{', '.join(self.scripts)}, {self.share:.2%} of what the sample text uses{rest}"
        )


def prune(
    files: Mapping[str, Path], rows: int, size: int | None, sample: Sample, folder: Path
) -> Pruned:
    """Choose the tokens that stay, and write the files that hold token ids for them into `folder`.

    files: of the model, by name; rows: `vocab_size` of config.json; size: at most so many tokens,
    where those that must stay and those of the sample leave room.
    Raises ModelError for a tokenizer that cannot be pruned.
    """
    path = files["tokenizer.json"]
    text = read_text(files, rows)
    said = text.encode(["Hello."])  # raises where the library cannot read the tokenizer
    tokenizer, whole = read_json(path), _load(path)
    pieces = read(tokenizer, path)
    added = {token["content"]: int(token["id"]) for token in tokenizer.get("added_tokens") or ()}
    if whole.get_vocab() != {**pieces.ids, **added}:
        raise refusal("its added tokens have other ids than they get when it is loaded", path)
    configurations = {name: read_json(files[name]) for name in CONFIGURATIONS if name in files}

    said += _encode(whole, texts_of(text.chat_template))
    must = pieces.floor() | set(added.values()) | {id for ids in said for id in ids}
    must |= set(_processed(tokenizer.get("post_processor")))
    must |= {id for value in configurations.values() for id in _named(value) if id < rows}
    used = {id for ids in _encode(whole, sample.bound) for id in ids}
    writing = scripts.Writing(sample.scripts)
    wanted = [id for id in pieces.by_use() if writing.may_hold(pieces.spelled(id))]
    parts = functools.cache(lambda id: pieces.parts(id) if id in pieces.tokens else {id})
    kept = _filled(must | used, wanted, size, parts)
    new = _numbered(kept, pieces, added.values())

    written = dict(files)
    changed = {name: _renumbered(value, new, rows) for name, value in configurations.items()}
    for name, value in {**changed, "tokenizer.json": _smaller(tokenizer, pieces, new)}.items():
        written[name] = folder / name
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        written[name].write_text(compact, encoding="utf-8")
    _verify(whole, _load(written["tokenizer.json"]), new, sample.texts)

    by_rule = _filled(must, wanted, size, parts)
    counts = Counter(id for ids in _encode(whole, sample.texts) for id in ids)
    return Pruned(
        files=written,
        kept=np.fromiter(new, np.int64, len(new)),
        rows=rows,
        scripts=tuple(sorted(scripts.name(code) for code in sample.scripts)),
        share=sum(counts[id] for id in by_rule) / max(counts.total(), 1),
    )


def _load(path: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _encode(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [list(encoding.ids) for encoding in found]


def _filled(
    start: Iterable[int],
    wanted: Iterable[int],
    size: int | None,
    parts: Callable[[int], set[int]],
) -> set[int]:
    """`start`, then `wanted` in order while there is room, each with its `parts`."""
    kept = {part for id in start for part in parts(id)}
    for id in wanted:
        if id not in kept:
            more = parts(id) - kept
            if size is not None and len(kept) + len(more) > size:
                break
            kept |= more
    return kept


def _numbered(kept: Collection[int], pieces: Pieces, added: Collection[int]) -> dict[int, int]:
    """Old id → new id, in the order of the new ones.

    The old order; but the `tokenizers` library numbers an added token that is not in the model's
    own vocabulary after all that are, and ids that only a configuration names come last.
    """
    order = sorted(kept, key=lambda id: (id not in pieces.tokens, id not in added, id))
    return {old: id for id, old in enumerate(order)}


def _smaller(tokenizer: Mapping[str, Any], pieces: Pieces, new: Mapping[int, int]) -> Any:
    """The tokenizer.json with the tokens of `new` alone."""
    padding = tokenizer.get("padding")
    if padding is not None:
        padding = {**padding, "pad_id": new.get(padding.get("pad_id"), 0)}
    return {
        **tokenizer,
        "model": pieces.keeping(new),
        "added_tokens": [
            {**token, "id": new[token["id"]]} for token in tokenizer.get("added_tokens") or ()
        ],
        "post_processor": _reprocessed(tokenizer.get("post_processor"), new),
        "padding": padding,
    }


def _processed(step: Any) -> Iterator[int]:
    """The ids of the tokens that a post-processor adds."""
    if isinstance(step, dict):
        for inner in step.get("processors", ()):
            yield from _processed(inner)
        for token in (step.get("special_tokens") or {}).values():
            yield from token["ids"]
        for key in ("sep", "cls"):
            if key in step:
                yield step[key][1]


def _reprocessed(step: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with the new ids: TemplateProcessing, Bert- or RobertaProcessing, several
    of them in a Sequence; others hold none."""
    if not isinstance(step, dict):
        return step
    changed = dict(step)
    if "processors" in step:
        changed["processors"] = [_reprocessed(inner, new) for inner in step["processors"]]
    if "special_tokens" in step:
        changed["special_tokens"] = {
            name: {**token, "ids": [new[id] for id in token["ids"]]}
            for name, token in step["special_tokens"].items()
        }
    for key in ("sep", "cls"):
        if key in step:
            changed[key] = [step[key][0], new[step[key][1]]]
    return changed


def _names_ids(key: str) -> bool:
    return key.endswith(("_token_id", "_token_ids"))


def _named(values: Mapping[str, Any]) -> Iterator[int]:
    """The token ids that a configuration names."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _named(value)
        elif _names_ids(key):
            ids = value if isinstance(value, list) else [value]
            yield from (id for id in ids if type(id) is int and id >= 0)


def _renumbered(values: Mapping[str, Any], new: Mapping[int, int], rows: int) -> dict[str, Any]:
    """A configuration with the new ids and number of tokens; `rows`: the old number."""

    def moved(id: Any) -> Any:
        return new.get(id, id) if type(id) is int else id

    changed: dict[str, Any] = {}
    for key, value in values.items():
        if key in UNREAD:
            continue
        if key == "added_tokens_decoder" and isinstance(value, dict):
            ids = {int(old): token for old, token in value.items() if old.isdecimal()}
            value = {str(new[old]): ids[old] for old in sorted(ids) if old in new}
        elif isinstance(value, dict):
            value = _renumbered(value, new, rows)
        elif key == "vocab_size" and value == rows:
            value = len(new)
        elif _names_ids(key):
            value = [moved(id) for id in value] if isinstance(value, list) else moved(value)
        changed[key] = value
    return changed


def _verify(
    whole: Tokenizer, smaller: Tokenizer, new: Mapping[int, int], texts: Sequence[str]
) -> None:
    """Hold the smaller tokenizer against the whole one on the sample; raises ModelError."""
    vocabulary = {token: new[id] for token, id in whole.get_vocab().items() if id in new}
    same = smaller.get_vocab() == vocabulary
    for before, after in zip(_encode(whole, texts), _encode(smaller, texts), strict=True):
        if all(id in new for id in before):
            same = same and [new[id] for id in before] == after
    if not same:
        raise ModelError(
            "the pruned tokenizer cuts the sample text into other tokens than the model's own",
            hint="Nothing was published. Remove `vocabulary`, and report it as a bug of sitegen.",
        )
