"""The texts that every export is tested with, as its tokenizer cuts them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
from tokenizers import Tokenizer
from tokenizers.models import BPE

from sitegen.models.source import BUILTIN
from sitegen.models.tokens.tokenizer import Text, read_text
from sitegen.models.verification import passages
from sitegen.models.verification.verify import SELF_CHECK_TOKENS


@pytest.fixture(params=["plain", "chat"])
def text(request: pytest.FixtureRequest, tmp_path: Path) -> Text:
    """Of a tokenizer that makes few tokens of a sentence, and of one with a chat template."""
    folder = tmp_path
    if request.param == "plain":
        tiny_models.write_model(folder)
    else:
        folder = BUILTIN / "storyteller"
    files = {path.name: path for path in folder.iterdir()}
    return read_text(files, 1 << 20)


def test_larger_models_read_less_unless_the_build_may_fail_by_it(text: Text) -> None:
    counts = [len(passages.passage(text, 4096, 10**n)) for n in (6, 9)]
    assert counts[0] > counts[1] == passages.LEAST_POSITIONS
    judged = [len(passages.passage(text, 4096, 10**n, judged=True)) for n in (6, 9)]
    assert judged == [counts[0], passages.JUDGED_POSITIONS]
    assert len(passages.passage(text, 40, 10**9, judged=True)) == 40


def test_a_small_model_reads_the_passage_once(text: Text) -> None:
    ids, found = text.encode([passages.PASSAGE])[0], passages.passage(text, 4096, 10**6)
    length = min(max(len(ids), passages.LEAST_POSITIONS), passages.MOST_POSITIONS)
    assert found == (ids * length)[:length]


def test_a_vocabulary_without_our_letters_is_tested_with_what_it_has(tmp_path: Path) -> None:
    Tokenizer(BPE({"м": 0, "р": 1}, [])).save(str(tmp_path / "tokenizer.json"))
    text = read_text({"tokenizer.json": tmp_path / "tokenizer.json"}, 2)
    assert passages.passage(text, 4096, 10**6) == [0] * passages.LEAST_POSITIONS
    assert set(map(tuple, passages.self_check_prompts(text, 4096))) == {(0,)}
    long = {tuple(ids) for ids in passages.gpu_self_check_prompts(text, 4096)}
    assert long == {(0,) * passages.GPU_PROMPT_TOKENS}


def test_prompts_for_gpus_fill_the_kernel_for_many_tokens(text: Text) -> None:
    prompts = passages.gpu_self_check_prompts(text, 4096)
    assert len({tuple(ids) for ids in prompts}) > 2
    assert min(len(ids) for ids in prompts) >= passages.GPU_PROMPT_TOKENS


def test_prompts_for_gpus_leave_room_for_the_answer(text: Text) -> None:
    for context in (SELF_CHECK_TOKENS + 1, 20, 100):
        for prompts in (passages.gpu_self_check_prompts, passages.self_check_prompts):
            longest = max(len(ids) for ids in prompts(text, context))
            assert 0 < longest <= context - SELF_CHECK_TOKENS
