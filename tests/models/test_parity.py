"""The exported graphs against transformers' own models, on the same weights.

Needs torch and transformers, which sitegen does not: `make parity`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_families
from tiny_models import VOCAB

from sitegen.config import ModelSpec, Quantization
from sitegen.models import prepare
from sitegen.models.families import known, read_decoder
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import File, join
from sitegen.models.verification.runner import Runner
from sitegen.models.weights import open_weights

reason = "parity compares with PyTorch, which is not installed: `make parity` installs it"
torch = pytest.importorskip("torch", reason=reason)
transformers = pytest.importorskip("transformers", reason=reason)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

# Longer than the windows; with the answer, beyond the 64 tokens after which scaled ropes differ.
PROMPT = [int(i) for i in np.random.default_rng(3).integers(4, VOCAB, 40)]
NEW_TOKENS = 32


def test_every_family_has_a_tiny_model() -> None:
    assert {config["model_type"] for config in tiny_families.CONFIGS.values()} == set(known())


@pytest.mark.parametrize("name", tiny_families.CONFIGS)
def test_logits_and_greedy_tokens(tmp_path: Path, name: str) -> None:
    folder = tiny_families.write(tmp_path / "m", name)
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(loading.values()), loading  # no tensor missing, left over, or of another shape
    model.eval()
    with torch.no_grad():
        theirs = model(torch.tensor([PROMPT])).logits[0].numpy()
        their_ids = model.generate(
            torch.tensor([PROMPT]),
            attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
        )[0].tolist()

    export = prepare(ModelSpec(id="./m", quantization="fp32"), root=tmp_path, cache=tmp_path / "c")
    [variant] = export.manifest["variants"]
    shards = [File(s["sha256"], s["bytes"]) for s in variant["weights"]["shards"]]
    join(tmp_path / "c" / "files", shards, tmp_path / EXTERNAL_NAME)
    _, decoder = read_decoder(folder / "config.json")
    runner = Runner(
        export.files[variant["graph"]["sha256"]].read_bytes(),
        tmp_path,
        decoder.inventory().layers,
        variants(Quantization(recipe="fp32"))[0],
    )
    files = {path.name: path for path in folder.glob("*.safetensors")}
    reference = decoder.reference(open_weights(files, None), PROMPT)
    ours, past = runner.forward(PROMPT, runner.empty(), len(PROMPT))
    assert np.abs(reference - theirs).max() <= 1e-4
    assert np.abs(ours - theirs).max() <= 1e-4

    ids = [*PROMPT, int(ours[-1].argmax())]
    while len(ids) < len(their_ids):
        logits, past = runner.forward(ids[-1:], past, 1)
        ids.append(int(logits[0].argmax()))
    assert ids == their_ids
