"""What a tokenizer's pieces need of each other, and the tokenizer with fewer of them.

Three algorithms cut text into pieces. For each, this module knows which pieces must never go (its
`floor`) and which others a kept piece cannot do without (its `parts`). Together they hold a
promise, for any set of kept pieces that includes the floor and the parts of each:

    1. A text that the whole tokenizer cuts into kept pieces alone is cut into the same pieces.
    2. Any other text is still cut into pieces that spell it, where the whole tokenizer's did.

Why this is so stands with each class. What surrounds the algorithm (normalizer, pre-tokenizer,
added tokens) stays as it is, so both tokenizers see the same words.

What is implemented here follows the `tokenizers` library 0.22, `tokenizers/src/models/*`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sitegen.errors import ModelError

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The pieces that spell a character which has none of its own, one for each byte of its UTF-8."""


class Pieces(ABC):
    """The `model` of a tokenizer.json. Ids are those of the whole tokenizer."""

    def __init__(self, model: Mapping[str, Any], tokens: Iterable[tuple[str, int]]):
        self.model = model
        self.tokens = {id: token for token, id in tokens}
        self.ids = {token: id for id, token in self.tokens.items()}

    @abstractmethod
    def floor(self) -> set[int]:
        """The pieces that are never dropped."""

    def parts(self, id: int) -> set[int]:
        """The pieces that a text passes through on its way to this one, itself included."""
        return {id}

    @abstractmethod
    def by_use(self) -> Sequence[int]:
        """All pieces, those that the tokenizer's own training found most useful first."""

    def spelled(self, id: int) -> bytes:
        """The bytes of text that the piece stands for."""
        return self.tokens[id].encode()

    @abstractmethod
    def keeping(self, new: Mapping[int, int]) -> dict[str, Any]:
        """The `model` with the pieces of `new` alone, old id → new id."""

    def _vocabulary(self, new: Mapping[int, int]) -> dict[str, int]:
        return {self.tokens[id]: new[id] for id in sorted(self.tokens) if id in new}

    def _characters(self) -> set[int]:
        return {id for id, token in self.tokens.items() if len(token) == 1}

    def _unknown(self) -> set[int]:
        id = self.ids.get(self.model.get("unk_token") or "")
        return set() if id is None else {id}


class Bpe(Pieces):
    """Byte-pair encoding, https://arxiv.org/abs/1508.07909: of all neighbouring pieces that have a
    merge, the two whose merge stands first in the list become one, the leftmost where that is
    equal; and so on until no neighbours have a merge.

    The promise. Let a word end as kept pieces. No merge ever crossed the border of one of them, so
    those inside it are exactly the merges of its string taken alone: `parts` finds them by cutting
    that string alone, and what they make is kept, and so are the characters they start from. The
    smaller tokenizer has these merges, in the same order, and no merge that the whole one lacks.
    So it starts from the same characters, and by induction both do the same at each step: the
    whole tokenizer's choice is there, and fewer others compete with it. In the end the whole one
    finds no merge, and the smaller one cannot find more. Removing merges never lets another one
    win on such a text, because the winner is never among those removed.

    For any other word, pieces only ever join neighbours: they spell what its characters spell. A
    character that is dropped is spelled by its bytes; where there are no pieces for bytes, no
    character is dropped. In byte-level tokenizers the characters are the 256 bytes.

    `ignore_merges` takes a word that is a piece at once; it is the same piece in both, and a word
    that is none in the whole tokenizer is none in the smaller one.
    """

    def __init__(self, model: Mapping[str, Any], byte_level: bool):
        super().__init__(model, model["vocab"].items())
        self._bytes = _byte_values() if byte_level else {}
        pairs = [each.split(" ", 1) if isinstance(each, str) else each for each in model["merges"]]
        self._merges = [(self.ids[left], self.ids[right]) for left, right in pairs]
        self._made = [self.ids[left + right] for left, right in pairs]
        # Of a merge that is listed twice, the library keeps the last.
        self._ranks: dict[tuple[int | None, int | None], int] = {
            pair: rank for rank, pair in enumerate(self._merges)
        }

    def floor(self) -> set[int]:
        floor = self._unknown()
        if self.model.get("byte_fallback") and all(token in self.ids for token in BYTES):
            return floor | {self.ids[token] for token in BYTES}
        return floor | self._characters()

    def parts(self, id: int) -> set[int]:
        word = [self.ids.get(character) for character in self.tokens[id]]
        used, never = {id, *(part for part in word if part is not None)}, len(self._merges)
        while len(word) > 1:
            ranks = [self._ranks.get(pair, never) for pair in pairwise(word)]
            rank = min(ranks)
            if rank == never:
                break  # no text becomes this piece by merging
            at = ranks.index(rank)
            word[at : at + 2] = [self._made[rank]]
            used.add(self._made[rank])
        return used

    def by_use(self) -> Sequence[int]:
        """Training adds the merge that shortens its text most, one after the other."""
        first: dict[int, int] = {}
        for rank, id in enumerate(self._made):
            first.setdefault(id, rank)
        return sorted(self.tokens, key=lambda id: (first.get(id, len(self._made)), id))

    def spelled(self, id: int) -> bytes:
        token = self.tokens[id]
        if self._bytes and all(character in self._bytes for character in token):
            return bytes(self._bytes[character] for character in token)
        return token.encode()

    def keeping(self, new: Mapping[int, int]) -> dict[str, Any]:
        merges = [
            merge
            for merge, pair, made in zip(
                self.model["merges"], self._merges, self._made, strict=True
            )
            if made in new and all(id in new for id in pair)
        ]
        return {**self.model, "vocab": self._vocabulary(new), "merges": merges}


