"""Calibration: the ranges that the two reference quantizers measured, and the same ones whatever runs the samples."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.model import Model
from minilite.quantization.calibrating import calibrate
from minilite.quantization.calibration import recorded
from minilite.quantization.in_place import LEAST_HIGHEST, overwritten
from tests import models, small_models
from tests.test_watching import loop

NETWORKS = ("dense", "cnn", "dsnet")


# ---- against the reference quantizers --------------------------------------------------------------------------------


def trained(name: str) -> tuple[Path, Model, np.ndarray]:
    """A float network of the model collection, and what its quantized files were calibrated with."""
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / f"{name}.tflite").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    with np.load(folder / "representative.npz") as file:
        images = file["images"] / np.float32(255)
    model = minilite.read(folder / f"{name}.tflite")
    return folder, model, images.reshape(-1, *(model.subgraphs[0].tensors[0].shape or ())[1:])


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("name", NETWORKS)
def test_ranges_are_those_the_converter_recorded(name: str, engine: str) -> None:
    folder, model, images = trained(name)
    found = calibrate(model, images, "tflite", engine=engine)
    known = recorded(model, folder / f"{name}_minmax.json")
    assert found.ranges.keys() == known.ranges.keys()
    for difference in found.compare(known):
        assert difference.relative < 1e-6, difference
    assert not found.findings


@pytest.mark.parametrize("name", NETWORKS)
def test_moving_averages_are_litert_quantizers(name: str) -> None:
    folder, model, images = trained(name)
    theirs = minilite.read(folder / f"{name}_lq_static_wi8_ai8.tflite").subgraphs[0]
    found = calibrate(model, images, "ema")
    graph = model.subgraphs[0]
    shared = {o.outputs[0] for o in graph.operators if model.operator_codes[o.opcode_index].name in SHARING}  # type: ignore[index]  # they have one
    compared = 0
    for (_, index), (low, high) in found.ranges.items():
        if index not in shared:
            scale = (np.float32(max(high, 0)) - np.float32(min(low, 0))) / np.float32(255)
            np.testing.assert_allclose(scale, theirs.tensors[index].quantization.scales[0], rtol=1e-6)
            compared += 1
    assert compared >= 3


SHARING = ("MAX_POOL_2D", "RESHAPE")
"""Whose results take their input's scale."""


def wired(text: str) -> tuple[Model, dict[str, int]]:
    """A model of float tensors of shape (1, 4), or (4,) for names that begin with f: "y = ABS x; z = ADD y y", with the
    input x, the variable v and the constant c; results that nobody uses are outputs."""
    b = small_models.Builder()
    index = {
        "v": b.tensor("v", (1, 4), is_variable=True),
        "x": b.tensor("x", (1, 4)),
        "c": b.constant("c", np.full((1, 4), 2, np.float32)),
    }
    lines = [line.split() for line in text.split(";")]
    for output, *_ in lines:
        index[output] = b.tensor(output, (4,) if output[0] == "f" else (1, 4))
    codes = list(dict.fromkeys(line[2] for line in lines))
    tables = {
        "RESHAPE": {"table": "ReshapeOptions", "new_shape": (4,)},
        "SOFTMAX": {"table": "SoftmaxOptions", "beta": 1.0},
    }
    steps = [
        small_models.operator(
            codes.index(code), tuple(index[i] for i in inputs), (index[output],), **tables.get(code, {})
        )
        for output, _, code, *inputs in lines
    ]
    used = {i for line in lines for i in line[3:]}
    outputs = tuple(index[line[0]] for line in lines if line[0] not in used)
    graph = b.subgraph((index["x"],), outputs, *steps)
    return Model(tuple(minilite.model.OperatorCode(c) for c in codes), (graph,), tuple(b.buffers)), index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ABS x; d = ADD a c; e = ABS d", "a>d"),
        ("a = ABS x; d = SUB c a; e = ABS d", "a>d"),
        ("a = ABS x; b = EXP x; d = DIV a b; e = ABS d", "a>d"),
        ("a = ABS x; d = SOFTMAX a; e = ABS d", "a>d"),
        ("a = ABS x; d = MUL a c; e = MUL d c; g = ABS e", "a>d d>e"),
        ("d = ADD x c; e = ABS d", ""),  # an input of the graph
        ("d = ADD v c; e = ABS d", ""),  # a variable
        ("a = ABS x; d = ADD a c", ""),  # an output of the graph
        ("a = ABS x; d = ADD a a; e = ABS d", ""),  # used twice
        ("a = ABS x; b = ABS a; d = ADD a b; e = ABS d", "b>d"),
        ("a = ABS x; d = MAXIMUM a c; e = ABS d", ""),
        ("a = ABS x; f = RESHAPE a; d = ADD a f; e = ABS d", ""),
        ("a = ABS x; f = RESHAPE a; g = ABS a; f2 = ADD f f; fe = ABS f2", ""),
        ("a = ABS x; f = RESHAPE a; f2 = SOFTMAX f; fe = ABS f2", "f>f2"),
        ("a = ABS x; f = RESHAPE a; g = ABS a; f2 = SOFTMAX f; fe = ABS f2", ""),  # under another name used twice
        ("a = ABS x; f = RESHAPE a; g = ABS a; fg = RESHAPE f; f2 = SOFTMAX fg; fe = ABS f2", ""),
        ("f = RESHAPE x; f2 = SOFTMAX f; fe = ABS f2", "f>f2"),
    ],
)
def test_what_is_written_over_what(text: str, expected: str) -> None:
    """Each of these was compared with what TensorFlow's calibrator records."""
    model, index = wired(text)
    name = {i: n for n, i in index.items()}
    assert " ".join(f"{name[a]}>{name[b]}" for a, b in overwritten(model, 0)) == expected


