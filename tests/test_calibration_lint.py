"""Calibration lint: each suspicion is found in data made to deserve it, with the tensor's name, none in good data."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilite.model import Model, OperatorCode
from minilite.quantization.calibrating import calibrate
from minilite.quantization.calibration import Calibration
from minilite.quantization.lint import CalibrationWarning, Finding
from tests import models, small_models


def doubled() -> Model:
    """y = x + x of shape (1, 8), and silent = 0 x."""
    b = small_models.Builder()
    x, y, silent = (b.tensor(name, (1, 8)) for name in ("x", "y", "silent"))
    zero = b.constant("zero", np.float32(0))
    steps = (
        small_models.operator(0, (x, x), (y,), "AddOptions"),
        small_models.operator(1, (x, zero), (silent,), "MulOptions"),
    )
    codes = OperatorCode("ADD"), OperatorCode("MUL")
    return Model(codes, (b.subgraph((x,), (y, silent), *steps),), tuple(b.buffers))


def noise(count: int = 300, seed: int = 0) -> np.ndarray:
    """Samples whose ranges settle at once."""
    rows = np.random.default_rng(seed).uniform(-1, 1, (count, 8)).astype(np.float32)
    rows[:, :2] = -1, 1
    return rows


def findings(data: Any, method: str = "minmax", **options: Any) -> list[Finding]:
    """All but the finding about the tensor that is always 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        found = calibrate(doubled(), data, method, **options).findings
    assert [f for f in found if f.tensor == "silent"] == [
        Finding("constant", "silent", "'silent' was 0 in every sample, so its range is unknown.")
    ]
    return [f for f in found if f.tensor != "silent"]


def kinds(data: Any, method: str = "minmax", **options: Any) -> list[tuple[str, str | None]]:
    return [(f.kind, f.tensor) for f in findings(data, method, **options)]


@pytest.mark.parametrize("method", ["minmax", "ema", "percentile", "mse"])
@pytest.mark.parametrize("count", [100, 300, 5000])
def test_good_data_gives_no_findings(count: int, method: str) -> None:
    assert findings(noise(count), method) == []


def test_real_images_give_no_findings() -> None:
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / "cnn.tflite").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    with np.load(folder / "representative.npz") as file:
        images = (file["images"] / np.float32(255))[..., None]
    assert calibrate(folder / "cnn.tflite", images).findings == ()
    with pytest.warns(CalibrationWarning, match=r"unscaled: input 'serving_default_input:0' has .*255"):
        calibrate(folder / "cnn.tflite", images * np.float32(255))


def test_few_samples() -> None:
    assert findings(noise(99)) == [Finding("few", None, "99 samples are few to measure ranges from; take 100 to 500.")]


def test_float64_inputs() -> None:
    assert kinds(noise().astype(np.float64)) == [("float64", "x")]


def test_pixels_that_were_not_scaled() -> None:
    pixels = np.round(noise() * 127.5 + 127.5).astype(np.float32)
    (found,) = findings(pixels)
    assert (found.kind, found.tensor) == ("unscaled", "x")
    assert "whole numbers up to 255" in found.message


def test_a_model_that_scales_its_input_may_have_pixels() -> None:
    b = small_models.Builder()
    x, y = b.tensor("x", (1, 8)), b.tensor("y", (1, 8))
    model = small_models.one(b, "MUL", (x, b.constant("scale", np.float32(1 / 255))), (y,), "MulOptions")
    assert calibrate(model, np.round(noise() * 127.5 + 127.5).astype(np.float32)).findings == ()


@pytest.mark.parametrize(
    "data",
    [np.round(noise() * 16), noise() * np.float32(300), np.vstack([np.round(noise() * 90), noise(1) * np.float32(9)])],
)
def test_small_or_real_numbers_are_taken_as_they_are(data: np.ndarray) -> None:
    assert kinds(data) == []


def test_a_range_that_keeps_growing() -> None:
    growing = noise() * np.linspace(1, 2, 300, dtype=np.float32)[:, None]
    assert kinds(growing) == [("growing", "x"), ("growing", "y")]
    assert kinds(np.random.default_rng(0).permutation(growing)) == []


@pytest.mark.parametrize("count", [100, 129, 1000])
def test_where_it_grows_does_not_matter(count: int) -> None:
    grown = noise(count)
    grown[count // 2 + count // 16 :] *= np.float32(1.5)
    assert kinds(grown) == []
    grown[-count // 8 :] *= np.float32(1.5)
    assert ("growing", "x") in kinds(grown)


@pytest.mark.parametrize(("place", "value"), [(3, 9.0), (150, -9.0), (299, 9.0)])
def test_a_sample_that_dominates(place: int, value: float) -> None:
    data = noise()
    data[place, 4] = value
    found = findings(data)
    assert [(f.kind, f.tensor) for f in found] == [("dominated", "x"), ("dominated", "y")]
    assert found[0].message.startswith(f"'x': sample {place} alone makes the range 10 wide; without it, it is 2.")


def test_two_such_samples_do_not_dominate() -> None:
    data = noise()
    data[[7, 8], 4] = 9
    assert kinds(data) == []


def test_held_back_samples_that_saturate() -> None:
    data = noise()
    data[[9, 109], 4] = 1.8
    assert kinds(data) == [("saturating", "x"), ("saturating", "y")]


def test_order_decides_a_moving_average() -> None:
    ascending = noise() * np.repeat(np.float32([1, 1, 1, 3, 3]), 60)[:, None]
    assert kinds(ascending, "ema") == [("order", "x"), ("order", "y")]
    assert kinds(np.random.default_rng(1).permutation(ascending), "minmax") == []


def test_a_branch_that_no_sample_takes() -> None:
    data = [("add", {"a": np.float32([[i, 2, 3]]) / 7, "b": np.float32([[4, 5, i]]) / 7}) for i in range(120)]
    with pytest.warns(CalibrationWarning, match="3 unseen"):
        found = calibrate(small_models.two_signatures(), data)
    assert [f.tensor for f in found.findings if f.kind == "unseen"] == ["left1", "right1", "result1"]


def test_there_is_one_warning_where_calibrate_is_called_and_it_can_be_turned_off() -> None:
    with pytest.warns(CalibrationWarning) as caught:
        calibrate(doubled(), noise(3).astype(np.float64))
    assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
    assert str(caught[0].message).startswith("calibration: 1 few, 1 float64, 1 constant\n  few: 3 samples")
    found = calibrate(doubled(), noise(3).astype(np.float64), lint=False)
    assert found.findings == ()


def test_findings_are_data_and_are_saved(tmp_path: Path) -> None:
    with pytest.warns(CalibrationWarning):
        found = calibrate(doubled(), noise(3))
    found.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json").findings == found.findings != ()


def test_a_long_list_is_cut_in_the_warning_only() -> None:
    b = small_models.Builder()
    tensors = [b.tensor(f"t{i}", (1, 8)) for i in range(9)]
    steps = [small_models.operator(0, (x,), (y,)) for x, y in pairwise(tensors)]
    model = Model((OperatorCode("ABS"),), (b.subgraph(tensors[:1], tensors[-1:], *steps),), tuple(b.buffers))
    with pytest.warns(CalibrationWarning) as caught:
        found = calibrate(model, np.ones((100, 8), np.float32))
    assert len(found.findings) == 9
    assert str(caught[0].message).endswith("and 4 more in Calibration.findings")
