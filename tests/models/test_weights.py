"""The safetensors reader: right numbers from right files, one clear sentence from any other."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import write_safetensors

from sitegen.errors import ModelError
from sitegen.models.weights import Selection, open_weights, read_header, require_numbers


def write(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype: str = "F32", shape: Any = (2, 2), offsets: Any = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_values_of_each_type(tmp_path: Path, dtype: str) -> None:
    # Exact in all three types: 8 significant bits.
    values = np.arange(-12, 12, dtype=np.float32).reshape(6, 4) / 8
    write_safetensors(tmp_path / "w", {"first": np.ones(3, np.float32), "a": values}, dtype)
    tensor = read_header(tmp_path / "w")["a"]
    assert tensor.shape == (6, 4)
    np.testing.assert_array_equal(tensor.rows(), values)
    np.testing.assert_array_equal(tensor.rows(2, 4), values[2:4])
    np.testing.assert_array_equal(np.concatenate(list(tensor.blocks())), values)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_a_tensor_without_a_number(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_safetensors(tmp_path / "w", {"a": np.zeros(shape, np.float32)})
    tensor = read_header(tmp_path / "w")["a"]
    assert tensor.rows().shape == shape
    assert sum(len(block) for block in tensor.blocks()) == shape[0]


def test_blocks_of_a_tensor_larger_than_one_block(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((700, 300), np.float32)
    write_safetensors(tmp_path / "w", {"a": values})
    blocks = list(read_header(tmp_path / "w")["a"].blocks())
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate(blocks), values)


@pytest.mark.parametrize("columns", [(), (3,), (4096,)])
def test_some_rows_in_an_order_of_their_own(tmp_path: Path, columns: tuple[int, ...]) -> None:
    """Neighbours, gaps that are read over and gaps that are not, steps back, blocks."""
    values = np.random.default_rng(1).standard_normal((900, *columns), np.float32)
    write_safetensors(tmp_path / "w", {"first": np.ones(5, np.float32), "a": values})
    kept = np.array([*range(40), 42, 47, *range(300, 500, 3), 899, 0, 7, 6])
    tensor = Selection.of(read_header(tmp_path / "w")["a"], kept)
    assert (tensor.shape, tensor.size) == ((len(kept), *columns), values[kept].size)
    np.testing.assert_array_equal(tensor.rows(), values[kept])
    np.testing.assert_array_equal(tensor.rows(38, 45), values[kept[38:45]])
    np.testing.assert_array_equal(tensor.rows(5, 5), values[:0])
    np.testing.assert_array_equal(np.concatenate(list(tensor.blocks())), values[kept])


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), max_size=5),
    dtype=st.sampled_from(["F32", "F16", "BF16"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[list[int]], dtype: str
) -> None:
    path = tmp_path_factory.mktemp("w") / "w"
    tensors = {f"t{i}": np.full(shape, i, np.float32) for i, shape in enumerate(shapes)}
    write_safetensors(path, tensors, dtype)
    found = read_header(path)
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name].rows(), values)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=60), length=st.none() | st.integers(0, 2**64 - 1))
def test_arbitrary_bytes_are_refused_and_never_crash(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int | None
) -> None:
    path = tmp_path_factory.mktemp("w") / "w"
    path.write_bytes(data if length is None else struct.pack("<Q", length) + data)
    try:
        tensors = read_header(path)
    except ModelError as error:
        assert str(path) in str(error)
    else:
        assert tensors == {}  # only an empty header has nothing to refuse


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["dtype", "shape", "data_offsets", "a", "__metadata__"]), inner
            )
        ),
    )
)
def test_arbitrary_headers_are_refused_and_never_crash(
    tmp_path_factory: pytest.TempPathFactory, header: Any
) -> None:
    path = write(tmp_path_factory.mktemp("w") / "w", header, bytes(16))
    try:
        tensors = read_header(path)
    except ModelError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(header.get(name), dict) for name in tensors)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"not json", "its header is not a JSON object"),
        (b"[]", "its header is not a JSON object"),
        (b'{"a": {}, "a": {}}', "the header holds 'a' twice"),
        ({"a": entry(dtype="I7", offsets=[0, 4])}, "'a' is stored as I7, which safetensors do not"),
        ({"a": entry(shape=[2, -2])}, "the header's entry of 'a' is damaged"),
        ({"a": entry(offsets=[16, 0])}, "the header's entry of 'a' is damaged"),
        ({"a": entry(offsets=[0])}, "the header's entry of 'a' is damaged"),
        ({"a": 7}, "the header's entry of 'a' is damaged: 7"),
        ({"a": entry(offsets=[0, 12])}, "'a' takes 12 bytes, but F32 of shape [2, 2] needs 16"),
        (
            {"a": entry(offsets=[8, 24])},
            "truncated: the tensor 'a' ends at byte 24 of the data, the file holds 16",
        ),
        (
            {"a": entry(shape=[3], offsets=[0, 12]), "b": entry(shape=[1], offsets=[11, 15])},
            "the tensors 'a' and 'b' overlap",
        ),
    ],
)
def test_damaged_headers(tmp_path: Path, header: Any, problem: str) -> None:
    path = write(tmp_path / "model.safetensors", header, bytes(16))
    with pytest.raises(ModelError) as error:
        read_header(path)
    assert problem in error.value.problem
    assert str(path) in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\x08\0\0", struct.pack("<Q", 10_000) + b"{}"])
def test_truncated_before_the_end_of_the_header(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"truncated: it has {len(data)} bytes"):
        read_header(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_numbers_that_are_not_finite(tmp_path: Path, bad: float, dtype: str) -> None:
    values = np.ones((4, 4), np.float32)
    values[2, 1] = bad
    write_safetensors(tmp_path / "w", {"a.weight": values}, dtype)
    tensor = read_header(tmp_path / "w")["a.weight"]
    tensor.rows(0, 2)
    with pytest.raises(ModelError, match=r"'a\.weight' holds NaN or infinity"):
        tensor.rows()


def test_a_file_that_is_cut_short_after_its_header_was_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w", {"a": np.ones((4, 4), np.float32)})
    tensor = read_header(tmp_path / "w")["a"]
    os.truncate(tmp_path / "w", tensor.start + 3 * 16)
    np.testing.assert_array_equal(tensor.rows(0, 3), np.ones((3, 4)))
    for rows in (slice(0, 4), slice(3, 4)):
        with pytest.raises(ModelError, match="was cut short while the tensor 'a' was read"):
            tensor.rows(rows.start, rows.stop)


def test_huge_numbers_are_finite(tmp_path: Path) -> None:
    values = np.full((4, 4), 3e38, np.float32)
    write_safetensors(tmp_path / "w", {"a": values})
    np.testing.assert_array_equal(read_header(tmp_path / "w")["a"].rows(), values)


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_safetensors(tmp_path / name, {"a": np.ones(2, np.float32)})
    with pytest.raises(ModelError, match="'a' is also stored in one"):
        open_weights({name: tmp_path / name for name in ("one", "two")}, None)


def test_an_index_that_points_to_the_wrong_file(tmp_path: Path) -> None:
    for name, tensor in (("one", "a"), ("two", "b")):
        write_safetensors(tmp_path / name, {tensor: np.ones(2, np.float32)})
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"weight_map": {"a": "two", "b": "two"}}))
    with pytest.raises(ModelError, match="'a' is stored in two, which does not hold it"):
        open_weights({name: tmp_path / name for name in ("one", "two")}, index)


def test_integers_are_passed_over_until_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "w", {"mask": entry("I8", offsets=[0, 4])}, bytes(4))
    [tensor] = read_header(path).values()
    with pytest.raises(ModelError, match="'mask' is stored as I8; read are BF16, F16, F32"):
        require_numbers(tensor)
