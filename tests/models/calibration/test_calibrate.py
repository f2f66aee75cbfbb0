"""What each matrix of a network is given, and the files that its rounding leaves."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tiny_families
from tiny_models import VOCAB, write_model

from sitegen.config import Quantization
from sitegen.models.calibration.calibrate import Calibration, Rounding, slices
from sitegen.models.families import read_decoder
from sitegen.models.network.matrix import Matrix, Part
from sitegen.models.quantization.variants import variants
from sitegen.models.weights import Float32, open_weights


@pytest.mark.parametrize("name", ["llama-tied", "gpt2", "lfm2"])
def test_sequences_do_not_see_each_other(tmp_path: Path, name: str) -> None:
    """What a matrix is shown are the inputs of each sequence by itself."""
    tiny_families.write(tmp_path, name)
    _, decoder = read_decoder(tmp_path / "config.json")
    weights = open_weights({"w": tmp_path / "model.safetensors"}, None)
    random = np.random.default_rng(1)
    sequences = [[int(i) for i in random.integers(4, VOCAB, n)] for n in (7, 30, 12)]

    def seen(of: list[list[int]]) -> dict[str, Float32]:
        found: dict[str, Float32] = {}
        decoder.forward(Calibration(weights, of, lambda m, x, _: found.update({m.name: x})))
        return found

    together, apart = seen(sequences), [seen([sequence]) for sequence in sequences]
    assert len(together) > 4
    for matrix, x in together.items():
        np.testing.assert_allclose(x, np.concatenate([a[matrix] for a in apart]), atol=2e-5)


def rounded(folder: Path, name: str, tokens: range = range(4, 200)) -> Rounding:
    """A tiny network's matrices, rounded for some tokens."""
    _, decoder = read_decoder(folder / "config.json")
    weights = open_weights({"w": folder / "model.safetensors"}, None)
    (folder / name).mkdir(exist_ok=True)
    rounding = Rounding(variants(Quantization())[0], folder / name)
    decoder.forward(Calibration(weights, [list(tokens)], rounding))
    return rounding


def test_every_matrix_is_rounded(tmp_path: Path) -> None:
    tiny_families.write(tmp_path, "llama")
    found = rounded(tmp_path, "files").found
    weights = open_weights({"w": tmp_path / "model.safetensors"}, None)
    expected = [n for n, t in weights.items() if len(t.shape) == 2 and "embed" not in n]
    assert sorted(name for names in found for name in names.split("+")) == sorted(expected)
    for matrix in found.values():
        assert all(np.isfinite(blocks.scales).all() for blocks in matrix)


def test_what_an_interrupted_build_has_rounded_is_not_rounded_again(tmp_path: Path) -> None:
    tiny_families.write(tmp_path, "llama")
    rounded(tmp_path, "files")
    first, second, *_ = sorted((tmp_path / "files").iterdir())
    whole, kept = first.read_bytes(), second.stat().st_ino
    first.unlink()
    again = rounded(tmp_path, "files")
    assert first.read_bytes() == whole
    assert second.stat().st_ino == kept
    assert again.found.keys() == rounded(tmp_path, "fresh").found.keys()
    for path in (tmp_path / "fresh").iterdir():
        assert path.read_bytes() == (tmp_path / "files" / path.name).read_bytes()


def test_rounded_matrices_are_not_held_in_memory(tmp_path: Path) -> None:
    write_model(tmp_path, hidden_size=256, intermediate_size=1024, num_hidden_layers=3)
    tracemalloc.start()
    found = rounded(tmp_path, "files").found
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    stored = sum(path.stat().st_size for path in (tmp_path / "files").iterdir())
    assert len(found) == len(list((tmp_path / "files").iterdir()))
    assert held < stored / 4


def test_rows_are_gathered_in_order(tmp_path: Path) -> None:
    tiny_families.write(tmp_path, "llama")
    tensor = open_weights({"w": tmp_path / "model.safetensors"}, None)["lm_head.weight"]
    gathered = np.concatenate(list(slices(Matrix((Part(tensor), Part(tensor))))))
    np.testing.assert_array_equal(gathered, np.concatenate([tensor.rows(), tensor.rows()]))
