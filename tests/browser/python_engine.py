"""Greedy tokens and logits computed in Python, for the browser's to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from sitegen.models import Model
from sitegen.models.weights import Float32


class PythonSequence:
    """A token sequence and its cache, as in engine.js: a variant's own graph and shards under
    native onnxruntime.

    exact: int4 weights times float32 activations. The native kernel rounds activations to int8,
    as the graph allows it to (`accuracy_level`); those of WebAssembly and of a GPU without
    `subgroups` do not.
    """

    def __init__(self, model: Model, variant: str, *, exact: bool = False):
        chosen = next(each for each in model.manifest["variants"] if each["name"] == variant)
        weights = chosen["weights"]
        joined = np.frombuffer(
            b"".join(model.files[shard["sha256"]].read_bytes() for shard in weights["shards"]),
            np.uint8,
        )
        options = onnxruntime.SessionOptions()
        options.add_external_initializers_from_files_in_memory(
            [weights["name"]], [memoryview(joined)], [joined.nbytes]
        )
        # Without it AVX2 machines saturate int8 products that a browser does not.
        options.add_session_config_entry("session.x64quantprecision", "1")
        graph = model.files[chosen["graph"]["sha256"]].read_bytes()
        if exact:
            graph = _without_accuracy_level(graph)
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._short, self._ids = model.manifest["short_context"], list[int]()
        # By their names and shapes in the graph: the browser goes by the manifest.
        self._empty = self._past = {
            tensor.name: np.zeros(
                [length if isinstance(length, int) else 0 for length in tensor.shape],
                chosen["dtype"],
            )
            for tensor in self._session.get_inputs()
            if tensor.name.startswith("past")
        }

    def run(self, ids: Sequence[int]) -> Float32:
        """Append ids; logits (vocab,) after the last."""
        before = len(self._ids)
        self._ids += ids
        if self._short is not None and before <= self._short < len(self._ids):
            self._past, ids = self._empty, self._ids
        feeds: dict[str, Any] = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, len(self._ids)), np.int64),
            "num_logits_to_keep": np.array(1, np.int64),
        }
        names = [name.replace("past_key_values", "present") for name in self._past]
        outputs = ["logits", *(name.replace("past_", "present_") for name in names)]
        logits, *present = self._session.run(outputs, feeds | self._past)
        self._past = dict(zip(self._past, present, strict=True))
        last: Float32 = logits[0, -1].astype(np.float32)
        return last


def _without_accuracy_level(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        for i, attribute in enumerate(node.attribute):
            if attribute.name == "accuracy_level":
                del node.attribute[i]
                break
    serialized: bytes = model.SerializeToString()
    return serialized


def onnxruntime_ids(
    model: Model,
    variant: str,
    prompt: Sequence[int],
    count: int,
    *,
    margin: float = 0,
    exact: bool = False,
) -> list[int]:
    """Of a variant under native onnxruntime; exact: see `PythonSequence`.

    Ends early before a token whose logit leads the second by less than `margin`.
    """
    sequence = PythonSequence(model, variant, exact=exact)
    ids: list[int] = []
    new = list(prompt)
    while len(ids) < count:
        logits = sequence.run(new)
        second, first = np.partition(logits, -2)[-2:]
        if first - second < margin:
            break
        new = [int(logits.argmax())]
        ids += new
    return ids


def reference_ids(folder: Path, prompt: Sequence[int], count: int) -> list[int]:
    """Of the unquantized weights, in plain numpy, without a graph and without a KV cache."""
    ids = list(prompt)
    while len(ids) < len(prompt) + count:
        ids.append(int(reference_logits(folder, ids)[-1].argmax()))
    return ids[len(prompt) :]


def reference_logits(folder: Path, ids: Sequence[int]) -> Float32:
    """(len(ids), vocab) of the unquantized weights, likewise."""
    from sitegen.models.families import read_decoder
    from sitegen.models.weights import open_weights

    _, decoder = read_decoder(folder / "config.json")
    weights = open_weights({"model.safetensors": folder / "model.safetensors"}, None)
    return decoder.reference(weights, list(ids))
