"""Folders of real shapes with random weights: config.json as published, bfloat16 safetensors."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import write_tokenizer

from sitegen.models.families import read_decoder

ROWS = 8192  # of a matrix in memory at once

CONFIGS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("shapes.json").read_text("utf-8")
)
"""config.json of released models by name: of each family the smallest, apart from Mistral's 7B."""


def write(folder: Path, name: str) -> Path:
    """A folder of this shape, written row block by row block. Returns the folder."""
    folder.mkdir(parents=True)
    config = {**CONFIGS[name], "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    write_tokenizer(folder, config["vocab_size"], tokenizer_class="PreTrainedTokenizerFast")
    _, decoder = read_decoder(folder / "config.json")
    tensors = decoder.inventory().tensors

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor, shape in tensors.items():
        start, end = end, end + 2 * math.prod(shape)
        header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    random = np.random.default_rng(0)
    with (folder / "model.safetensors").open("wb") as file:
        text = json.dumps(header).encode()
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor, shape in tensors.items():
            for start in range(0, shape[0], ROWS):
                block = (min(ROWS, shape[0] - start), *shape[1:])
                values = random.standard_normal(block, np.float32)
                if len(shape) == 1 and not tensor.endswith("bias"):  # of a norm
                    values = 1 - np.float32(decoder.norm.offset) + 0.1 * values
                else:
                    values *= 0.02
                file.write((values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes())
    return folder
