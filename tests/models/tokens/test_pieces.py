"""The promise of pruning: small tokenizers of every kind, and all short texts in their letters."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from sitegen.errors import ModelError
from sitegen.models.tokens.pieces import BYTES, Pieces, read

HERE = Path("tokenizer.json")
LETTERS = "abc"
STRANGE = "xé"  # without a piece of their own
SHORT = ["".join(word) for n in range(1, 6) for word in itertools.product(LETTERS, repeat=n)]
MIXED = ["".join(word) for n in range(1, 4) for word in itertools.product("ab" + STRANGE, repeat=n)]

DECODER = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}


def tokenizer_json(model: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    values.setdefault("decoder", DECODER)
    return {"version": "1.0", "added_tokens": [], "model": model, **values}


def load(tokenizer: Mapping[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(tokenizer))


def closed(pieces: Pieces, chosen: Sequence[int]) -> dict[int, int]:
    kept = pieces.floor() | {part for id in chosen for part in pieces.parts(id)}
    return {old: new for new, old in enumerate(sorted(kept))}


def broken(tokenizer: dict[str, Any], new: Mapping[int, int], texts: Sequence[str]) -> list[str]:
    """Texts for which the smaller tokenizer does not do what `pieces` promises."""
    pieces = read(tokenizer, HERE)
    whole = load(tokenizer)
    smaller = load({**tokenizer, "model": pieces.keeping(new)})
    wrong = []
    pairs = zip(whole.encode_batch(list(texts)), smaller.encode_batch(list(texts)), strict=True)
    for text, (before, after) in zip(texts, pairs, strict=True):
        if all(id in new for id in before.ids):
            if after.ids != [new[id] for id in before.ids]:
                wrong.append(text)
        elif whole.decode(before.ids) != smaller.decode(after.ids):
            wrong.append(text)
    return wrong


# Byte-pair encoding


@st.composite
def bpe(draw: st.DrawFn, **options: Any) -> dict[str, Any]:
    """Up to 12 merges of whatever is there already, some making what another one makes, too."""
    tokens = list(LETTERS)
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(1, 12))):
        merge = (draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens)))
        if merge not in merges:
            merges.append(merge)
            if "".join(merge) not in tokens:
                tokens.append("".join(merge))
    merges = draw(st.permutations(merges))
    if options.get("byte_fallback"):
        tokens = ["<unk>", *BYTES, *tokens]
    elif options.get("unk_token"):
        tokens = ["<unk>", *tokens]
    vocab = {token: id for id, token in enumerate(tokens)}
    return tokenizer_json({"type": "BPE", "vocab": vocab, "merges": merges, **options})


BPE_OPTIONS: list[dict[str, Any]] = [
    {},
    {"ignore_merges": True},
    {"unk_token": "<unk>"},
    {"unk_token": "<unk>", "fuse_unk": True},
    {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
]


@pytest.mark.parametrize("options", BPE_OPTIONS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_byte_pair_encoding(options: dict[str, Any], data: st.DataObject) -> None:
    tokenizer = data.draw(bpe(**options))
    pieces = read(tokenizer, HERE)
    new = closed(pieces, data.draw(st.lists(st.sampled_from(list(pieces.tokens)))))
    assert broken(tokenizer, new, SHORT + MIXED) == []


def test_without_the_parts_of_a_piece_the_promise_would_not_hold() -> None:
    """abc is made of ab and c. ab is no piece of the text "abc", but without it there is no abc."""
    vocab = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}
    merges = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]
    tokenizer = tokenizer_json({"type": "BPE", "vocab": vocab, "merges": merges})
    pieces = read(tokenizer, HERE)
    assert pieces.parts(5) == {0, 1, 2, 3, 5}
    without = {0: 0, 1: 1, 2: 2, 5: 3}
    assert broken(tokenizer, without, SHORT)
    assert broken(tokenizer, closed(pieces, [5]), SHORT) == []


def test_a_piece_no_text_becomes_needs_only_its_characters() -> None:
    """a+b comes first, so that no text becomes abc by a+bc."""
    vocab = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}
    tokenizer = tokenizer_json(
        {"type": "BPE", "vocab": vocab, "merges": ["a b", "b c", "a bc"], "ignore_merges": True}
    )
    assert read(tokenizer, HERE).parts(5) == {0, 1, 2, 3, 5}
    assert broken(tokenizer, closed(read(tokenizer, HERE), [5]), SHORT) == []


def test_a_merge_listed_twice_has_its_last_place() -> None:
    vocab = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}
    merges = [["a", "b"], ["b", "c"], ["a", "bc"], ["a", "b"]]
    tokenizer = tokenizer_json({"type": "BPE", "vocab": vocab, "merges": merges})
    assert load(tokenizer).encode("abc").ids == [5]
    assert read(tokenizer, HERE).parts(5) == {0, 1, 2, 4, 5}


def test_merges_keep_their_form() -> None:
    vocab = {"a": 0, "b": 1, "ab": 2, "ba": 3}
    for merges in (["a b", "b a"], [["a", "b"], ["b", "a"]]):
        model = {"type": "BPE", "vocab": vocab, "merges": merges, "dropout": None}
        pieces = read(tokenizer_json(model), HERE)
        assert pieces.keeping({0: 0, 1: 1, 3: 2}) == {
            "type": "BPE",
            "vocab": {"a": 0, "b": 1, "ba": 2},
            "merges": merges[1:],
            "dropout": None,
        }


def test_characters_may_go_only_where_all_bytes_are_there() -> None:
    vocab = {token: id for id, token in enumerate(["<unk>", "a", "é", *BYTES])}
    model = {"type": "BPE", "vocab": vocab, "merges": [], "unk_token": "<unk>"}
    everything = set(vocab.values())
    assert read(tokenizer_json({**model, "byte_fallback": True}), HERE).floor() == everything - {
        vocab["a"],
        vocab["é"],
    }
    del vocab["<0x41>"]
    floor = read(tokenizer_json({**model, "byte_fallback": True}), HERE).floor()
    assert floor == {vocab[token] for token in ("<unk>", "a", "é")}


def test_byte_level_pieces_stand_for_bytes() -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: id for id, letter in enumerate(letters)} | {"Ġâ": 256, "<|end|>": 257}
    tokenizer = tokenizer_json(
        {"type": "BPE", "vocab": vocab, "merges": []}, pre_tokenizer={"type": "ByteLevel"}
    )
    pieces = read(tokenizer, HERE)
    assert pieces.floor() == set(range(256))
    assert {pieces.spelled(id) for id in range(256)} == {bytes([byte]) for byte in range(256)}
    assert pieces.spelled(256) == b" \xe2"
    assert pieces.spelled(257) == b"<|end|>"


# Unigram


@st.composite
def unigram(draw: st.DrawFn) -> dict[str, Any]:
    words = st.text(LETTERS, min_size=2, max_size=4)
    tokens = ["<unk>", *LETTERS, *draw(st.lists(words, unique=True, max_size=12))]
    # Few different scores: many ways to cut a text are equally good.
    score = st.sampled_from([-1.0, -2.0, -3.0, -4.5, -12.0, -40.0])
    vocab = [[token, draw(score)] for token in tokens]
    return tokenizer_json({"type": "Unigram", "unk_id": 0, "vocab": vocab})


@given(tokenizer=unigram(), data=st.data())
@settings(max_examples=80, deadline=None)
def test_unigram(tokenizer: dict[str, Any], data: st.DataObject) -> None:
    pieces = read(tokenizer, HERE)
    new = closed(pieces, data.draw(st.lists(st.sampled_from(list(pieces.tokens)))))
    assert broken(tokenizer, new, SHORT + MIXED) == []


def test_the_least_score_stays_because_unknown_characters_are_priced_by_it() -> None:
    vocab = [["<unk>", 0.0], ["a", -1.0], ["b", -1.0], ["ab", -2.0], ["bb", -50.0]]
    pieces = read(tokenizer_json({"type": "Unigram", "unk_id": 0, "vocab": vocab}), HERE)
    assert pieces.floor() == {0, 1, 2, 4}


def test_the_unknown_piece_is_renumbered() -> None:
    vocab = [["ab", -2.0], ["a", -1.0], ["<unk>", 0.0], ["b", -1.0]]
    tokenizer = tokenizer_json({"type": "Unigram", "unk_id": 2, "vocab": vocab})
    pieces = read(tokenizer, HERE)
    new = closed(pieces, [])
    assert 0 in new  # of least score
    vocab[0][1], vocab[1][1] = -1.0, -2.0
    pieces = read(tokenizer, HERE)
    assert pieces.keeping(closed(pieces, []))["unk_id"] == 1
    assert broken(tokenizer, closed(pieces, []), [*SHORT, "axb"]) == []


# WordPiece


@st.composite
def wordpiece(draw: st.DrawFn) -> dict[str, Any]:
    words = st.text(LETTERS, min_size=2, max_size=4)
    letters = draw(st.sets(st.sampled_from(LETTERS), min_size=1))
    begins = draw(st.lists(words, unique=True, max_size=8))
    inner = draw(st.lists(words, unique=True, max_size=8))
    used = letters.union(*begins, *inner)
    tokens = ["[UNK]", *sorted(used), *(f"##{letter}" for letter in sorted(used))]
    tokens += [*begins, *(f"##{word}" for word in inner)]
    vocab = {token: id for id, token in enumerate(dict.fromkeys(tokens))}
    values = {"unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    model = {"type": "WordPiece", "vocab": vocab, "max_input_chars_per_word": 5, **values}
    decoder = {"type": "WordPiece", "prefix": "##", "cleanup": False}
    return tokenizer_json(model, decoder=decoder)


@given(tokenizer=wordpiece(), data=st.data())
@settings(max_examples=80, deadline=None)
def test_wordpiece(tokenizer: dict[str, Any], data: st.DataObject) -> None:
    pieces = read(tokenizer, HERE)
    new = closed(pieces, data.draw(st.lists(st.sampled_from(list(pieces.tokens)))))
    assert broken(tokenizer, new, SHORT + MIXED) == []


def test_wordpiece_pieces_are_spelled_without_their_prefix() -> None:
    vocab = {token: id for id, token in enumerate(["[UNK]", "a", "##a", "##aa"])}
    pieces = read(tokenizer_json({"type": "WordPiece", "vocab": vocab, "unk_token": "[UNK]"}), HERE)
    assert [pieces.spelled(id) for id in (1, 2, 3)] == [b"a", b"a", b"aa"]
    assert pieces.floor() == {0, 1, 2}


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        (
            {
                "type": "BPE",
                "vocab": {"a": 0, "aba": 1, "b": 2, "ba": 3, "ab": 4},
                "merges": ["a b", "ab a", "b a", "a ba"],  # aba is first made by the second
            },
            ["ab", "aba", "ba", "a", "b"],
        ),
        (
            {
                "type": "Unigram",
                "vocab": [["a", -3.0], ["b", -1.0], ["ab", -2.5], ["ba", -1.0]],
                "unk_id": None,
            },
            ["b", "ba", "ab", "a"],
        ),
        (
            {"type": "WordPiece", "vocab": {"##a": 2, "a": 0, "aa": 1}, "unk_token": "a"},
            ["a", "aa", "##a"],
        ),
    ],
)
def test_the_most_useful_pieces_come_first(model: dict[str, Any], tokens: list[str]) -> None:
    pieces = read(tokenizer_json(model), HERE)
    assert [pieces.tokens[id] for id in pieces.by_use()] == tokens


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ({"vocab": {"a": 0}, "merges": []}, "Bpe"),
        ({"vocab": [["a", 0.0]], "unk_id": None}, "Unigram"),
        ({"vocab": {"a": 0}, "continuing_subword_prefix": "##"}, "WordPiece"),
    ],
)
def test_old_files_name_no_kind(model: dict[str, Any], kind: str) -> None:
    assert type(read(tokenizer_json(model), HERE)).__name__ == kind


# What is refused


def words(*tokens: str) -> dict[str, int]:
    return {token: id for id, token in enumerate(tokens)}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            {"type": "BPE", "vocab": words("a"), "merges": [], "end_of_word_suffix": "</w>"},
            "`end_of_word_suffix` makes a piece depend on its place in the word",
        ),
        (
            {"type": "WordLevel", "vocab": words("a"), "unk_token": "a"},
            "its kind is WordLevel; known are BPE, Unigram and WordPiece",
        ),
        (
            {"type": "WordPiece", "vocab": words("[UNK]", "a", "##b", "abc"), "unk_token": "[UNK]"},
            "1 of its characters are no tokens themselves (##c)",
        ),
        (
            {"type": "Unigram", "vocab": [["<unk>", 0], ["ab", -1], ["b", -1]], "unk_id": 0},
            "1 of its characters are no tokens themselves (a)",
        ),
    ],
)
def test_tokenizers_that_stay_whole(model: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError) as error:
        read(tokenizer_json(model), HERE)
    assert error.value.problem == f"the vocabulary of this tokenizer cannot be pruned: {reason}"
    assert error.value.hint == "Remove `vocabulary` from this model."
