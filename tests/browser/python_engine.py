"""Greedy tokens computed in Python, for the browser's to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sitegen.models import Model


def onnxruntime_ids(
    model: Model, variant: str, prompt: Sequence[int], count: int, *, margin: float = 0
) -> list[int]:
    """Of a variant's own graph and shards under native onnxruntime.

    Ends early before a token whose logit leads the second by less than `margin`.
    """
    chosen = next(each for each in model.manifest["variants"] if each["name"] == variant)
    weights = chosen["weights"]
    joined = np.frombuffer(
        b"".join(model.files[shard["sha256"]].read_bytes() for shard in weights["shards"]), np.uint8
    )
    options = onnxruntime.SessionOptions()
    options.add_external_initializers_from_files_in_memory(
        [weights["name"]], [memoryview(joined)], [joined.nbytes]
    )
    # Without it AVX2 machines saturate int8 products that a browser does not.
    options.add_session_config_entry("session.x64quantprecision", "1")
    graph = model.files[chosen["graph"]["sha256"]].read_bytes()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    # By their names and shapes in the graph: the browser goes by the manifest.
    past = {
        tensor.name: np.zeros(
            [length if isinstance(length, int) else 0 for length in tensor.shape], chosen["dtype"]
        )
        for tensor in session.get_inputs()
        if tensor.name.startswith("past")
    }
    ids: list[int] = []
    new, length = list(prompt), 0
    while len(ids) < count:
        length += len(new)
        feeds: dict[str, Any] = {
            "input_ids": np.array([new], np.int64),
            "attention_mask": np.ones((1, length), np.int64),
            "num_logits_to_keep": np.array(1, np.int64),
        }
        names = [name.replace("past_key_values", "present") for name in past]
        outputs = ["logits", *(name.replace("past_", "present_") for name in names)]
        logits, *present = session.run(outputs, feeds | past)
        past = dict(zip(past, present, strict=True))
        second, first = np.partition(logits[0, -1].astype(np.float32), -2)[-2:]
        if first - second < margin:
            break
        new = [int(logits[0, -1].argmax())]
        ids += new
    return ids


def reference_ids(folder: Path, prompt: Sequence[int], count: int) -> list[int]:
    """Of the unquantized weights, in plain numpy, without a graph and without a KV cache."""
    from sitegen.models.families import read_decoder
    from sitegen.models.weights import open_weights

    _, decoder = read_decoder(folder / "config.json")
    weights = open_weights({"model.safetensors": folder / "model.safetensors"}, None)
    ids = list(prompt)
    while len(ids) < len(prompt) + count:
        ids.append(int(decoder.reference(weights, ids)[-1].argmax()))
    return ids[len(prompt) :]
