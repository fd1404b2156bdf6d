"""What minilite's interpreter does otherwise than LiteRT's, or beyond it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import Interpreter
from minilite.model import Signature, Subgraph
from tests import small_models as models


def x_of(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


# ---- allocating by itself ------------------------------------------------------------------------------------------


def test_the_first_use_allocates() -> None:
    for use in (lambda i: i.invoke(), lambda i: i.set_tensor(0, x_of(1, 2, 3, 4)), lambda i: i.get_tensor(1)):
        interpreter = Interpreter(models.add())
        use(interpreter)
        interpreter.invoke()
        assert interpreter.get_tensor(1).shape == (1, 4)
    interpreter = Interpreter(models.add())
    interpreter.tensor(0)()[:] = 2
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [[3, 4, 5, 6]]


def test_after_a_resize_the_first_use_does_not_allocate() -> None:
    interpreter = Interpreter(models.add())
    interpreter.resize_tensor_input(0, [1, 4])
    with pytest.raises(RuntimeError, match=r"Invoke called on model that is not ready\. Call allocate_tensors"):
        interpreter.invoke()
    with pytest.raises(ValueError, match="Tensor is unallocated"):
        interpreter.set_tensor(0, x_of(1, 2, 3, 4))


def test_after_a_failed_allocation_the_first_use_does_not_allocate() -> None:
    interpreter = Interpreter(models.custom())
    with pytest.raises(minilite.UnresolvedCustomError):
        interpreter.invoke()
    with pytest.raises(minilite.StateError, match="not ready"):
        interpreter.invoke()


def test_constants_are_readable_where_allocation_fails() -> None:
    model = models.overlapping()
    interpreter = Interpreter(models.add())
    assert interpreter.get_tensor(2).tolist() == [1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="both input 0 and output 0"):
        Interpreter(model).get_tensor(0)


# ---- where LiteRT dies or corrupts ---------------------------------------------------------------------------------


def test_constants_cannot_be_written() -> None:
    interpreter = Interpreter(models.add())
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match="Cannot set tensor: tensor 2 'c' is a constant"):
        interpreter.set_tensor(2, np.zeros(4, np.float32))
    view = interpreter.tensor(2)()
    with pytest.raises(ValueError, match="read-only"):
        view[:] = 0
    assert interpreter.get_tensor(2).tolist() == [1, 2, 3, 4]


def test_litert_dies_when_a_constant_of_a_file_is_written(tmp_path: Path) -> None:
    """The reason for the test above; if this one fails, LiteRT has learned it."""
    pytest.importorskip("ai_edge_litert")
    models.add().save(tmp_path / "add.tflite")
    source = (
        "import sys, numpy as np; from ai_edge_litert.interpreter import Interpreter;"
        "i = Interpreter(sys.argv[1]); i.allocate_tensors(); i.set_tensor(2, np.zeros(4, np.float32))"
    )
    command = [sys.executable, "-c", source, str(tmp_path / "add.tflite")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode < 0


def test_any_byte_order() -> None:
    interpreter = Interpreter(models.add())
    interpreter.set_tensor(0, x_of(1, 2, 3, 4).astype(">f4"))
    interpreter.invoke()
    assert interpreter.get_tensor(0).tolist() == [[1, 2, 3, 4]]
    assert interpreter.get_tensor(0).dtype == np.dtype("=f4")
    assert interpreter.get_tensor(1).tolist() == [[2, 4, 6, 8]]


def test_strings_before_they_are_set() -> None:
    interpreter = Interpreter(models.strings())
    assert interpreter.get_tensor(0).tolist() == [b"", b"", b""]
    assert interpreter.tensor(0)().tolist() == [b"", b"", b""]


def test_a_refused_resize_changes_nothing() -> None:
    interpreter = Interpreter(models.add())
    interpreter.set_tensor(0, x_of(1, 2, 3, 4))
    for size in ([-1, 4], [2**31 - 1] * 3, [2**31, 1], [2**20, 2**20]):
        with pytest.raises((RuntimeError, ValueError)):
            interpreter.resize_tensor_input(0, size)
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [[2, 4, 6, 8]]


def test_outputs_are_zero_before_invoke() -> None:
    interpreter = Interpreter(models.add())
    assert interpreter.get_tensor(1).tolist() == [[0, 0, 0, 0]]


def test_an_output_whose_shape_is_not_known_has_no_data() -> None:
    interpreter = Interpreter(models.reshaped_by_value())
    with pytest.raises(ValueError, match=r"Tensor data is null\. Run allocate_tensors\(\) first.*depends on values"):
        interpreter.get_tensor(2)


def test_outputs_do_not_change_when_an_input_is_set() -> None:
    """A RESHAPE's result is a view of its input inside, which nobody must notice."""
    interpreter = Interpreter(models.reshaped_by_value())
    interpreter.set_tensor(0, np.ones((2, 3), np.float32))
    interpreter.set_tensor(1, np.array([3, 2], np.int32))
    interpreter.invoke()
    interpreter.set_tensor(0, np.zeros((2, 3), np.float32))
    interpreter.tensor(0)()[:] = 5
    assert (interpreter.get_tensor(2) == 1).all()
    interpreter.invoke()
    interpreter.tensor(2)()[:] = 7
    assert (interpreter.get_tensor(0) == 5).all()


