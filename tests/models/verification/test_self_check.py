"""The self-check's tokens, and each condition by itself: of a model whose logits are written down.

Its next token depends on the last one alone, so a prompt of one token is as good as any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.quantization.variants import variants
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import SELF_CHECK_TOKENS, Task, Verified, verify

VOCAB, TOP = 64, 10.0
IDS = list(range(32))
NAMED = {v.storage: v for r in ("q4", "fp32") for v in variants(Quantization(recipe=r))}
GRAPH = f"""
<ir_version: 8, opset_import: ["": 18]>
bigrams (int64[1, s] input_ids, int64 num_logits_to_keep) => (float[1, k, {VOCAB}] logits)
<int64[1] one = {{1}}, int64[1] end = {{9223372036854775807}}>
{{
    rows = Gather (table, input_ids)
    count = Neg (num_logits_to_keep)
    start = Reshape (count, one)
    logits = Slice (rows, start, end, one)
}}
"""


def table(leads: Mapping[int, float]) -> np.ndarray:
    """Logits (VOCAB, VOCAB): n is followed by n + 1, by a lead over 0 as given, else of 5."""
    found = np.zeros((VOCAB, VOCAB), np.float32)
    for token in range(VOCAB):
        found[token, (token + 1) % VOCAB] = TOP
        found[token, 0 if token + 1 < VOCAB else 1] = TOP - leads.get(token, 5.0)
    return found


def checked(
    folder: Path,
    logits: np.ndarray,
    prompts: Sequence[Sequence[int]] = ((0,),),
    reference: np.ndarray | None = None,
    storage: str = "fp32",
) -> Verified:
    """What `verify` finds of such a model; reference: of `IDS`, if it is not the model itself."""
    model = onnx.parser.parse_model(GRAPH)
    model.graph.initializer.append(numpy_helper.from_array(logits, "table"))
    variant = NAMED[storage]
    runner = Runner(model.SerializeToString(), folder, [], variant)
    held = logits[IDS] if reference is None else reference
    return verify(runner, variant, Task(IDS, held, prompts, prompts))


def test_the_likeliest_tokens_that_lead_far_enough(tmp_path: Path) -> None:
    found = checked(tmp_path, table({}), [[7]]).self_check
    assert found.prompt_ids == (7,)
    assert found.next_ids == tuple(range(8, 8 + SELF_CHECK_TOKENS))
    found = checked(tmp_path, table({12: 0.001}), [[7]]).self_check
    assert found.next_ids == (8, 9, 10, 11, 12)  # what follows 12 is not sure enough
    assert 0.001 < found.tolerance < 5


def test_the_first_prompt_with_enough_tokens_is_taken(tmp_path: Path) -> None:
    logits = table({3: 0.001, 14: 0.001})
    found = checked(tmp_path, logits, [[1], [10], [20]]).self_check
    assert (found.prompt_ids, found.next_ids) == ((10,), (11, 12, 13, 14))


def test_else_the_one_with_most_tokens(tmp_path: Path) -> None:
    logits = table({3: 0.001, 13: 0.001, 21: 0.001})
    found = checked(tmp_path, logits, [[1], [10], [20]]).self_check
    assert (found.prompt_ids, found.next_ids) == ((10,), (11, 12, 13))


def test_else_the_one_token_that_leads_most(tmp_path: Path) -> None:
    logits = table({1: 0.001, 10: 0.0035, 20: 0.002})
    found = checked(tmp_path, logits, [[1], [10], [20]]).self_check
    assert (found.prompt_ids, found.next_ids, found.tolerance) == ((10,), (11,), 0.0035)


def test_logits_of_another_size_are_refused(tmp_path: Path) -> None:
    logits = table({})
    with pytest.raises(ModelError) as error:
        checked(tmp_path, 2 * logits, reference=logits[IDS], storage="int8")
    assert error.value.problem == (
        "the export wasm is not usable: its logits differ from the reference by 1 of their size "
        "(at most 0.35 is allowed), their cosine is 1 (at least 0.93)"
    )


def test_logits_of_another_direction_are_refused(tmp_path: Path) -> None:
    """Small ones are not far from the reference, wherever they point."""
    logits = table({})
    across = np.roll(logits, 7, axis=1)
    small = 0.4 * (0.4 * logits + 0.9165 * across)
    with pytest.raises(ModelError) as error:
        checked(tmp_path, small, reference=logits[IDS], storage="int4")
    assert "their cosine is 0.4" in error.value.problem
    assert "by 0.9" in error.value.problem  # at most 1.0 is allowed


def test_logits_that_are_no_numbers_are_called_so(tmp_path: Path) -> None:
    logits = table({})
    logits[5, 9] = np.inf
    with pytest.raises(ModelError, match="is not usable: its logits are not finite"):
        checked(tmp_path, logits, reference=table({})[IDS])
