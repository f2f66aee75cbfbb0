"""The virtual weights file: whatever the sizes, joined shards are the tensors, aligned."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitegen.models.shards import ALIGNMENT, ShardWriter, join


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=8),
    limit=st.sampled_from([64, 100, 256, 100_000]),
)
def test_cut_and_joined(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(sum(sizes))
    tensors = [random.integers(1, 255, size, np.uint8, endpoint=True) for size in sizes]
    with ShardWriter(folder, limit=limit) as writer:
        places = [writer.place(str(i), np.array_split(t, 3)) for i, t in enumerate(tensors)]
    parts = {path.stem for path in folder.iterdir()}
    assert parts == {shard.sha256 for shard in writer.shards}
    join(folder, writer.shards, folder / "whole")
    whole = np.fromfile(folder / "whole", np.uint8)
    assert len(whole) == writer.size
    for tensor, place in zip(tensors, places, strict=True):
        assert place.offset % ALIGNMENT == 0
        np.testing.assert_array_equal(whole[place.offset :][: place.length], tensor)
    assert all(shard.bytes == limit for shard in writer.shards[:-1])
    assert all(0 < shard.bytes <= limit for shard in writer.shards)
    for shard in writer.shards:
        data = (folder / f"{shard.sha256}.bin").read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (shard.sha256, shard.bytes)


def test_a_key_is_written_once(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        first = writer.place("a", [np.ones(3, np.float32)])
        again = writer.place("a", iter(()))
    assert first == again
    assert writer.size == 12


def test_equal_shards_are_one_file(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, limit=64) as writer:
        writer.place("a", [np.zeros(256, np.uint8)])
    assert len(writer.shards) == 4
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_no_unfinished_part(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path) as writer:
        writer.place("a", [np.zeros(100, np.uint8)])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
