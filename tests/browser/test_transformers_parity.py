"""A whole site in Chromium against transformers: a folder of an author's, unquantized, and the
same tokens. Needs torch and transformers, which sitegen does not: `make parity`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from fault_server import FaultServer

import sitegen.models
from sitegen.site import build

reason = "parity compares with PyTorch, which is not installed: `make parity` installs it"
torch = pytest.importorskip("torch", reason=reason)
transformers = pytest.importorskip("transformers", reason=reason)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TOKENS = 64
PROMPT = "Once upon a time a small grey owl"
STORYTELLER = Path(sitegen.models.__file__).parents[1] / "builtin" / "storyteller"
GENERATE = """async ([prompt, count]) => {
  const { load } = await import(new URL("_sitegen/sitegen.js", document.baseURI));
  const model = await load("my-model", { backend: "wasm" });
  const text = await model.generate(prompt, {
    temperature: 0, max_new_tokens: count, ignore_eos: true,
  });
  return [text, model.info.variant, model.info.last.completion_tokens];
}"""


@pytest.mark.parametrize("kind", ["random", "trained"])
def test_the_page_writes_what_transformers_writes(tmp_path: Path, browser: Any, kind: str) -> None:
    folder = tmp_path / "my-model"
    if kind == "random":
        tiny_model.write(folder)
    else:
        shutil.copytree(STORYTELLER, folder)
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "index.md").write_text(
        "---\ntitle: Home\nmodel: {id: ./my-model, quantization: fp32}\n---\n\nText.\n"
    )
    build(tmp_path, output=tmp_path / "dist", cache=tmp_path / "cache")

    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.no_grad():
        ids = model.generate(
            prompt, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, eos_token_id=None
        )[0, prompt.shape[1] :]
    expected = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert len(ids) == TOKENS

    with FaultServer(tmp_path / "dist") as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        text, variant, count = page.evaluate(GENERATE, [PROMPT, TOKENS])
        context.close()
    assert (variant, count) == ("fp32", TOKENS)
    assert text == expected