# ---- intermediate results ------------------------------------------------------------------------------------------


def test_intermediates_are_given_away() -> None:
    interpreter = Interpreter(models.chain())
    interpreter.invoke()
    with pytest.raises(ValueError, match=r"Tensor data is null.*'hidden'.*experimental_preserve_all_tensors=True"):
        interpreter.get_tensor(1)


def test_intermediates_are_kept_on_request_and_change_nothing() -> None:
    results = []
    for preserve in (False, True):
        interpreter = Interpreter(models.chain(), experimental_preserve_all_tensors=preserve)
        interpreter.set_tensor(0, np.full((2, 2), 3, np.float32))
        interpreter.invoke()
        results.append(interpreter.get_tensor(2))
    assert interpreter.get_tensor(1).tolist() == [[4, 4], [4, 4]]
    assert results[0].tolist() == results[1].tolist() == [[5, 5], [5, 5]]


# ---- signatures ----------------------------------------------------------------------------------------------------


def test_a_runner_does_not_stop_the_interpreter() -> None:
    """In LiteRT a runner that exists counts as a reference to internal data."""
    interpreter = Interpreter(models.add())
    runner = interpreter.get_signature_runner()
    runner(x=x_of(1, 2, 3, 4))
    interpreter.invoke()
    assert interpreter._safe_to_run()


def test_messages_name_the_signatures_and_inputs() -> None:
    interpreter = Interpreter(models.two_signatures())
    with pytest.raises(ValueError, match="'add', 'subtract'"):
        interpreter.get_signature_runner("nope")
    with pytest.raises(ValueError, match="The inputs are: a, b"):
        interpreter.get_signature_runner("add")(a=np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "signature",
    [
        Signature("wrong", (("x", 0),), (("y", 1),), subgraph_index=7),
        Signature("wrong", (("x", 99),), (("y", 1),)),
        Signature("wrong", (("x", 0),), (("y", 99),)),
    ],
)
def test_a_signature_that_points_nowhere(signature: Signature) -> None:
    interpreter = Interpreter(dataclasses.replace(models.add(), signatures=(signature,)))
    with pytest.raises(ValueError, match=r"Invalid (tensor|subgraph) index"):
        interpreter.get_signature_runner("wrong")


def test_a_model_without_tensors() -> None:
    interpreter = Interpreter(minilite.Model(subgraphs=(Subgraph(),)))
    interpreter.invoke()
    assert interpreter.get_operator_details() == interpreter.get_tensor_details() == []


def test_a_refused_call_changes_nothing() -> None:
    interpreter = Interpreter(models.two_signatures())
    runner = interpreter.get_signature_runner("add")
    three = np.ones(3, np.float32)
    runner(a=three, b=three)
    wrong: list[dict[str, Any]] = [
        {"a": np.ones(5, np.float32), "b": [1.0]},
        {"a": np.ones(5, np.float32), "z": three},
        {"a": np.ones(5, np.float32), "b": np.ones(5)},
        {"a": np.ones(5, np.float32), "b": np.array([1, 2])},
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, AttributeError)):
            runner(**arguments)
        assert runner.get_input_details()["a"]["shape"].tolist() == [3]
        assert interpreter.get_tensor(2).tolist() == [2, 2, 2]


def test_a_shape_that_cannot_be_computed_changes_nothing() -> None:
    interpreter = Interpreter(models.convolution())
    image = np.ones((1, 3, 3, 2), np.float32)
    before = minilite.run(interpreter, image)["out"]
    with pytest.raises(RuntimeError, match="CONV_2D"):
        minilite.run(interpreter, np.ones((3, 3, 2), np.float32))
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 3, 3, 2]
    interpreter.invoke()
    assert interpreter.get_tensor(0).tolist() == image.tolist()
    assert interpreter.get_tensor(2).tolist() == before.tolist()


def test_strict_resizing_after_another_rank() -> None:
    """Free dimensions are the signature's, as far as it goes."""
    interpreter = Interpreter(models.convolution())
    interpreter.resize_tensor_input(0, [2, 3])
    interpreter.resize_tensor_input(0, [4, 5], strict=True)
    interpreter.resize_tensor_input(0, [1, 4, 4, 2, 6])
    with pytest.raises(minilite.ResizeError, match="dimension 4 of tensor 0 with value 6 to 7"):
        interpreter.resize_tensor_input(0, [1, 4, 4, 2, 7], strict=True)


def test_an_intermediate_result_of_the_same_shape_stays() -> None:
    interpreter = Interpreter(models.chain())
    interpreter.allocate_tensors()
    interpreter.resize_tensor_input(1, [2, 2])
    interpreter.invoke()
