"""Architectures without a family: by optimum to a manifest like any other, or one clear sentence.

Needs the extra `sitegen[optimum]`: `make parity`.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tiny_models import VOCAB
from untabled_models import ARCHITECTURES, write_transformer

import sitegen.models
from sitegen.config import ModelSpec, Quantization, Recipe
from sitegen.errors import ModelError
from sitegen.models import Model, prepare
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.network.inventory import AttentionCache
from sitegen.models.quantization.variants import variants
from sitegen.models.shards import File, join
from sitegen.models.tracing import optimum
from sitegen.models.verification.runner import Runner

reason = "the extra is not installed: `make parity` installs it"
if not optimum.versions():
    pytest.skip(reason, allow_module_level=True)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PROMPT = [int(i) for i in np.random.default_rng(3).integers(4, VOCAB, 24)]
NEW_TOKENS = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def model(root: Path) -> Callable[[str], Any]:
    made: dict[str, Any] = {}

    def model(name: str) -> Any:
        if name not in made:
            made[name] = write_transformer(root / name, name)
        return made[name]

    return model


def export(root: Path, name: str, recipe: Recipe, say: Any = None) -> Model:
    spec = ModelSpec(id=f"./{name}", quantization=Quantization(recipe=recipe))
    return prepare(spec, root=root, cache=root / "cache", progress=say)


def runner(model: Model, folder: Path, variant: str) -> Runner:
    """A variant under onnxruntime, from the files that the manifest names."""
    manifest = model.manifest
    described = next(each for each in manifest["variants"] if each["name"] == variant)
    shards = [File(each["sha256"], each["bytes"]) for each in described["weights"]["shards"]]
    join(model.files[shards[0].sha256].parent, shards, folder / EXTERNAL_NAME)
    layers = [AttentionCache(each["heads"], each["head_dim"]) for each in manifest["cache"]]
    recipe = Quantization(recipe=manifest["quantization"])
    kinds = {each.name: each for each in variants(recipe)}
    graph = model.files[described["graph"]["sha256"]].read_bytes()
    return Runner(graph, folder, layers, kinds[variant])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_and_greedy_tokens(
    root: Path, tmp_path: Path, model: Callable[[str], Any], name: str
) -> None:
    import torch

    theirs = model(name)
    prompt = torch.tensor([PROMPT])
    with torch.no_grad():
        expected = theirs(prompt).logits[0].numpy()
        expected_ids = theirs.generate(
            prompt,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
            attention_mask=torch.ones_like(prompt),
            pad_token_id=0,
        )[0].tolist()
    ours = runner(export(root, name, "fp32"), tmp_path, "fp32")
    logits, past = ours.forward(PROMPT, ours.empty(), len(PROMPT))
    assert np.abs(logits - expected).max() <= 1e-4
    ids = [*PROMPT, int(logits[-1].argmax())]
    while len(ids) < len(expected_ids):
        logits, past = ours.forward(ids[-1:], past, 1)
        ids.append(int(logits[0].argmax()))
    assert ids == expected_ids


@pytest.mark.parametrize(
    ("asked", "problem", "option"),
    [
        (
            {"quantization": {"calibration": "generated"}},
            "`calibration` needs to know a model's layers, and optimum exports this one ('opt')",
            "calibration",
        ),
        (
            {"vocabulary": {"keep": ["Latin"]}},
            "the vocabulary of a model that optimum exports ('opt') cannot be pruned yet",
            "vocabulary",
        ),
    ],
)
def test_what_only_a_family_has(
    root: Path, model: Callable[[str], Any], asked: dict[str, Any], problem: str, option: str
) -> None:
    """Said before anything is traced."""
    model("opt")
    said: list[str] = []
    with pytest.raises(ModelError) as error:
        prepare(
            ModelSpec.model_validate({"id": "./opt", **asked}),
            root=root,
            cache=root / "cache",
            progress=said.append,
        )
    assert (error.value.problem, error.value.hint) == (problem, f"Remove `{option}`.")
    assert not any("tracing" in sentence for sentence in said)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_manifest_is_one_like_any_other(
    root: Path, model: Callable[[str], Any], name: str
) -> None:
    theirs = model(name)
    manifest = export(root, name, "q4").manifest
    schema = Path(sitegen.models.__file__).parent / "manifest.schema.json"
    jsonschema.validate(manifest, json.loads(schema.read_text(encoding="utf-8")))
    assert [v["name"] for v in manifest["variants"]] == ["webgpu-f16", "webgpu-f32", "wasm"]
    assert manifest["architecture"] == name
    assert manifest["vocab_size"] == VOCAB
    assert manifest["parameters"] == sum(p.numel() for p in theirs.parameters())
    assert manifest["cache"] == [{"kind": "attention", "heads": 4, "head_dim": 16}] * 2
    wasm = manifest["variants"][-1]
    # A byte each, but for vectors, positions and the stored masks of gpt_neo.
    assert wasm["weights"]["bytes"] < 2.5 * manifest["parameters"]


def test_progress_tells_what_takes_long(
    root: Path, tmp_path: Path, model: Callable[[str], Any]
) -> None:
    model("opt")
    sentences: list[str] = []
    spec = ModelSpec(id="./opt", quantization=Quantization(recipe="fp32"))
    prepare(spec, root=root, cache=tmp_path / "c", progress=sentences.append)
    assert sentences[:6] == [
        "Opt: reading model.safetensors",
        "Opt: starting PyTorch",
        "Opt: loading the weights with PyTorch",
        "Opt: tracing with optimum",
        "Opt: rewriting the graph",
        "Opt: computing the reference",
    ]


def test_an_export_belongs_to_the_versions_that_made_it(
    root: Path, model: Callable[[str], Any]
) -> None:
    model("opt")
    export(root, "opt", "fp32")
    sentences: list[str] = []
    export(root, "opt", "fp32", sentences.append)
    assert sentences == []  # from the cache
    entries = [p for p in (root / "cache" / "models").iterdir() if "opt" in p.read_text()]
    for entry in entries:
        values = json.loads(entry.read_text())
        assert values["packages"]["torch"] == importlib.metadata.version("torch")
        values["packages"]["torch"] = "1.0"
        entry.write_text(json.dumps(values))
    export(root, "opt", "fp32", sentences.append)
    assert "Opt: tracing with optimum" in sentences


def test_an_interruption_ends_the_other_process(
    root: Path, tmp_path: Path, model: Callable[[str], Any]
) -> None:
    model("opt")

    def stop(sentence: str) -> None:
        if "PyTorch" in sentence:
            raise KeyboardInterrupt

    spec = ModelSpec(id="./opt", quantization=Quantization(recipe="fp32"))
    with pytest.raises(KeyboardInterrupt):
        prepare(spec, root=root, cache=tmp_path / "c", progress=stop)
    assert not list((tmp_path / "c" / "staging").rglob("answer.json"))
    assert prepare(spec, root=root, cache=tmp_path / "c").manifest["architecture"] == "opt"


@pytest.mark.parametrize(
    "changes, problem",
    [
        (
            {"model_type": "persimmon"},
            "the architecture 'persimmon' has no direct export, and optimum-onnx "
            f"{optimum.versions().get('optimum-onnx')} does not export it either",
        ),
        (
            {"model_type": "lama"},
            "transformers cannot read config.json: The checkpoint you are trying to load has "
            "model type `lama` but Transformers does not recognize this architecture.",
        ),
        (
            {"model_type": "x", "auto_map": {"AutoConfig": "configuration_x.XConfig"}},
            "the model brings program code of its own, which sitegen never runs",
        ),
        (
            {"model_type": "bart"},
            "the model ('bart') is an encoder with a decoder; sitegen runs models that only "
            "continue a text",
        ),
        (
            {"num_hidden_layers": 3},
            "16 tensors are missing: model.decoder.layers.2.fc1.bias, "
            "model.decoder.layers.2.fc1.weight, model.decoder.layers.2.fc2.bias, "
            "model.decoder.layers.2.fc2.weight and 12 more",
        ),
        (
            {"ffn_dim": 160},
            "transformers cannot load the model: ",
        ),
        ({"quantization_config": {"bits": 4}}, "`quantization_config` says that the weights"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    root: Path,
    tmp_path: Path,
    model: Callable[[str], Any],
    changes: dict[str, Any],
    problem: str,
) -> None:
    model("opt")
    folder = tmp_path / "opt"
    folder.mkdir()
    for path in (root / "opt").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelError) as error:
        export(tmp_path, "opt", "fp32")
    assert error.value.problem.startswith(problem)
    assert str(error.value).startswith(str(folder))
    assert list((tmp_path / "cache" / "staging").iterdir()) == []
