"""Pruned vocabularies: what stays, how it is numbered, and that text is cut as before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sitegen.errors import ModelError
from sitegen.models.tokens.sample import Sample
from sitegen.models.tokens.scripts import Writing, codes
from sitegen.models.tokens.vocabulary import Pruned, prune

ORACLES = Path(__file__).parents[2] / "runtime" / "oracles"
ORACLE = json.loads((ORACLES / "tokenizers.json").read_text("utf-8"))
COMPILED = json.loads((ORACLES / "charsmaps.json").read_text("utf-8"))
TEXTS: list[str] = [text.encode(errors="replace").decode() for text in ORACLE["texts"]]
FAMILIES: dict[str, Any] = {
    each["name"]: each["tokenizer"] for each in [*ORACLE["families"], *COMPILED]
}


def with_cyrillic(tokenizer: Any) -> Any:
    """A tokenizer with byte fallback that has another script: м, и, р, ми, мир, ▁мир."""
    tokenizer = json.loads(json.dumps(tokenizer))
    vocab = tokenizer["model"]["vocab"]
    for token in ("м", "и", "р", "ми", "мир", "▁мир"):
        vocab[token] = len(vocab)
    tokenizer["model"]["merges"] += [["м", "и"], ["ми", "р"], ["▁", "мир"]]
    return tokenizer


FAMILIES["llama2_cyrillic"] = with_cyrillic(FAMILIES["llama2"])
PADDING = 64  # rows that no token belongs to


def write(folder: Path, tokenizer: Any, **files: Any) -> dict[str, Path]:
    """A model's text files. files: without `.json` → values."""
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    return {path.name: path for path in folder.iterdir()}


def rows(tokenizer: Any) -> int:
    return max(load(tokenizer).get_vocab().values()) + 1 + PADDING


def load(tokenizer: Any) -> Tokenizer:
    loaded = Tokenizer.from_str(json.dumps(tokenizer))
    loaded.no_padding()
    loaded.no_truncation()
    return loaded


def sample(*scripts: str, texts: Sequence[str] = (), bound: Sequence[str] = ()) -> Sample:
    return Sample(codes(scripts), tuple(bound), tuple(texts))


def pruned(
    folder: Path, tokenizer: Any, chosen: Sample, size: int | None = None, **files: Any
) -> Pruned:
    count = rows(tokenizer)
    configured = {"config": {"vocab_size": count}, **files}
    found = write(folder / "whole", tokenizer, **configured)
    (folder / "pruned").mkdir()
    return prune(found, count, size, chosen, folder / "pruned")


