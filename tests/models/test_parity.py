"""The exported graphs against transformers' own LlamaForCausalLM, on the same weights.

Needs torch and transformers, which sitegen does not: `make parity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import LLAMA3_ROPE, VOCAB, write_model

from sitegen.config import ModelSpec
from sitegen.models import prepare
from sitegen.models.families import read_decoder
from sitegen.models.onnx_graph import EXTERNAL_NAME
from sitegen.models.shards import File, join
from sitegen.models.variants import VARIANTS
from sitegen.models.verify import Runner
from sitegen.models.weights import open_weights

reason = "parity compares with PyTorch, which is not installed: `make parity` installs it"
torch = pytest.importorskip("torch", reason=reason)
transformers = pytest.importorskip("transformers", reason=reason)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PROMPT = [int(i) for i in np.random.default_rng(3).integers(4, VOCAB, 24)]
NEW_TOKENS = 64
KINDS: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "attention-bias": {"attention_bias": True},
    "mlp-bias": {"mlp_bias": True, "attention_bias": True},
    # Positions beyond the original context of 64 tokens, where the scaling shows.
    "llama3-rope": {"rope_scaling": LLAMA3_ROPE},
    "linear-rope": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "wide-heads": {"head_dim": 32},
    "one-kv-head": {"num_key_value_heads": 1, "rope_theta": 5e5},
    "several-files": {"files": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_greedy_tokens(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path / "m", dtype="F32", **KINDS[kind])
    model = transformers.LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([PROMPT])).logits[0].numpy()
        their_ids = model.generate(
            torch.tensor([PROMPT]), max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None
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
        VARIANTS["fp32"][0],
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