def test_a_tensor_without_positive_values_has_the_least_highest_one_there() -> None:
    model, index = wired("a = ABS x; b = NEG a; d = ABS b")
    data = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    assert calibrate(model, data, "tflite", lint=False).ranges[0, index["b"]][1] == LEAST_HIGHEST
    assert calibrate(model, data, "minmax", lint=False).ranges[0, index["b"]][1] < 0


# ---- state, control flow, signatures ---------------------------------------------------------------------------------


def test_state_goes_on_from_sample_to_sample_unless_it_is_reset() -> None:
    b = small_models.Builder()
    x, state, y = b.tensor("x", (1, 2)), b.tensor("state", (1, 2), is_variable=True), b.tensor("y", (1, 2))
    w, r, bias = (b.constant(n, np.eye(2, dtype=np.float32)[: 2 - i].reshape(s)) for n, s, i in WEIGHTS)
    model = small_models.one(b, "RNN", (x, w, r, bias, state), (y,), "RNNOptions")
    data = np.ones((5, 2), np.float32)
    going_on = calibrate(model, data, lint=False)
    afresh = calibrate(model, data, lint=False, reset_variables=True)
    assert going_on.ranges[0, y] == (1, 10)
    assert afresh.ranges[0, y] == (1, 2)
    assert going_on.ranges[0, state] == (0, 10)
    with ThreadPoolExecutor(2) as executor:
        assert calibrate(model, data, lint=False, executor=executor) == going_on
        assert calibrate(model, data, lint=False, executor=executor, reset_variables=True) == afresh


WEIGHTS = (("w", (2, 2), 0), ("r", (2, 2), 0), ("bias", (2,), 1))


def test_tensors_of_called_subgraphs_have_ranges_over_all_rounds() -> None:
    found = calibrate(loop(), [[np.float32([3])], [np.float32([60])]], lint=False)
    assert found.ranges[2, 2] == (6, 192)
    assert found.ranges[0, 1] == (120, 192)


def test_signatures_are_calibrated_by_their_samples() -> None:
    a, b = np.float32([[1, 2, 3]]), np.float32([[4, 4, 4]])
    data = [("add", {"a": a, "b": b}), ("subtract", {"a": a, "b": b})]
    found = calibrate(small_models.two_signatures(), data, lint=False)
    assert found.ranges[0, 2] == (5, 7)
    assert found.ranges[1, 2] == (-3, -1)
    only = calibrate(small_models.two_signatures(), data[:1], lint=False)
    assert (1, 2) not in only.ranges
