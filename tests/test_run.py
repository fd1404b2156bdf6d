"""minilite.run: inputs as people have them, outputs by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import run
from tests import small_models as models


@pytest.mark.parametrize(
    "inputs",
    [
        np.array([[1, 2, 3, 4]], np.float32),
        np.array([[1, 2, 3, 4]]),
        np.array([[1, 2, 3, 4]], np.float64),
        np.array([[1, 2, 3, 4]], np.uint8),
        [[1, 2, 3, 4]],
        [[1.0, 2, 3, 4]],
        ([1, 2, 3, 4],),
        [np.array([[1, 2, 3, 4]], np.float32)],
        {"x": [[1, 2, 3, 4]]},
        {"x:0": [[1, 2, 3, 4]]},
    ],
    ids=str,
)
def test_one_input(inputs: Any) -> None:
    outputs = run(models.add(), inputs)
    assert list(outputs) == ["y"]
    assert outputs["y"].tolist() == [[2, 4, 6, 8]]
    assert outputs["y"].dtype == np.float32


def test_every_kind_of_model(tmp_path: Path) -> None:
    path = tmp_path / "add.tflite"
    models.add().save(path)
    for model in (path, str(path), path.read_bytes(), minilite.read(path), minilite.Interpreter(path)):
        assert run(model, [[0, 0, 0, 0]])["y"].tolist() == [[1, 2, 3, 4]]


def test_any_shape_the_model_can_take() -> None:
    assert run(models.add(), np.zeros((2, 3, 4)))["y"].shape == (2, 3, 4)
    assert run(models.add(), np.zeros((0, 4)))["y"].shape == (0, 4)
    assert run(models.add(), [0, 0, 0, 0])["y"].tolist() == [1, 2, 3, 4]
    with pytest.raises(RuntimeError, match=r"CONV_2D.*expected 4 dimensions \[batch, height, width, channels\]"):
        run(models.convolution(), np.zeros((4, 4)))


def test_an_interpreter_is_used_again() -> None:
    interpreter = minilite.Interpreter(models.add())
    assert run(interpreter, np.zeros((2, 4)))["y"].shape == (2, 4)
    assert run(interpreter, np.zeros((1, 4)))["y"].shape == (1, 4)
    assert interpreter.get_tensor(1).shape == (1, 4)
    with pytest.raises(ValueError, match="has its kernels, engine and custom_ops already"):
        run(interpreter, np.zeros(4), kernels="builtin")


def test_an_interpreter_with_a_held_view() -> None:
    interpreter = minilite.Interpreter(models.add())
    held = interpreter.tensor(0)()
    with pytest.raises(RuntimeError, match="reference to internal data"):
        run(interpreter, np.zeros((1, 4)))
    del held


def test_several_inputs_in_the_model_s_order() -> None:
    a, b = np.array([5, 6, 7]), np.array([1, 2, 3])
    assert run(models.two_signatures(), [a, b], signature="add")["out"].tolist() == [6, 8, 10]
    # The second subgraph takes right before left.
    assert run(models.two_signatures(), [b, a], signature="subtract")["out"].tolist() == [4, 4, 4]
    assert run(models.two_signatures(), {"a": a, "b": b}, signature="subtract")["out"].tolist() == [4, 4, 4]
    assert run(models.two_signatures(), ([5, 6, 7], [1, 2, 3]), signature="add")["out"].tolist() == [6, 8, 10]


def test_scalars_and_names_without_a_signature() -> None:
    assert run(models.scalar(), 41) == {"y": np.int32(42)}
    assert run(models.scalar(), np.int64(41)) == {"y": 42}
    assert run(models.scalar(), {"x": 41}) == {"y": 42}


def test_strings() -> None:
    assert run(models.strings(), ["a", "é", b"c"])["text"].tolist() == [b"a", "é".encode(), b"c"]


def test_outputs_are_the_caller_s() -> None:
    interpreter = minilite.Interpreter(models.add())
    first = run(interpreter, [0, 0, 0, 0])["y"]
    first[:] = 9
    assert run(interpreter, [0, 0, 0, 0])["y"].tolist() == [1, 2, 3, 4]


def test_kernels_and_engine_are_passed_on() -> None:
    x = np.array([[1, 2, 3, 4]])
    for kernels in ("reference", "builtin", "xnnpack"):
        assert run(models.add(), x, kernels=kernels, engine="numpy")["y"].tolist() == [[2, 4, 6, 8]]
    with pytest.raises(ValueError, match="unknown kernel set"):
        run(models.add(), x, kernels="nope")
    with pytest.raises(ValueError, match="unknown engine"):
        run(models.add(), x, engine="nope")


@pytest.mark.parametrize(
    "model, inputs, message",
    [
        (models.add, None, r"expected 1 inputs, got 0. The model's inputs: 'x' FLOAT32 \[1, 4\]"),
        (models.add, [np.zeros(4), np.zeros(4)], "expected 1 inputs, got 2"),
        (models.add, {"z": np.zeros(4)}, "no input is called 'z'"),
        (models.add, {}, "no value for input 'x'"),
        (models.add, "text", "expected FLOAT32, got <U4"),
        (models.add, [[1, 2], [3]], "this is no array"),
        (models.add, [[1, 2, 3, 1j]], "expected FLOAT32, got complex128"),
        (models.add, [1e300, 0, 0, 0], "FLOAT32 cannot hold"),
        (models.add, object(), "expected FLOAT32, got object"),
        (models.scalar, 1.0, "expected INT32, got float64"),
        (models.scalar, 2**31, "INT32 cannot hold the values from 2147483648"),
        (models.stateful_int8, [[1.5, 2]], r"expected INT8, got float64. Quantize .*: round\(value / 0.5\) \+ 7"),
        (models.stateful_int8, [[128, 2]], "INT8 cannot hold the values from 2 to 128"),
        (models.strings, [1, 2, 3], "expected STRING, got int64"),
        (models.two_signatures, [np.zeros(3), np.zeros(3)], "the model has 2 signatures; choose one: .*'add', 'sub"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit(model: Any, inputs: Any, message: str) -> None:
    with pytest.raises(minilite.ArgumentError, match=message):
        run(model(), inputs)


def test_unknown_signature() -> None:
    with pytest.raises(minilite.ArgumentError, match='Invalid signature_key provided: "nope"'):
        run(models.add(), [0, 0, 0, 0], signature="nope")


def test_version_is_the_project_s() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = Path(__file__).parent.parent / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == minilite.__version__


def test_public_names_exist() -> None:
    assert all(hasattr(minilite, name) for name in minilite.__all__)
    assert sorted(minilite.__all__) == minilite.__all__
