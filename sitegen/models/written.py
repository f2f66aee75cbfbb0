"""The weights files of an export, with the graphs that read them; one that was written is kept.

A build that is interrupted leaves them in its staging folder, and the next one goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sitegen.digests import sha256_of, write_atomically
from sitegen.models.exportable import Exportable
from sitegen.models.graph.onnx_graph import EXTERNAL_NAME
from sitegen.models.quantization.quantize import Storage
from sitegen.models.quantization.variants import WEIGHT_BYTES, Variant
from sitegen.models.shards import File, ShardWriter, join, write_file
from sitegen.progress import Amount, Progress


@dataclass(frozen=True)
class Written:
    """Variants that share one weights file, which is stored as shards and joined for a while."""

    graphs: Mapping[Variant, File]
    shards: Sequence[File]
    folder: Path
    joined: Path  # the folder of the joined file

    def graph(self, variant: Variant) -> bytes:
        """The ONNX model of one of the variants."""
        return (self.folder / f"{self.graphs[variant].sha256}.bin").read_bytes()


def is_written(members: Sequence[Variant], folder: Path) -> bool:
    """Whether `write` would find the weights file written."""
    return _read(folder / f"{members[0].storage}.json", members) is not None


def write(
    members: Sequence[Variant], model: Exportable, context: int, folder: Path, say: Progress
) -> Written:
    """Write the weights file that `members` share and their graphs, or find them written."""
    storage = members[0].storage
    record = folder / f"{storage}.json"
    found = _read(record, members)
    if found is None:
        with ShardWriter(folder, _progress(storage, model.parameters, say)) as writer:
            graphs = {v: write_file(folder, model.graph(v, writer, context)) for v in members}
        shards = writer.shards
        kept = {
            "graphs": {variant.name: asdict(file) for variant, file in graphs.items()},
            "shards": [asdict(shard) for shard in shards],
        }
        write_atomically(record, json.dumps(kept).encode())
    else:
        say(f"{storage} weights: found from an interrupted build")
        graphs, shards = found
    joined = folder / storage
    joined.mkdir(exist_ok=True)
    join(folder, shards, joined / EXTERNAL_NAME)
    return Written(graphs, shards, folder, joined)


def _read(
    record: Path, members: Sequence[Variant]
) -> tuple[dict[Variant, File], list[File]] | None:
    """What an earlier build wrote down when it had written all; None when a file is missing, or
    not what it was: the power may have failed before the disk had it."""
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
        graphs = {variant: File(**kept["graphs"][variant.name]) for variant in members}
        shards = [File(**shard) for shard in kept["shards"]]
        for file in (*graphs.values(), *shards):
            if sha256_of(record.parent / f"{file.sha256}.bin") != file.sha256:
                return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return graphs, shards


def _progress(storage: Storage, parameters: int, say: Progress) -> Callable[[int], None]:
    total = int(WEIGHT_BYTES[storage] * parameters)  # norms and rotations not counted

    def written(done: int) -> None:
        say(Amount(f"{storage} weights", done, total))

    return written
