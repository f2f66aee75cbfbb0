"""The text side of a model: special tokens, chat templates, and what does not fit together."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import CHAT_TEMPLATE, VOCAB, write_model
from tokenizers import Tokenizer

from sitegen.errors import ModelError
from sitegen.models.tokens.pipeline import unknown_parts
from sitegen.models.tokens.tokenizer import Text, read_text

ORACLES = Path(__file__).parents[2] / "runtime" / "oracles"
ORACLE = json.loads((ORACLES / "tokenizers.json").read_text(encoding="utf-8"))
COMPILED = json.loads((ORACLES / "charsmaps.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def split(behavior: str, invert: bool = False) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"String": " "}, "behavior": behavior, "invert": invert}


def change(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **values}), encoding="utf-8")


def read(folder: Path, vocab: int = VOCAB) -> Text:
    return read_text({path.name: path for path in folder.iterdir()}, vocab)


def test_what_a_usual_model_says(folder: Path) -> None:
    text = read(folder)
    assert (text.bos_token, text.eos_token, text.eos_token_ids) == (None, "<|end|>", (0,))
    assert text.chat_template == CHAT_TEMPLATE
    assert text.generation == {}


def test_end_tokens_of_all_files_are_merged(folder: Path) -> None:
    change(folder, "generation_config.json", eos_token_id=[3, 0])
    change(folder, "config.json", eos_token_id=7)
    assert read(folder).eos_token_ids == (3, 0, 7)


def test_special_tokens_as_objects_and_in_their_own_file(folder: Path) -> None:
    change(folder, "tokenizer_config.json", eos_token={"content": "<|end|>", "lstrip": False})
    change(folder, "special_tokens_map.json", bos_token={"content": "<|user|>"})
    text = read(folder)
    assert (text.bos_token, text.eos_token) == ("<|user|>", "<|end|>")


def test_named_chat_templates(folder: Path) -> None:
    named = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
    change(folder, "tokenizer_config.json", chat_template=named)
    assert read(folder).chat_template == "D"
    change(folder, "tokenizer_config.json", chat_template=named[:1])
    with pytest.raises(ModelError) as error:
        read(folder)
    assert "none is named 'default'" in error.value.problem
    assert error.value.hint == "Found: tool_use."


def test_a_template_file_comes_first(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    assert read(folder).chat_template == "{{ messages[0].content }}!"
    (folder / "chat_template.jinja").write_text("")
    assert read(folder).chat_template is None
    (folder / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelError, match="the chat template is not UTF-8 text"):
        read(folder)


def test_prompts_are_rendered_as_a_browser_does(folder: Path) -> None:
    text = read(folder)
    user, end, assistant = 1, 0, 2
    [ids] = text.encode(["the an"])
    assert (ids[0], ids[-2:]) == (user, [end, assistant])


@pytest.mark.parametrize(
    "template",
    [
        "{% if tools is not none or documents is not none %}the{% endif %}an",
        "{% generation %}an{% endgeneration %}",
        "{{ 'an' if {'b': '<', 'a': 1} | tojson == '{\"b\": \"<\", \"a\": 1}' else 'the the' }}",
        "{{ bos_token }}an",
        "{{ 'the the' if bos_token is defined else 'an' }}",
    ],
)
def test_templates_are_rendered_as_transformers_does(folder: Path, template: str) -> None:
    change(folder, "tokenizer_config.json", chat_template=template)
    text = read(folder)
    assert text.encode(["hello"]) == replace(text, chat_template=None).encode(["an"])


def test_a_tokenizer_that_cuts_and_fills_is_kept_from_it(folder: Path) -> None:
    text = read(folder)
    expected = text.encode(["the an", "the"])
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    fill = {
        "strategy": {"Fixed": 64},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|end|>",
    }
    change(folder, "tokenizer.json", truncation=cut, padding=fill)
    assert text.encode(["the an", "the"]) == expected


def test_the_browser_gets_a_tokenizer_packed_and_with_its_defaults(folder: Path) -> None:
    change(folder, "tokenizer.json", pre_tokenizer={"type": "Punctuation"})
    text = read(folder)
    packed = json.loads(gzip.decompress(text.packed()))
    assert packed["pre_tokenizer"] == {"type": "Punctuation", "behavior": "Isolated"}
    assert packed["model"]["vocab"] == json.loads(text.tokenizer.read_bytes())["model"]["vocab"]
    assert text.packed() == text.packed()
    assert len(text.packed()) < text.tokenizer.stat().st_size


def test_a_model_without_template_continues_text(tmp_path: Path) -> None:
    text = read(write_model(tmp_path / "m", chat_template=None))
    assert text.chat_template is None
    assert [len(ids) for ids in text.encode(["the", "the the"])] == [1, 2]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ bos_token + 'a' }}", "cannot render one user message: 'bos_token' is undefined"),
        ("a\n{% for %}", "the chat template is not Jinja: line 2: Expected an expression"),
        ("{{ raise_exception('only with tools') }}", "one user message: only with tools"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
    ],
)
def test_templates_that_fail(folder: Path, template: str, problem: str) -> None:
    change(folder, "tokenizer_config.json", chat_template=template)
    with pytest.raises(ModelError) as error:
        read(folder).encode(["hello"])
    assert problem in error.value.problem
    assert "chat_template" in (error.value.hint or "")


def test_templates_that_no_browser_renders(folder: Path) -> None:
    source = "{{ 1 | a }}\n{{ 1 | b }}{{ 1 | c }}{{ 1 | d }}{{ 1 is e }}"
    (folder / "chat_template.jinja").write_text(source.replace("| d", "| round"))
    with pytest.raises(ModelError) as error:
        read(folder)
    assert error.value.problem == (
        "the chat template uses what the browser does not know: the filter `a` on line 1; "
        "the filter `b` on line 2; the filter `c` on line 2; 2 more"
    )
    assert str(error.value).startswith(str(folder / "chat_template.jinja"))


def test_a_special_token_without_a_row_is_left_out(folder: Path) -> None:
    """As Gemma 3's, which stands for an image."""
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    image = {**values["added_tokens"][0], "id": VOCAB, "content": "<image>"}
    values["added_tokens"].append(image)
    path.write_text(json.dumps(values), encoding="utf-8")
    text = read(folder)
    published = json.loads(gzip.decompress(text.packed()))
    assert "<image>" not in [token["content"] for token in published["added_tokens"]]
    assert max(max(ids) for ids in text.encode(["an <image> of the sea"])) < VOCAB
    image["special"] = False  # the author's own, added without a row
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ModelError, match="the last is '<image>'"):
        read(folder)
    image["special"] = True
    path.write_text(json.dumps(values), encoding="utf-8")
    change(folder, "tokenizer_config.json", eos_token="<image>")  # that ends an answer
    with pytest.raises(ModelError, match="the last is '<image>'"):
        read(folder)


