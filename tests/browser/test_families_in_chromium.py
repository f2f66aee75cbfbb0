"""Every family in a real browser: the logits and the tokens that Python computes.

Prompts are longer than the sliding windows, caches are filled in one run and in several, and each
model has three sequences, two of them in turns.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
import tiny_families
from conftest import open_in
from engine_site import (
    FEWEST,
    PROMPT,
    WITHOUT_SUBGROUPS,
    Answer,
    Site,
    require_equal,
    require_tokens,
)
from engine_site import site as site
from python_engine import PythonSequence, onnxruntime_ids, reference_logits
from test_engine import generate, load
from tokenizers import Tokenizer

from sitegen.models.families import known
from sitegen.models.verification.verify import distance

pytestmark = pytest.mark.browser


# What `make test` runs: something of each kind of layer and of position. `make slow` runs all.
BY_WASM = (
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "lfm2",
    "llama-narrow-heads",
    "phi3-longrope-long",
    "qwen3",
    "smollm3-window",
)
BY_WEBGPU = ("lfm2",)
# Graphs that differ from another's in their numbers only: by WebAssembly alone.
SAME_GRAPH = {
    "gemma3_text-linear-rope",
    "llama-dynamic-rope",
    "llama-linear-rope",
    "llama-llama3-rope",
    "llama-yarn-rope",
    "mistral-no-window",
}


def families(fast: Collection[str], without: Collection[str] = ()) -> list[Any]:
    """Names of tiny models; all but the fast ones are slow."""
    slow = pytest.mark.slow
    return [
        pytest.param(name, marks=() if name in fast else slow)
        for name in tiny_families.CONFIGS
        if name not in without
    ]


@pytest.mark.parametrize("name", families(BY_WASM))
def test_unquantized_by_webassembly(site: Site, name: str) -> None:
    found = site.answer(site.export(name, "fp32"), "fp32", "wasm")
    require_reference(site, name, found)
    assert found.held == (0 if name.startswith("lfm2") else len(PROMPT) - 5)


@pytest.mark.parametrize("name", families(BY_WASM))
def test_int8_by_webassembly(site: Site, name: str) -> None:
    model = site.export(name, "q4")
    found = site.answer(model, "wasm", "wasm")
    # A sum that the two round apart may make another int8 of an activation: one step of 255.
    require_equal(found, lambda: PythonSequence(model, "wasm"), tolerance=0.05, margin=0.05)


@pytest.mark.parametrize("name", families(BY_WEBGPU, without=SAME_GRAPH))
def test_unquantized_by_webgpu(site: Site, name: str) -> None:
    found = site.answer(site.export(name, "fp32"), "fp32", "webgpu")
    require_reference(site, name, found)
    assert found.kept == ["gpu-buffer"]  # the cache never leaves it


@pytest.mark.slow
@pytest.mark.parametrize("name", known())
def test_int4_by_webgpu(site: Site, name: str) -> None:
    model = site.export(name, "q4")
    found = site.answer(model, "webgpu-f32", "webgpu")
    require_equal(found, lambda: PythonSequence(model, "webgpu-f32", exact=True))


def test_beyond_the_short_context_all_keys_are_computed_again(site: Site) -> None:
    """Phi-3 turns all positions of a longer sequence by other angles, cached ones too."""
    folder = site.root / "turning"
    tiny_families.write(folder, "phi3-longrope-short", original_max_position_embeddings=50)
    model = site.export("turning", "fp32")
    assert model.manifest["short_context"] == 50
    found = site.answer(model, "fp32", "wasm")
    ids = PROMPT + found.ids[:-1]
    lengths = range(len(PROMPT), len(ids) + 1)
    expected = [reference_logits(folder, ids[:length])[-1] for length in lengths]
    assert lengths[0] < 50 < lengths[-1]
    assert distance(found.logits, np.array(expected)) < 1e-5


@pytest.mark.parametrize("name, variant", [("llama", "wasm"), ("gemma2", "fp32"), ("lfm2", "wasm")])
def test_what_a_sequence_and_a_model_took_is_given_back(
    site: Site, name: str, variant: str
) -> None:
    """In place, growing by being copied, and with convolutions."""
    model = site.export(name, "fp32" if variant == "fp32" else "q4")
    held = site.soak(model, variant, rounds=30)
    assert held[-1] == held[9], f"{held[-1] - held[9]} bytes in 20 rounds"


def test_an_adapter_with_a_wrong_kernel_for_many_tokens_is_found(site: Site) -> None:
    """On this adapter as it is: what answers, answers right (see WITHOUT_SUBGROUPS). A model
    without a chat template, whose prompt for WebAssembly would be too short to tell."""
    folder = site.root / "base"
    tiny_families.write(folder, "llama")
    (folder / "tokenizer_config.json").write_text("{}")
    model = site.export("base", "fp32")
    try:
        found = site.answer(model, "fp32", "webgpu", script="")
    except Exception as error:
        assert "wrong answers to its test" in str(error)
    else:
        require_equal(found, lambda: PythonSequence(model, "fp32"))


def require_reference(site: Site, name: str, found: Answer) -> None:
    """Unquantized, the logits are those of a plain forward pass of numpy over all tokens."""
    ids = PROMPT + found.ids[:-1]
    reference = reference_logits(site.root / name, ids)[len(PROMPT) - 1 :]
    assert distance(found.logits, reference) < 1e-5
    require_tokens(found, reference, 1e-4)
    model = site.export(name, "fp32")
    require_equal(found, lambda: PythonSequence(model, "fp32"))


@pytest.mark.parametrize("backend", ["wasm", pytest.param("webgpu", marks=pytest.mark.slow)])
def test_convolutions_start_anew_with_every_answer(site: Site, backend: str) -> None:
    """The whole way of a page: worker, self-check, then answers by text."""
    page = open_in(site.browser.new_context(), site.url, WITHOUT_SUBGROUPS)
    variant = {"wasm": "wasm", "webgpu": "webgpu-f32"}[backend]
    assert load(page, "lfm2", backend=backend)["info"]["variant"] == variant
    text = "the man in the rain then ran"
    options = {"max_new_tokens": FEWEST, "ignore_eos": True}
    first, second = (generate(page, text, **options)["text"] for _ in range(2))
    page.context.close()

    tokenizer = Tokenizer.from_file(str(site.root / "lfm2" / "tokenizer.json"))
    model, prompt = site.export("lfm2", "q4"), tokenizer.encode(text).ids
    ids = onnxruntime_ids(model, variant, prompt, FEWEST, exact=variant == "webgpu-f32")
    assert first == second == tokenizer.decode(ids) != ""