def read(result: Pruned, name: str) -> Any:
    return json.loads(result.files[f"{name}.json"].read_text("utf-8"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [None, 300])
def test_every_kind_of_tokenizer(tmp_path: Path, family: str, size: int | None) -> None:
    tokenizer = FAMILIES[family]
    result = pruned(tmp_path, tokenizer, sample("Latin"), size)
    whole, smaller = load(tokenizer), load(read(result, "tokenizer"))
    new = {old: id for id, old in enumerate(result.kept.tolist())}
    tokens = {token: new[id] for token, id in whole.get_vocab().items() if id in new}
    assert smaller.get_vocab() == tokens
    assert sorted(tokens.values()) == list(range(len(result.kept)))  # no holes, no padding
    same = 0
    for text in TEXTS:
        before, after = whole.encode(text), smaller.encode(text)
        if all(id in new for id in before.ids):
            assert after.ids == [new[id] for id in before.ids], text
            same += 1
        elif whole.decode(before.ids) == text:
            assert smaller.decode(after.ids) == text
    assert same > len(TEXTS) / 4


LATIN = Writing(codes(["Latin"]))
FOREIGN = {
    "gpt2": "今天天气很好",
    "llama3": "今天天气很好",
    "llama2_cyrillic": "мир",
    "gemma": None,  # holds no other script; the others' characters stay for want of bytes
    "t5": None,
    "xglm": None,
    "bert": None,
}


@pytest.mark.parametrize("family", FOREIGN)
def test_every_text_in_the_scripts_is_cut_as_before(tmp_path: Path, family: str) -> None:
    result = pruned(tmp_path, FAMILIES[family], sample("Latin"))
    whole = load(FAMILIES[family])
    kept = set(result.kept.tolist())

    @given(st.text(max_size=40))
    @settings(max_examples=200, deadline=None)
    @example("Élève, façade: naïve – “x” 12 🦊\n\tdef f(a):  # ½")
    def check(text: str) -> None:
        # Some shared characters are normalized to others: 〈 (U+2329) to the 〈 of East Asia.
        written = "".join(c for c in text if LATIN.holds(normalize("NFKD", c)))
        assert set(whole.encode(written).ids) <= kept

    check()
    assert FOREIGN[family] is None or not set(whole.encode(FOREIGN[family]).ids) <= kept


def test_characters_without_a_token_are_spelled_in_bytes(tmp_path: Path) -> None:
    tokenizer = FAMILIES["llama2_cyrillic"]
    result = pruned(tmp_path, tokenizer, sample("Latin"))
    smaller = load(read(result, "tokenizer"))
    assert load(tokenizer).encode("мир").tokens == ["<s>", "▁мир"]
    encoding = smaller.encode("мир")
    assert encoding.tokens[:4] == ["<s>", "▁", "<0xD0>", "<0xBC>"]
    assert smaller.decode(encoding.ids) == "мир"


def test_more_scripts_keep_more(tmp_path: Path) -> None:
    def kept(*scripts: str) -> set[int]:
        folder = tmp_path / "-".join(scripts)
        folder.mkdir()
        return set(pruned(folder, FAMILIES["gpt2"], sample(*scripts)).kept.tolist())

    whole = load(FAMILIES["gpt2"])
    latin, both = kept("Latin"), kept("Latin", "Cyrillic")
    assert latin < both < set(whole.get_vocab().values())
    assert set(whole.encode("Привет мир").ids) <= both
    assert set(whole.encode(" нам").ids) <= both - latin | set(range(256))


def test_a_size_keeps_the_commonest(tmp_path: Path) -> None:
    tokenizer = FAMILIES["gpt2"]
    result = pruned(tmp_path, tokenizer, sample("Latin"), 300)
    kept = set(result.kept.tolist())
    assert len(kept) == 300
    # 256 bytes and a special token; of the merges that Latin needs, the first.
    merged = ["".join(merge) for merge in tokenizer["model"]["merges"]]
    ids = [tokenizer["model"]["vocab"][token] for token in merged]
    ranks = [rank for rank, id in enumerate(ids) if id in kept]
    assert len(ranks) == 43
    assert max(ranks) < len(ids) / 3


def test_a_size_never_drops_what_must_stay(tmp_path: Path) -> None:
    line = "the fox said: today"
    result = pruned(tmp_path, FAMILIES["gpt2"], sample("Latin", bound=[line]), 256)
    ids = set(load(FAMILIES["gpt2"]).encode(line).ids)
    assert len(result.kept) > 257
    assert ids <= set(result.kept.tolist())


def test_what_the_sample_uses_stays_whatever_script_it_is_in(tmp_path: Path) -> None:
    tokenizer, line = FAMILIES["gpt2"], "a 今天天气很好 b"
    texts = [line, "plain words"]
    result = pruned(tmp_path, tokenizer, sample("Latin", texts=texts, bound=[line]))
    ids = load(tokenizer).encode(line).ids
    assert set(ids) <= set(result.kept.tolist())
    assert 0.3 < result.share < 1
    assert result.sentence() == (
        f"the vocabulary keeps {len(result.kept):,} of {rows(tokenizer):,} tokens: Latin, "
        f"{result.share:.2%} of what the sample text uses and the rest of it"
    )


def test_what_the_chat_template_says_stays(tmp_path: Path) -> None:
    tokenizer = FAMILIES["gpt2"]
    template = (
        "{% if tools %}今天{% endif %}{% for m in messages %}"
        "{{ '日本' if m.role == 'system' else ' мир' }}{{ m.content }}{% endfor %}"
    )
    result = pruned(
        tmp_path, tokenizer, sample("Latin"), tokenizer_config={"chat_template": template}
    )
    whole, kept = load(tokenizer), set(result.kept.tolist())
    assert all(set(whole.encode(text).ids) <= kept for text in ("今天", "日本", " мирHello."))
    assert not set(whole.encode("很好。東京は日本の首都").ids) <= kept


def test_every_id_is_renumbered(tmp_path: Path) -> None:
    tokenizer = FAMILIES["llama2"]
    vocab = tokenizer["model"]["vocab"]
    named, dropped, count = vocab["qu"], vocab["th"], rows(tokenizer)
    padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": named, "pad_token": "qu", "pad_type_id": 0}
    tokenizer = {**tokenizer, "padding": padding}
    result = pruned(
        tmp_path,
        tokenizer,
        sample("Cyrillic"),  # what follows the bytes moves up
        config={
            "vocab_size": count,
            "eos_token_id": [2, named, count - 1],
            "pad_token_id": -1,
            "text_config": {"vocab_size": count, "bos_token_id": count - 2},
            "audio_config": {"vocab_size": 7},
            "decoder_start_token_id": count,  # of no row
            "hidden_size": 2,
        },
        generation_config={"eos_token_id": 2, "suppress_tokens": [5], "top_k": 5},
        tokenizer_config={
            "added_tokens_decoder": {
                "2": {"content": "</s>"},
                str(named): {"content": "qu"},
                str(dropped): {"content": "th"},
            },
            "bos_token": "<s>",
        },
    )
    new = {old: id for id, old in enumerate(result.kept.tolist())}
    last = len(new) - 1
    assert last < len(vocab) - 20
    assert read(result, "config") == {
        "vocab_size": last + 1,
        "eos_token_id": [2, new[named], last],  # a row without a token, but named: it stays, last
        "pad_token_id": -1,
        "text_config": {"vocab_size": last + 1, "bos_token_id": last - 1},
        "audio_config": {"vocab_size": 7},
        "decoder_start_token_id": count,
        "hidden_size": 2,
    }
    assert new[named] < named
    assert result.kept[last - 1 :].tolist() == [count - 2, count - 1]
    assert read(result, "generation_config") == {"eos_token_id": 2, "top_k": 5}
    assert read(result, "tokenizer_config") == {
        "added_tokens_decoder": {"2": {"content": "</s>"}, str(new[named]): {"content": "qu"}},
        "bos_token": "<s>",
    }
    assert read(result, "tokenizer")["padding"]["pad_id"] == new[named]


@pytest.mark.parametrize("family", ["roberta", "llama3", "bert", "llama2"])
def test_tokens_that_are_put_around_a_text_are_renumbered(tmp_path: Path, family: str) -> None:
    """Also where they stand behind what is dropped."""
    tokenizer = json.loads(json.dumps(FAMILIES[family]))
    result = pruned(tmp_path, tokenizer, sample("Armenian"))
    before = load(tokenizer).encode("12")
    after = load(read(result, "tokenizer")).encode("12")
    assert after.tokens == before.tokens
    assert result.kept[after.ids].tolist() == before.ids


TEMPLATE = FAMILIES["llama2"]["post_processor"]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
AROUND = {"sep": ["</s>", 2], "cls": ["<s>", 1]}


@pytest.mark.parametrize(
    "processor",
    [
        TEMPLATE,
        {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]},
        {"type": "BertProcessing", **AROUND},
        {"type": "RobertaProcessing", **AROUND, "trim_offsets": True, "add_prefix_space": False},
    ],
    ids=lambda processor: processor["type"],
)
def test_tokens_around_a_text_stay_where_no_list_names_them(tmp_path: Path, processor: Any) -> None:
    tokenizer = {**FAMILIES["llama2"], "added_tokens": [], "post_processor": processor}
    template = {"chat_template": "{{ messages[0].content }}"}  # it says none of them
    result = pruned(tmp_path, tokenizer, sample("Armenian"), tokenizer_config=template)
    before = load(tokenizer).encode("12")
    after = load(read(result, "tokenizer")).encode("12")
    assert after.tokens == before.tokens
    assert after.tokens[0] == "<s>"
    assert result.kept[after.ids].tolist() == before.ids


def test_a_tokenizer_whose_file_says_other_ids_than_it_has(tmp_path: Path) -> None:
    tokenizer = json.loads(json.dumps(FAMILIES["gpt2"]))
    tokenizer["added_tokens"][0]["id"] += 1
    with pytest.raises(ModelError) as error:
        pruned(tmp_path, tokenizer, sample("Latin"))
    assert error.value.problem == (
        "the vocabulary of this tokenizer cannot be pruned: its added tokens have other ids than "
        "they get when it is loaded"
    )
    assert list((tmp_path / "pruned").iterdir()) == []


def test_a_tokenizer_that_the_library_refuses(tmp_path: Path) -> None:
    tokenizer = json.loads(json.dumps(FAMILIES["gpt2"]))
    tokenizer["model"]["merges"].append(["no", "tokens"])
    files = write(tmp_path / "whole", tokenizer)
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        prune(files, rows(FAMILIES["gpt2"]), None, sample("Latin"), tmp_path)