def test_what_only_the_tokenizer_says(folder: Path) -> None:
    """The token that ends an answer; no template, where it is empty; and no limit on a choice."""
    (folder / "generation_config.json").write_text('{"top_k": 0}')
    config = (
        json.loads((folder / "config.json").read_text())
        if (folder / "config.json").exists()
        else {}
    )
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": None}))
    change(folder, "tokenizer_config.json", eos_token="<|end|>", chat_template="")
    text = read(folder)
    [end] = text.eos_token_ids
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).id_to_token(end) == "<|end|>"
    assert text.chat_template is None
    assert text.generation == {"top_k": 0}


def test_a_template_says_the_special_tokens_itself(folder: Path) -> None:
    values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    [first, *_] = values["added_tokens"]
    name, id = first["content"], first["id"]
    around = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": name, "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]}},
    }
    change(folder, "tokenizer.json", post_processor=around)
    change(folder, "tokenizer_config.json", chat_template="{{ messages[0].content }}")
    text = read(folder)
    [said] = text.encode(["sea"])
    assert replace(text, chat_template=None).encode(["sea"]) == [[id, *said]]


def test_a_tokenizer_larger_than_the_vocabulary(folder: Path) -> None:
    with pytest.raises(ModelError) as error:
        read(folder, vocab=VOCAB - 1)
    assert error.value.problem == (
        f"the tokenizer knows {VOCAB} tokens (the last is '<unused244>'), but vocab_size in "
        f"config.json is {VOCAB - 1}"
    )
    assert "belong to different models" in (error.value.hint or "")


def test_a_vocabulary_larger_than_the_tokenizer_is_padding(folder: Path) -> None:
    assert read(folder, vocab=VOCAB + 64).eos_token == "<|end|>"


def test_unigram_vocabularies_are_lists(folder: Path) -> None:
    change(folder, "tokenizer.json", model={"type": "Unigram", "vocab": [["a", 0.0]] * 3})
    with pytest.raises(ModelError, match="vocab_size in config.json is 2"):
        read(folder, vocab=2)


