"""Rounding for known inputs: less error in what the matrix computes, and the same layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_families
from restored import restored
from tiny_models import VOCAB

from sitegen.config import ModelSpec, Quantization
from sitegen.models import prepare
from sitegen.models.blockwise import Blocks, quantize_blocks
from sitegen.models.calibrate import Calibration, Rounding, feedback, round_rows
from sitegen.models.families import read_decoder
from sitegen.models.matrix import Matrix
from sitegen.models.variants import variants
from sitegen.models.weights import Float32, open_weights


def back(blocks: Blocks, size: int) -> np.ndarray:
    return restored(blocks.packed, blocks.scales, blocks.zeros, 4, size)


def inputs(tokens: int, columns: int) -> np.ndarray:
    """Correlated, and of different sizes, as activations are."""
    random = np.random.default_rng(3)
    mixing = random.standard_normal((columns, columns)) * np.geomspace(1, 0.05, columns)[:, None]
    return (random.standard_normal((tokens, columns)) @ mixing).astype(np.float32)


def test_the_feedback_is_a_factor_of_the_second_moments() -> None:
    x = inputs(500, 64)
    unit = feedback(x, 0.0)
    np.testing.assert_allclose(unit, np.triu(unit))
    np.testing.assert_array_equal(unit.diagonal(), np.ones(64))
    inverse = np.linalg.inv(unit.astype(np.float64))
    diagonal = inverse @ (x.T @ x).astype(np.float64) @ inverse.T
    scale = np.sqrt(diagonal.diagonal())
    assert np.abs(diagonal / np.outer(scale, scale) - np.eye(64)).max() < 1e-2


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_less_error_in_the_product_than_without(size: int, symmetric: bool) -> None:
    x, fresh = np.split(inputs(1000, 192), 2)
    rows = np.random.default_rng(0).standard_normal((100, 192), np.float32)
    calibrated = round_rows(rows, feedback(x), size, symmetric)
    plain = quantize_blocks(rows, 4, size, symmetric)
    ours, theirs = (
        np.linalg.norm(fresh @ (back(blocks, size) - rows).T) for blocks in (calibrated, plain)
    )
    assert ours < 0.6 * theirs


def test_inputs_without_correlation_change_nothing() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 96), np.float32)
    found = round_rows(rows, np.eye(96, dtype=np.float32))
    plain = quantize_blocks(rows)
    np.testing.assert_array_equal(found.packed, plain.packed)
    np.testing.assert_array_equal(found.scales, plain.scales)


def test_inputs_that_are_all_zero() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 64), np.float32)
    found = round_rows(rows, feedback(np.zeros((10, 64), np.float32)))
    np.testing.assert_array_equal(found.packed, quantize_blocks(rows).packed)


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


def test_every_matrix_is_rounded(tmp_path: Path) -> None:
    tiny_families.write(tmp_path, "llama")
    _, decoder = read_decoder(tmp_path / "config.json")
    weights = open_weights({"w": tmp_path / "model.safetensors"}, None)
    rounding = Rounding(variants(Quantization())[0])
    decoder.forward(Calibration(weights, [list(range(4, 200))], rounding))
    rounded = [name for names in rounding.found for name in names.split("+")]
    expected = [n for n, t in weights.items() if len(t.shape) == 2 and "embed" not in n]
    assert sorted(rounded) == sorted(expected)
    for blocks in rounding.found.values():
        assert all(np.isfinite(each.scales).all() for each in blocks)


def test_rows_are_gathered_in_order(tmp_path: Path) -> None:
    tiny_families.write(tmp_path, "llama")
    weights = open_weights({"w": tmp_path / "model.safetensors"}, None)
    from sitegen.models.calibrate import slices
    from sitegen.models.matrix import Part

    tensor = weights["lm_head.weight"]
    gathered = np.concatenate(list(slices(Matrix((Part(tensor), Part(tensor))))))
    np.testing.assert_array_equal(gathered, np.concatenate([tensor.rows(), tensor.rows()]))


def test_the_storyteller_is_nearer_to_itself(tmp_path: Path) -> None:
    def divergence(**options: str) -> float:
        spec = ModelSpec.model_validate({"id": "builtin:storyteller", "quantization": options})
        model = prepare(spec, root=tmp_path, cache=tmp_path / "c")
        return float(model.manifest["variants"][1]["quality"]["kl"])

    assert divergence(calibration="generated") < 0.8 * divergence()
