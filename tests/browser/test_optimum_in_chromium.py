"""Models that optimum exported, in a real browser: the logits and the tokens that Python computes.

Needs the extra `sitegen[optimum]`: `make parity`.
"""

from __future__ import annotations

import numpy as np
import pytest
from engine_site import PROMPT, Site, require_equal, require_tokens, site
from python_engine import PythonSequence
from untabled_models import write_transformer

from sitegen.models.tracing import optimum
from sitegen.models.verification.verify import distance

if not optimum.versions():
    reason = "the extra is not installed: `make parity` installs it"
    pytest.skip(reason, allow_module_level=True)

__all__ = ["site"]  # the fixture

pytestmark = [
    pytest.mark.parity,
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("name", ["gpt_neo"])
def test_by_webassembly_and_by_webgpu(site: Site, name: str) -> None:
    import torch

    theirs = write_transformer(site.root / name, name)
    model = site.export(name, "fp32")
    for backend in ("wasm", "webgpu"):
        found = site.answer(model, "fp32", backend)
        with torch.no_grad():
            logits = theirs(torch.tensor([PROMPT + found.ids[:-1]])).logits[0].numpy()
        assert distance(found.logits, logits[len(PROMPT) - 1 :]) < 1e-4
        require_tokens(found, np.array(logits[len(PROMPT) - 1 :]), 1e-3)
        require_equal(found, lambda: PythonSequence(model, "fp32"), margin=1e-3)

    model = site.export(name, "q4")
    found = site.answer(model, "wasm", "wasm")
    require_equal(found, lambda: PythonSequence(model, "wasm"), tolerance=0.05, margin=0.05)
    found = site.answer(model, "webgpu-f32", "webgpu")
    require_equal(found, lambda: PythonSequence(model, "webgpu-f32", exact=True))