class Unigram(Pieces):
    """https://arxiv.org/abs/1804.10959: of all ways to cut a text into pieces, the one whose scores
    have the largest sum. A character without a piece counts as unknown, at a score 10 below the
    least of all pieces; so the piece of least score stays, and sums are rounded as they were.

    The promise. Fewer pieces leave fewer ways, each with the sum it had, and no new one: all
    characters that have a piece keep it, so none becomes unknown. The best way, if it is still
    there, is the best one still; of equally good ones the library takes the one whose last piece
    starts first, and so on back to the first, which fewer ways do not change. Where the best way is
    gone, its dropped pieces can be spelled by their characters: none of them is unknown, because
    only characters that have a piece of their own occur in pieces. (A vocabulary in which this is
    not so is refused; those that SentencePiece trains are as it should be.)

    Characters stay even where `byte_fallback` could spell them: a few thousand at most.
    """

    def __init__(self, model: Mapping[str, Any], added: set[str], where: Path):
        self._scores = [float(score) for _, score in model["vocab"]]
        names = [str(token) for token, _ in model["vocab"]]
        super().__init__(model, zip(names, range(len(names)), strict=True))
        spelled = set(names) - added - set(BYTES) - {self._name(model)}
        _require_characters(spelled, set(names), "", where)

    @staticmethod
    def _name(model: Mapping[str, Any]) -> str | None:
        unknown = model.get("unk_id")
        return None if unknown is None else str(model["vocab"][unknown][0])

    def floor(self) -> set[int]:
        floor = self._characters() | {self.ids[token] for token in BYTES if token in self.ids}
        floor.add(min(self.tokens, key=lambda id: self._scores[id]))
        unknown = self.model.get("unk_id")
        return floor if unknown is None else floor | {unknown}

    def by_use(self) -> Sequence[int]:
        return sorted(self.tokens, key=lambda id: (-self._scores[id], id))

    def keeping(self, new: Mapping[int, int]) -> dict[str, Any]:
        unknown = self.model.get("unk_id")
        return {
            **self.model,
            "vocab": [entry for id, entry in enumerate(self.model["vocab"]) if id in new],
            "unk_id": None if unknown is None else new[unknown],
        }