@pytest.mark.parametrize(
    "values",
    [{"model": None}, {"model": {"vocab": 3}}, {"model": {"vocab": {"a": "b"}}}],
)
def test_a_tokenizer_of_another_form(folder: Path, values: dict[str, Any]) -> None:
    change(folder, "tokenizer.json", **values)
    with pytest.raises(ModelError, match=r"not a tokenizer\.json"):
        read(folder)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"normalizer": {"type": "Nmt"}}, "`normalizer` of type 'Nmt'"),
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}},
            "`normalizer.normalizers[1]` of type 'Nmt'",
        ),
        (
            {"pre_tokenizer": {"type": "UnicodeScripts"}},
            "`pre_tokenizer` of type 'UnicodeScripts'",
        ),
        (
            {"pre_tokenizer": split("MergedWithNext", invert=True)},
            "`pre_tokenizer.behavior` 'MergedWithNext' inverted",
        ),
        *(
            (
                {"pre_tokenizer": {**split("Isolated"), "pattern": {"Regex": pattern}}},
                f"{found!r} in the regular expression of `pre_tokenizer.pattern`",
            )
            for pattern, found in [
                (r"\s++$|[a+]+", "++"),
                (r"(?>\p{L}+)x", "(?>"),
                (r"(?m:.)", "(?m"),
                (r"(?i)a", "(?i)"),
                (r"[\\]\R", r"\R"),
                (r"\p{^L}", r"\p{^"),
            ]
        ),
        (
            {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "$1"}},
            "the `$` in `normalizer.content`",
        ),
        ({"pre_tokenizer": split("Other")}, "`pre_tokenizer.behavior` 'Other'"),
        ({"decoder": {"type": "CTC"}}, "`decoder` of type 'CTC'"),
        ({"post_processor": {"type": "Pair"}}, "`post_processor` of type 'Pair'"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 0}}}, "`model` of type 'WordLevel'"),
        (
            {"model": {"type": "BPE", "vocab": {"a": 0}, "end_of_word_suffix": "</w>"}},
            "`model.end_of_word_suffix`",
        ),
    ],
)
def test_a_tokenizer_that_no_browser_follows(
    folder: Path, values: dict[str, Any], part: str
) -> None:
    change(folder, "tokenizer.json", **values)
    with pytest.raises(ModelError) as error:
        read(folder)
    assert error.value.problem == (
        f"the browser cannot make this tokenizer's tokens: it does not know {part}"
    )


@pytest.mark.parametrize(
    "family", [*ORACLE["families"], *COMPILED], ids=lambda family: family["name"]
)
def test_the_families_held_against_python_pass(family: dict[str, Any]) -> None:
    assert unknown_parts(family["tokenizer"]) == []


@pytest.mark.parametrize("family", COMPILED, ids=lambda family: family["name"])
def test_the_library_applies_character_maps_as_the_browser_does(family: dict[str, Any]) -> None:
    """It is not how SentencePiece does, and may come to be."""
    tokenizer = Tokenizer.from_str(json.dumps(family["tokenizer"]))
    found = [encoding.ids for encoding in tokenizer.encode_batch(ORACLE["texts"])]
    assert found == [text["ids"] for text in family["texts"]]


def test_a_tokenizer_that_the_library_refuses(folder: Path) -> None:
    change(folder, "tokenizer.json", pre_tokenizer={"type": "Split", "behavior": "Isolated"})
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        read(folder).encode(["hello"])


@pytest.mark.parametrize("id", [VOCAB, -1, "0", [0, None]])
def test_end_tokens_out_of_range(folder: Path, id: Any) -> None:
    change(folder, "generation_config.json", eos_token_id=id)
    with pytest.raises(ModelError) as error:
        read(folder)
    assert f"token ids below {VOCAB} are expected" in error.value.problem
    assert "generation_config.json" in str(error.value)


def test_sampling_defaults(folder: Path) -> None:
    values = {
        "temperature": 0.6,
        "top_k": 50,
        "top_p": 0.9,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "max_new_tokens": 99,
    }
    change(folder, "generation_config.json", **values, typical_p=1)
    assert read(folder).generation == values
    change(folder, "generation_config.json", min_p=0)
    assert "min_p" not in read(folder).generation
    change(folder, "generation_config.json", temperature=0)
    assert read(folder).generation["temperature"] == 0
    change(folder, "generation_config.json", temperature=0.6, do_sample=False)
    assert read(folder).generation["temperature"] == 0
    change(folder, "generation_config.json", top_p=1.5)
    with pytest.raises(ModelError, match=r"`top_p` is 1\.5; at most 1 is expected"):
        read(folder)
    change(folder, "generation_config.json", top_p=1, min_p=2)
    with pytest.raises(ModelError, match=r"`min_p` is 2\.0; at most 1 is expected"):
        read(folder)
