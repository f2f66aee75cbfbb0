"""One page in Chromium that loads model after model through the engine, and what is asked of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_families
from conftest import open_in, site_of, write_site
from fault_server import FaultServer
from python_engine import PythonSequence
from tiny_models import VOCAB

from sitegen.config import ModelSpec, Quantization
from sitegen.models import Model, prepare
from sitegen.models.verification.verify import distance
from sitegen.models.weights import Float32

PROMPT = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 40)]
PARTS = [PROMPT[:1], PROMPT[1:8], PROMPT[8:39], PROMPT[39:]]
COUNT = {"wasm": 28, "webgpu": 24}  # tokens: the adapter is software
ARRAYS = ("logits", "parted", "rewound")
FEWEST = 16  # of them are to lead the second by the margin

# onnxruntime-web 1.30 gives wrong attention for 32 or more new tokens at once on this software
# adapter, in whose narrow subgroups its kernel for them seems not to fit. Without the feature it
# takes another kernel, right for any number; and int4 products then take float32 activations.
WITHOUT_SUBGROUPS = """
for (const { prototype } of [GPUAdapter, GPUDevice]) {
  const { get } = Object.getOwnPropertyDescriptor(prototype, "features");
  const features = function () {
    return new Set([...get.call(this)].filter((name) => name !== "subgroups"));
  };
  Object.defineProperty(prototype, "features", { get: features });
}
"""
START = """async (build) => {
  globalThis.engine = await import(new URL("engine_page.js", document.baseURI));
  await engine.start(build);
}"""


@dataclass
class Site:
    """A site of the model `lfm2` and one page per backend; other families are added as needed."""

    browser: Any
    root: Path
    cache: Path
    url: str
    pages: dict[tuple[str, str], Any] = field(default_factory=dict)

    def export(self, name: str, quantization: Quantization) -> Model:
        if not (self.root / name).exists():
            tiny_families.write(self.root / name, name)
        spec = ModelSpec(id=f"./{name}", quantization=quantization)
        return prepare(spec, root=self.root, cache=self.cache)

    def page(self, backend: str, script: str = WITHOUT_SUBGROUPS) -> Any:
        if (backend, script) not in self.pages:
            page = open_in(self.browser.new_context(), self.url, script)
            page.evaluate(START, {"wasm": "wasm", "webgpu": "jspi"}[backend])
            self.pages[backend, script] = page
        return self.pages[backend, script]

    def answer(
        self, model: Model, variant: str, backend: str, script: str = WITHOUT_SUBGROUPS
    ) -> Answer:
        self._publish(model)
        task = {"variant": variant, "backend": backend, "count": COUNT[backend]}
        task |= {"manifest": model.manifest, "prompt": PROMPT, "parts": PARTS}
        found = self.page(backend, script).evaluate("(task) => engine.answer(task)", task)
        arrays = {key: np.array(found.pop(key), np.float32) for key in ARRAYS}
        return Answer(**arrays, **found)

    def soak(self, model: Model, variant: str, rounds: int) -> list[int]:
        """WebAssembly's memory after each round of loading, generating and giving all back."""
        self._publish(model)
        task = {"manifest": model.manifest, "variant": variant, "prompt": PROMPT, "rounds": rounds}
        held: list[int] = self.page("wasm").evaluate("(task) => engine.soak(task)", task)
        return held

    def _publish(self, model: Model) -> None:
        for sha256, path in model.files.items():
            shutil.copyfile(path, self.root / "site" / "_sitegen" / "files" / f"{sha256}.bin")


@dataclass(frozen=True)
class Answer:
    """What the browser found.

    logits: before each of `ids`, (count, vocab). parted: the first ones, (4, vocab), of a sequence
    that got the prompt in parts. held: how much of the prompt that one still held after it had been
    told to forget its last 5 tokens, and all after them; rewound: its logits (vocab,) after it got
    them again. kept: where the tensors of the cache are, on WebGPU.
    """

    ids: list[int]
    logits: Float32
    parted: Float32
    held: int
    rewound: Float32
    kept: list[str]

    def runs(self, first: list[list[int]]) -> list[list[int]]:
        return [*first, *([id] for id in self.ids[:-1])]


@pytest.fixture(scope="module")
def site(
    browser: Any, export_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("families")
    with FaultServer(root / "site") as server:
        site = Site(browser, root, export_cache, server.url)
        files, _ = site_of({"lfm2": site.export("lfm2", "q4")}, export_cache)
        page = Path(__file__).with_name("engine_page.js")
        write_site(root / "site", files | {page.name: page.read_bytes()})
        yield site
        for page in site.pages.values():
            page.context.close()


def require_equal(
    found: Answer,
    start: Callable[[], PythonSequence],
    *,
    tolerance: float = 1e-5,
    margin: float = 1e-4,
) -> None:
    """The logits are those of onnxruntime in Python, given the same ids in the same runs."""
    whole, parted = start(), start()
    expected = np.array([whole.run(ids) for ids in found.runs([PROMPT])])
    in_parts = [parted.run(ids) for ids in found.runs(PARTS)]
    in_parts = in_parts[len(PARTS) - 1 :][: len(found.parted)]
    assert distance(found.logits, expected) < tolerance
    assert distance(found.parted, np.array(in_parts)) < tolerance
    # One position alone may be further off than all are together.
    again = in_parts[0] if found.held else found.logits[0]
    assert distance(found.rewound, again) < 2 * tolerance
    require_tokens(found, expected, margin)


def require_tokens(found: Answer, expected: Float32, margin: float) -> None:
    """Each token is the likeliest that has not been said, where that leads by the margin: in
    standard deviations of the logits."""
    assert len(set(found.ids)) == len(expected)
    unsaid = expected.copy()
    for i in range(len(expected)):
        unsaid[i, found.ids[:i]] = -np.inf
    second, first = np.partition(unsaid, -2)[:, -2:].T
    clear = first - second >= margin * expected.std()
    assert clear.sum() >= FEWEST, "these weights decide too little: take another seed"
    assert np.array(found.ids)[clear].tolist() == unsaid.argmax(axis=-1)[clear].tolist()