class WordPiece(Pieces):
    """https://arxiv.org/abs/1609.08144: the longest piece that begins the word, then the longest
    that continues it ("##ing"), and so on; where none does, the whole word is unknown.
    (No word holds the prefix "##" itself: pre-tokenizers cut it off.)

    The promise. The longest of all pieces that fit, if it is kept, is the longest of the kept ones.
    Every character of a piece, as a beginning or as a continuation, has a piece of its own, which
    is never dropped (a vocabulary in which this is not so is refused; trainers make none). So a
    word is unknown to either tokenizer exactly when it has a character, in its place, that none of
    their pieces has; and any other word is spelled.
    """

    def __init__(self, model: Mapping[str, Any], added: set[str], where: Path):
        super().__init__(model, model["vocab"].items())
        self._prefix = str(model.get("continuing_subword_prefix", "##"))
        names = set(self.ids)
        known = added | {str(model.get("unk_token"))}
        _require_characters(names - known, names, self._prefix, where)

    def floor(self) -> set[int]:
        single = {
            id for id, token in self.tokens.items() if len(token.removeprefix(self._prefix)) == 1
        }
        return single | self._characters() | self._unknown()

    def by_use(self) -> Sequence[int]:
        """Trainers write the vocabulary in the order in which they found it."""
        return sorted(self.tokens)

    def spelled(self, id: int) -> bytes:
        return self.tokens[id].removeprefix(self._prefix).encode()

    def keeping(self, new: Mapping[int, int]) -> dict[str, Any]:
        return {**self.model, "vocab": self._vocabulary(new)}


def read(tokenizer: Mapping[str, Any], where: Path) -> Pieces:
    """The pieces of a tokenizer.json; raises ModelError for a kind that cannot be made smaller."""
    model = tokenizer["model"]
    added = {token["content"] for token in tokenizer.get("added_tokens") or ()}
    kind = model.get("type") or _kind(model)
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if kind == "BPE" and model.get(key):
            raise refusal(f"`{key}` makes a piece depend on its place in the word", where)
    if kind == "BPE":
        return Bpe(model, _is_byte_level(tokenizer))
    if kind == "Unigram":
        return Unigram(model, added, where)
    if kind == "WordPiece":
        return WordPiece(model, added, where)
    raise refusal(f"its kind is {kind}; known are BPE, Unigram and WordPiece", where)


def _kind(model: Mapping[str, Any]) -> str:
    """The kind of a model in a file that is too old to name it."""
    if isinstance(model["vocab"], list):
        return "Unigram"
    if "merges" in model:
        return "BPE"
    return "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"


def _require_characters(tokens: Iterable[str], names: set[str], prefix: str, where: Path) -> None:
    """Raises ModelError when a token holds a character that has no token of its own."""
    missing = set()
    for token in tokens:
        inner = bool(prefix) and token.startswith(prefix) and token != prefix
        for place, character in enumerate(token.removeprefix(prefix) if inner else token):
            missing.add(f"{prefix}{character}" if inner or place else character)
    missing -= names
    if missing:
        some = ", ".join(sorted(missing)[:3])
        raise refusal(f"{len(missing)} of its characters are no tokens themselves ({some})", where)


def refusal(reason: str, where: Path) -> ModelError:
    """What is said of a tokenizer that must stay whole."""
    return ModelError(
        f"the vocabulary of this tokenizer cannot be pruned: {reason}",
        where=where,
        hint="Remove `vocabulary` from this model.",
    )


def _is_byte_level(tokenizer: Mapping[str, Any]) -> bool:
    """Whether the characters of pieces stand for bytes, as GPT-2 began to write them."""

    def found(step: Any) -> bool:
        if not isinstance(step, dict):
            return False
        inner = [*step.get("pretokenizers", ()), *step.get("normalizers", ())]
        return step.get("type") == "ByteLevel" or any(found(each) for each in inner)

    return found(tokenizer.get("pre_tokenizer")) or found(tokenizer.get("normalizer"))


def _byte_values() -> dict[str, int]:
    """Character → byte, of the alphabet in which byte-level tokenizers write.

    https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode: a byte that prints
    in Latin-1 is written as itself, the others as the characters from U+0100 on.
    """
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {
        chr(0x100 + n): byte for n, byte in enumerate(others)
    }
