"""Models that were published without a tokenizer.json: converted, checked, and exported.

Needs the extra `sitegen[optimum]`: `make parity`.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from slow_tokenizers import KINDS, gpt2, make_slow, write_slow
from tokenizers import Tokenizer
from untabled_models import write_transformer

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import Model, prepare
from sitegen.models.original import require_supported
from sitegen.models.source import find
from sitegen.models.tracing import process
from sitegen.models.tracing.slow_tokenizer import PACKAGES, with_tokenizer

if not process.versions(("torch", *PACKAGES)):
    reason = "the extra is not installed: `make parity` installs it"
    pytest.skip(reason, allow_module_level=True)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

ORACLES = Path(__file__).parents[2] / "runtime" / "oracles"
NASTY: list[str] = json.loads((ORACLES / "tokenizers.json").read_text("utf-8"))["texts"]


def export(root: Path, **options: Any) -> Model:
    spec = ModelSpec(id="./m", quantization=Quantization(recipe="q8"), **options)
    return prepare(spec, root=root, cache=root / "cache")


def published(model: Model) -> Tokenizer:
    file = model.files[model.manifest["tokenizer"]["file"]["sha256"]]
    return Tokenizer.from_str(gzip.decompress(file.read_bytes()).decode())


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_tokenizer_gives_the_tokens_of_the_slow_one(tmp_path: Path, kind: str) -> None:
    from transformers import AutoTokenizer

    folder = write_slow(tmp_path / "m", kind)
    slow = AutoTokenizer.from_pretrained(folder, use_fast=False)
    model = export(tmp_path)
    tokenizer = published(model)
    # transformers' own forms of SentencePiece differ where several marks stand on one letter.
    marks = ("\u0301\u0302", "ª\u0301", "ª\u0e33") if kind == "xglm" else ("\U0010ffff",)
    texts = [text for text in NASTY if not any(mark in text for mark in marks)]
    assert len(texts) > 50
    for text in texts:
        assert tokenizer.encode(text).ids == slow.encode(text), repr(text)
    assert model.manifest["tokenizer"]["eos_token"] == slow.eos_token
    assert not (folder / "tokenizer.json").exists()


def test_what_the_author_configured_is_kept(tmp_path: Path) -> None:
    folder = write_slow(tmp_path / "m", "llama", eos_token="<unk>", chat_template="{{ messages }}")
    (folder / "special_tokens_map.json").write_text('{"bos_token": "</s>"}')
    (folder / "added_tokens.json").write_text('{"<|end|>": 700}')
    model = export(tmp_path)
    tokenizer = model.manifest["tokenizer"]
    assert (tokenizer["bos_token"], tokenizer["eos_token"]) == ("</s>", "<unk>")
    assert tokenizer["chat_template"] == "{{ messages }}"
    assert published(model).token_to_id("<|end|>") == 700


def test_a_model_that_optimum_exports(tmp_path: Path) -> None:
    write_transformer(tmp_path / "m", "opt")
    make_slow(tmp_path / "m", lambda folder: gpt2(folder, 500))
    (tmp_path / "m" / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    model = export(tmp_path)
    assert model.manifest["architecture"] == "opt"
    assert published(model).encode("<|endoftext|>").ids == [0]


def test_a_vocabulary_made_smaller(tmp_path: Path) -> None:
    write_slow(tmp_path / "m", "llama")
    (tmp_path / "text.txt").write_text("only a few words", encoding="utf-8")
    model = export(tmp_path, vocabulary={"keep": ["Latin"], "text": "text.txt", "size": 450})
    assert model.manifest["vocab_size"] == 450
    assert published(model).encode("a few words").tokens[0] == "<s>"


def test_the_export_depends_on_what_converted_it(tmp_path: Path) -> None:
    write_slow(tmp_path / "m", "gpt2")
    export(tmp_path)
    [entry] = (tmp_path / "cache" / "models").glob("*.json")
    assert json.loads(entry.read_text())["packages"] == process.versions(PACKAGES)


def test_what_is_wrong_is_said_before_weights_are_downloaded(tmp_path: Path) -> None:
    folder, spec = write_slow(tmp_path / "m", "llama"), ModelSpec(id="./m")
    require_supported(find(spec, tmp_path), spec)
    config = json.loads((folder / "config.json").read_text("utf-8")) | {"vocab_size": 600}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizer knows 700 tokens"):
        require_supported(find(spec, tmp_path), spec)


def test_a_damaged_file(tmp_path: Path) -> None:
    folder = write_slow(tmp_path / "m", "llama")
    (folder / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(ModelError) as error:
        export(tmp_path)
    assert str(folder) in str(error.value)
    assert error.value.problem == (
        "transformers cannot read the tokenizer: tokenizer.model is damaged, or no SentencePiece "
        "model"
    )


def test_a_tokenizer_with_code_of_its_own(tmp_path: Path) -> None:
    folder = write_slow(tmp_path / "m", "gpt2")
    code = {"AutoTokenizer": ["tokenization_mine.Mine", None]}
    values = {"tokenizer_class": "Mine", "auto_map": code}
    (folder / "tokenizer_config.json").write_text(json.dumps(values))
    (folder / "tokenization_mine.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match="brings program code of its own, which sitegen never"):
        export(tmp_path)


def test_a_conversion_to_other_tokens(tmp_path: Path) -> None:
    """transformers converts SentencePiece's bytes for Llama's class, not for XGLM's."""
    folder = write_slow(tmp_path / "m", "llama")
    (folder / "tokenizer.model").rename(folder / "sentencepiece.bpe.model")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "XGLMTokenizer"}')
    with pytest.raises(ModelError) as error:
        with_tokenizer(find(ModelSpec(id="./m"), tmp_path), tmp_path / "made", lambda _: None)
    assert error.value.problem.startswith(
        "the tokenizer that transformers made of XGLMTokenizer gives other tokens: "
    )
    assert "Nothing was exported." in (error.value.hint or "")
