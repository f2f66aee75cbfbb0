"""The calibrated weights file: what the model reads for it, the rounding, the writing.

All of it stays in the staging folder, so that a build that was interrupted goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from sitegen.digests import write_atomically
from sitegen.models.calibration import passages
from sitegen.models.calibration.calibrate import Rounding
from sitegen.models.direct import Direct
from sitegen.models.jobs import CORES_EACH
from sitegen.models.original import Original
from sitegen.models.quantization.variants import WEIGHT_BYTES, Variant
from sitegen.models.verification.runner import Runner
from sitegen.models.written import Written, is_written, write
from sitegen.progress import Amount, Progress
from sitegen.texts import Texts


def write_calibrated(
    members: Sequence[Variant],
    original: Original,
    said: Texts,
    other: Future[Written],
    folder: Path,
    say: Progress,
) -> Written:
    """As `write`, with matrices rounded for what they are given while the model reads.

    said: by its pages; other: int8, whose graph is not cut and so is the one to write with.
    """
    model = original.model
    assert isinstance(model, Direct)  # or `original.read` has raised
    if not is_written(members, folder):
        read = _passages(original, model, said, other.result(), folder, say)
        say(f"calibrating with {sum(map(len, read))} tokens")
        model = model.calibrated(read, _rounding(members[0], model, folder, say))
    return write(members, model, original.context, folder, say)


def _passages(
    original: Original, model: Direct, said: Texts, other: Written, folder: Path, say: Progress
) -> list[list[int]]:
    """What the model reads: what the pages say, then what it writes itself; or the file of it."""
    file = folder / "passages.json"
    if file.exists():
        found: list[list[int]] = json.loads(file.read_bytes())
        return found
    shapes = [shape for shape in model.inventory.tensors.values() if len(shape) == 2]
    widest = max(size for shape in shapes for size in shape if size != model.vocab)
    most, written = passages.count(model.parameters, widest)
    text, context = original.text, original.context
    found = passages.read(text, said, context, max(most // 4, most - written))
    written = min(written, most - len(found))
    [variant] = other.graphs
    runner = Runner(other.graph(variant), other.joined, model.layers, variant, CORES_EACH)
    for n, passage in enumerate(passages.write(runner, text, said, context, written)):
        say(f"writing {n + 1} of {written} passages to calibrate with")
        found.append(passage)
    write_atomically(file, json.dumps(found).encode())
    return found


def _rounding(variant: Variant, model: Direct, folder: Path, say: Progress) -> Rounding:
    rounded = folder / "rounded"
    rounded.mkdir(exist_ok=True)
    total = int(WEIGHT_BYTES[variant.storage] * model.parameters)
    return Rounding(variant, rounded, lambda done: say(Amount("calibrating", done, total)))
