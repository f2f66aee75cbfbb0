"""Every family without PyTorch: its graphs against its reference, and what its config.json may say.

That the references are right is asked of transformers in tests/models/test_parity.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_families
from tiny_models import VOCAB

from sitegen.config import ModelSpec, Quantization
from sitegen.errors import ModelError
from sitegen.models import prepare
from sitegen.models.families import known, read_decoder
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import File, join
from sitegen.models.verification.runner import Runner
from sitegen.models.verification.verify import distance
from sitegen.models.weights import open_weights

IDS = [int(i) for i in np.random.default_rng(5).integers(4, VOCAB, 40)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("site")


def test_every_family_has_a_tiny_model() -> None:
    assert {config["model_type"] for config in tiny_families.CONFIGS.values()} == set(known())


@pytest.mark.parametrize("name", tiny_families.CONFIGS)
def test_the_graph_computes_the_reference_with_and_without_its_cache(root: Path, name: str) -> None:
    folder = tiny_families.write(root / name, name)
    spec = ModelSpec(id=f"./{name}", quantization="fp32")
    export = prepare(spec, root=root, cache=root / "cache")
    [variant] = export.manifest["variants"]
    shards = [File(s["sha256"], s["bytes"]) for s in variant["weights"]["shards"]]
    join(root / "cache" / "files", shards, folder / EXTERNAL_NAME)
    _, decoder = read_decoder(folder / "config.json")
    graph = export.files[variant["graph"]["sha256"]].read_bytes()
    [fp32] = variants(Quantization(recipe="fp32"))
    runner = Runner(graph, folder, decoder.inventory().layers, fp32)

    weights = open_weights({"w": folder / "model.safetensors"}, None)
    expected = decoder.reference(weights, IDS)
    whole, _ = runner.forward(IDS, runner.empty(), len(IDS))
    assert distance(whole, expected) < 1e-5
    parts, past = [], runner.empty()
    for start, stop in ((0, 1), (1, 17), (17, 39), (39, 40)):
        logits, past = runner.forward(IDS[start:stop], past, stop - start)
        parts.append(logits)
    assert distance(np.concatenate(parts), whole) < 1e-5


@pytest.mark.parametrize("model_type", known())
def test_every_variant_is_exported(root: Path, model_type: str) -> None:
    tiny_families.write(root / f"{model_type}-q4", model_type)
    export = prepare(ModelSpec(id=f"./{model_type}-q4"), root=root, cache=root / "cache")
    names = [variant["name"] for variant in export.manifest["variants"]]
    # Gemma's activations outgrow half precision.
    halves = [] if model_type.startswith("gemma") else ["webgpu-f16"]
    assert names == [*halves, "webgpu-f32", "wasm"]


def test_layers_keep_what_they_need(tmp_path: Path) -> None:
    folder = tiny_families.write(tmp_path / "m", "lfm2")
    export = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "cache")
    convolution = {"kind": "convolution", "length": 2, "width": 64}
    attention = {"kind": "attention", "heads": 2, "head_dim": 16}
    assert list(export.manifest["cache"]) == [convolution, convolution, attention, convolution]
    assert folder.is_dir()


def test_a_base_model_is_stored_without_its_prefix(tmp_path: Path) -> None:
    from tiny_models import write_safetensors

    folder = tiny_families.write(tmp_path / "m", "gpt2")
    weights = open_weights({"w": folder / "model.safetensors"}, None)
    bare = {name.removeprefix("transformer."): t.rows() for name, t in weights.items()}
    bare["h.0.attn.bias"] = np.ones((1, 1, 8, 8), np.float32)  # the causal mask of old checkpoints
    write_safetensors(folder / "model.safetensors", bare)
    export = prepare(ModelSpec(id="./m"), root=tmp_path, cache=tmp_path / "cache")
    assert export.manifest["architecture"] == "gpt2"


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("gpt2", {"n_head": 3}, "`n_head` is 3; n_embd (64) must be a multiple of 8 x n_head"),
        ("gpt_neox", {"num_key_value_heads": 2}, "`num_key_value_heads` is 2, not the 4 heads"),
        ("gpt_neox", {"rotary_pct": 2}, "`rotary_pct` is 2.0; at most 1 is expected"),
        (
            "gpt_neox",
            {"rotary_pct": 0.05},
            "`rotary_pct` turns 0 of a head's 16 dimensions; an even number",
        ),
        ("qwen2", {"layer_types": ["conv"] * 4}, "`layer_types` holds 'conv'; full_attention or"),
        (
            "qwen2",
            {"layer_types": ["sliding_attention"] * 4, "sliding_window": 8},
            "`layer_types` holds 'sliding_attention', but no window is set",
        ),
        ("qwen2", {"layer_types": ["full_attention"]}, "`layer_types` lists 1 layers; num_hidden"),
        ("qwen2", {"layer_types": 4}, "`layer_types` is 4; a list of texts is expected"),
        ("smollm3", {"no_rope_layers": [1, 2, 3, 4]}, "`no_rope_layers` is [1, 2, 3, 4]; a list"),
        ("smollm3", {"no_rope_layers": [1]}, "`no_rope_layers` lists 1 layers; num_hidden_layers"),
        ("lfm2", {"layer_types": ["mamba"] * 4}, "`layer_types` holds 'mamba'; full_attention or"),
        (
            "lfm2",
            {"layer_types": None, "full_attn_idxs": [9]},
            "`full_attn_idxs` is [9]; numbers of layers below 4",
        ),
        ("stablelm", {"qk_layernorm": True}, "`qk_layernorm` is true; heads with norms of their"),
        (
            "gemma3_text",
            {"use_bidirectional_attention": True},
            "`use_bidirectional_attention` is true: such a model writes no text",
        ),
        (
            "granitemoehybrid",
            {"num_local_experts": 62},
            "`num_local_experts` is 62; mixtures of experts are not supported",
        ),
        (
            "granitemoehybrid",
            {"layer_types": ["attention", "mamba"] * 2},
            "`layer_types` makes a layer 'mamba'; only attention is supported",
        ),
        (
            "granitemoehybrid",
            {"layer_types": None},
            "`layer_types` makes a layer 'mamba'; only attention is supported",
        ),
        ("mistral", {"sliding_window": 0}, "`sliding_window` is 0; a whole number of at least 1"),
        (
            "gemma2",
            {"attn_logit_softcapping": -1},
            "`attn_logit_softcapping` is -1; a positive number is expected",
        ),
    ],
)
def test_what_config_json_may_not_say(
    tmp_path: Path, name: str, changes: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**tiny_families.CONFIGS[name], **changes}), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        read_decoder(path)
    assert error.value.problem.startswith(problem)
