"""Calibrations in files, by hand, and compared; impossible arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.quantization.calibrating import calibrate, calibration_for
from minilite.quantization.calibration import Calibration, recorded
from tests import small_models
from tests.test_calibration_executors import pictures

NETWORKS = ("dense", "cnn", "dsnet")


def example() -> Calibration:
    with pytest.warns(UserWarning, match="few"):
        return calibrate(small_models.convolution(), pictures(5))


def test_saving_and_loading_loses_nothing(tmp_path: Path) -> None:
    found = example()
    found.save(tmp_path / "ranges.json")
    again = Calibration.load(tmp_path / "ranges.json")
    assert again == found
    assert again.findings
    assert again.statistics
    assert [p.name for p in tmp_path.iterdir()] == ["ranges.json"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    example().save(path)
    before = path.read_text()
    broken = Calibration("minmax", {(0, 0): (object(), 1.0)}, 1, {(0, 0): "x"})  # type: ignore[dict-item]  # on purpose
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["ranges.json"]


def test_a_file_may_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(
        '{"format": "minilite calibration 1", "tensors": [{"tensor": 3, "name": "out", "min": 0, "max": 6, "why": ""}]}'
    )
    found = calibration_for(small_models.convolution(), path)
    assert found.ranges == {(0, 2): (0.0, 6.0)}
    assert (found.method, found.samples) == ("recorded", 0)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_text('{"out": [0, 6]}', encoding="utf-8-sig")
    assert calibration_for(small_models.convolution(), path).ranges == {(0, 2): (0.0, 6.0)}


ENTRY = {"tensor": 3, "name": "out", "min": 0.0, "max": 6.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot read a calibration"),
        ("[]", "expected an object"),
        ({"tensors": []}, "no saved calibration"),
        ({"tensors": [{k: v for k, v in ENTRY.items() if k != "max"}]}, r"tensors\[0\]: expected 'tensor'.*'max'"),
        ({"tensors": [ENTRY | {"min": 7}]}, r"tensors\[0\], 'out': expected finite numbers, the lower one first"),
        ({"tensors": [ENTRY | {"max": float("nan")}]}, "expected finite numbers"),
        ({"tensors": [ENTRY | {"max": 1e39}]}, "expected finite numbers"),
        ({"tensors": [ENTRY | {"max": "six"}]}, "expected"),
        ({"tensors": [ENTRY | {"max": "6"}]}, r"expected \(lowest, highest\)"),
        ({"tensors": [ENTRY | {"tensor": "3"}]}, "'3' is no whole number"),
        ({"tensors": [ENTRY | {"tensor": 3.5}]}, "3.5 is no whole number"),
        ({"tensors": [ENTRY, ENTRY | {"max": 7}]}, r"tensors\[1\], 'out': tensor 3 of subgraph 0 has an entry already"),
        ({"tensors": [ENTRY | {"min": -3e38, "max": 3e38}]}, "whose width float32 can hold"),
        ({"samples": "many"}, "expected a whole number at 'samples'"),
        ({"tensors": 5}, "expected a list of objects at 'tensors'"),
        ({"tensors": [ENTRY | {"statistics": {"low": 1}}]}, "statistics lacks high"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "ranges.json"
    if isinstance(content, dict) and "no saved" not in said:
        content["format"] = "minilite calibration 1"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises((ArgumentError, ArgumentTypeError), match=said):
        Calibration.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="No such file"):
        calibration_for(small_models.convolution(), tmp_path / "none.json")


def test_tensors_are_found_by_name_in_another_order() -> None:
    model = small_models.convolution()
    moved = Calibration("minmax", {(0, 7): (0.0, 1.0)}, 1, {(0, 7): "out"})
    assert moved.fitted(model).ranges == {(0, 2): (0.0, 1.0)}
    with pytest.raises(
        ArgumentError, match=r"range for 'outs', and no float32 tensors.*did you mean 'out'.*another model"
    ):
        Calibration("minmax", {(0, 7): (0.0, 1.0)}, 1, {(0, 7): "outs"}).fitted(model)


def test_calibrations_are_compared() -> None:
    one, other = (Calibration("minmax", r, 1, {(0, 0): "x", (0, 3): "y", (0, 5): "z"}) for r in RANGES)
    assert [(d.tensor, d.relative) for d in one.compare(other)] == [("z", float("inf")), ("y", 0.5)]
    assert one.compare(one) == []


RANGES = ({(0, 0): (0.0, 1.0), (0, 3): (0.0, 2.0), (0, 5): (0.0, 1.0)}, {(0, 0): (0.0, 1.0), (0, 3): (0.0, 4.0)})


def test_ranges_may_be_given_by_name() -> None:
    found = calibration_for(small_models.convolution(), {"out": (-1, 1.5)})
    assert found.ranges == {(0, 2): (-1.0, 1.5)}
    with pytest.raises(ArgumentError, match=r"no float32 tensor is called 'outt' \(did you mean 'out'\?\)"):
        recorded(small_models.convolution(), {"outt": (0, 1)})
    with pytest.raises(ArgumentTypeError, match=r"tensor 'out': expected \(lowest, highest\), got 5"):
        recorded(small_models.convolution(), {"out": 5})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "minmx"}, r"unknown method 'minmx' \(did you mean 'minmax'\?\)"),
        ({"percent": 0}, "percent: expected more than 0"),
        ({"activations": "int4"}, "activations: expected one of int8"),
        ({"kernels": "fast"}, "fast"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        calibrate(small_models.convolution(), pictures(), **arguments)


def test_a_method_is_no_file() -> None:
    with pytest.raises(ArgumentError, match=r"unknown calibration 'minmx' \(did you mean 'minmax'\?\)"):
        calibration_for(small_models.convolution(), "minmx")
    assert calibration_for(small_models.convolution(), "minmax", pictures()).method == "minmax"


def test_a_model_may_be_a_path_or_bytes(tmp_path: Path) -> None:
    model = small_models.convolution()
    model.save(tmp_path / "model.tflite")
    expected = calibrate(model, pictures())
    assert calibrate(tmp_path / "model.tflite", pictures()) == expected
    assert calibrate(model.to_bytes(), pictures()) == expected


def test_no_progress_is_shown_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    calibrate(small_models.convolution(), pictures(), progress=True)
    assert capfd.readouterr() == ("", "")
