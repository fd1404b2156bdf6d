"""How much a file may ask for: every limit is kept, named in the error, can be lifted, and is checked itself."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import Limits
from minilite.cases import Call, Graph, Value
from minilite.engines import compiling
from minilite.engines.numba import linked
from minilite.model import Model
from minilite.testing.graph_model import graph_model
from tests.small_models import add
from tests.test_control_flow import composites, endless

VECTOR = Value("float32", (3,))


def large(elements: int) -> Model:
    """Adds a vector to itself."""
    value = Value("float32", (elements,))
    return graph_model((Graph((value, value), (Call("ADD", (0, 0), (1,)),), (0,), (1,)),))


MEETS: dict[str, tuple[Callable[[], Model], Any]] = {
    "max_tensors": (add, 2),
    "max_elements": (lambda: large(1000), 999),
    "max_memory": (lambda: large(1000), 5000),
    "max_depth": (lambda: composites(3, calls=1), 2),
    "max_iterations": (endless, 10),
    "max_seconds": (add, 0.0),
}
"""By limit: a model that meets it, and the limit."""


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Limits)])
def test_a_limit_is_kept_and_says_how_to_lift_it(name: str) -> None:
    model, limit = MEETS[name]
    with pytest.raises((minilite.ModelError, minilite.OperatorError)) as caught:
        minilite.Interpreter(model(), limits=Limits(**{name: limit})).invoke()
    assert re.search(rf"{name}={limit}\b", str(caught.value))
    assert f"pass limits=minilite.Limits({name}=None), or a larger number." in str(caught.value)


@pytest.mark.parametrize("name", sorted(MEETS.keys() - {"max_iterations"}))
def test_a_limit_can_be_lifted(name: str) -> None:
    minilite.Interpreter(MEETS[name][0](), limits=Limits(**{name: None})).invoke()


@pytest.mark.parametrize("name, enough", [("max_tensors", 3), ("max_elements", 1000), ("max_depth", 3)])
def test_a_limit_may_be_reached(name: str, enough: int) -> None:
    minilite.Interpreter(MEETS[name][0](), limits=Limits(**{name: enough})).invoke()


@pytest.mark.parametrize("source", ["content", "path"])
def test_reading_keeps_max_tensors(source: str, tmp_path: Path) -> None:
    content = add().to_bytes()
    (tmp_path / "add.tflite").write_bytes(content)
    given: Any = content if source == "content" else tmp_path / "add.tflite"
    assert len(minilite.read(given, limits=Limits(max_tensors=3)).subgraphs[0].tensors) == 3
    with pytest.raises(minilite.ModelError, match=r"has 3 tensors; expected at most max_tensors=2\."):
        minilite.read(given, limits=Limits(max_tensors=2))


def test_an_interpreter_reads_within_its_limits() -> None:
    with pytest.raises(minilite.ModelError, match="max_tensors=2"):
        minilite.Interpreter(model_content=add().to_bytes(), limits=Limits(max_tensors=2))
    with pytest.raises(minilite.OperatorError, match="max_memory=10"):
        minilite.Debugger(add(), np.ones((1, 4), np.float32), limits=Limits(max_memory=10))


def test_shapes_that_a_caller_asked_for_have_no_limit() -> None:
    interpreter = minilite.Interpreter(large(10), limits=Limits(max_elements=10, max_memory=2000))
    interpreter.resize_tensor_input(0, [1000])
    interpreter.allocate_tensors()
    interpreter.invoke()


def test_shapes_that_are_worked_out_have_the_limit_too() -> None:
    column, row, grid = (Value("float32", shape) for shape in ((100, 1), (1, 100), (1, 1)))
    model = graph_model((Graph((column, row, grid), (Call("ADD", (0, 1), (2,)),), (0, 1), (2,)),))
    with pytest.raises(minilite.OperatorError, match=r"ADD .*max_elements=9999 elements, got 10000 \(shape \[100, 100"):
        minilite.Interpreter(model, limits=Limits(max_elements=9999)).allocate_tensors()


@pytest.mark.parametrize(
    "name, wrong, error",
    [
        ("max_tensors", -1, minilite.ArgumentError),
        ("max_elements", 1.5, minilite.ArgumentTypeError),
        ("max_memory", "2 GiB", minilite.ArgumentTypeError),
        ("max_depth", True, minilite.ArgumentTypeError),
        ("max_seconds", float("nan"), minilite.ArgumentError),
        ("max_seconds", -0.5, minilite.ArgumentError),
    ],
)
def test_a_limit_is_a_number_or_none(name: str, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{name} should be "):
        Limits(**{name: wrong})


@pytest.mark.parametrize("seconds", [10**400, float("inf"), None])
def test_time_without_end_is_a_limit(seconds: Any) -> None:
    minilite.Interpreter(add(), limits=Limits(max_seconds=seconds)).invoke()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_what_has_no_end_is_not_read_to_its_end() -> None:
    with pytest.raises(minilite.ModelError, match=r"bytes 4 to 8 are b'\\x00"):
        minilite.read("/dev/zero")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there is no /dev/fd")
def test_a_pipe_is_read_within_max_memory() -> None:
    content = add().to_bytes()
    assert _piped(content, Limits()) == minilite.read(content)
    assert _piped(content, Limits(max_memory=None)) == minilite.read(content)
    assert _piped(content, Limits(max_memory=len(content))) == minilite.read(content)
    for most in (len(content) - 1, 10):
        with pytest.raises(minilite.ModelError, match=rf"is a stream; expected at most max_memory={most} bytes\."):
            _piped(content, Limits(max_memory=most))


def _piped(content: bytes, limits: Limits) -> Model:
    """The model, read from a pipe. What is left of it fits into the pipe."""
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        return minilite.read(f"/dev/fd/{reading}", limits=limits)
    finally:
        os.close(reading)


@pytest.mark.parametrize("wrong", [None, 5, {"max_memory": 5}])
def test_limits_are_limits(wrong: Any) -> None:
    with pytest.raises(minilite.ArgumentTypeError, match=r"^limits should be a minilite\.Limits, got "):
        minilite.read(add().to_bytes(), limits=wrong)
    with pytest.raises(minilite.ArgumentTypeError, match=r"^limits should be a minilite\.Limits, got "):
        minilite.Interpreter(add(), limits=wrong)


# ---- time ------------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("minilite.program.time", found)
    return found


def chain(length: int) -> Model:
    calls = tuple(Call("ADD", (i, i), (i + 1,)) for i in range(length))
    return graph_model((Graph((VECTOR,) * (length + 1), calls, (0,), (length,)),))


def test_time_is_looked_at_between_operators(clock: Clock) -> None:
    interpreter = minilite.Interpreter(chain(10), engine="numpy", limits=Limits(max_seconds=10.5))
    interpreter.allocate_tensors()
    for _ in range(2):
        interpreter.invoke()
    interpreter = minilite.Interpreter(chain(11), engine="numpy", limits=Limits(max_seconds=10.5))
    with pytest.raises(
        minilite.OperatorError, match=r"^ADD \(operator 10 of subgraph 0\) was not begun, for max_seconds"
    ):
        interpreter.allocate_tensors()


def test_time_is_looked_at_in_every_round(clock: Clock) -> None:
    interpreter = minilite.Interpreter(endless(), engine="numpy", limits=Limits(max_seconds=100, max_iterations=None))
    interpreter.allocate_tensors()
    with pytest.raises(minilite.OperatorError, match=r"WHILE \(operator 0.*was not begun, for max_seconds=100 had"):
        interpreter.invoke()


def test_an_interpreter_that_ran_out_of_time_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = minilite.Interpreter(chain(3), limits=Limits(max_seconds=60))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.ones(3, np.float32))
    with monkeypatch.context() as patches:
        patches.setattr("minilite.program.time", Clock())
        interpreter._program.limits = Limits(max_seconds=0.5)
        with pytest.raises(minilite.OperatorError, match="max_seconds"):
            interpreter.invoke()
    interpreter._program.limits = Limits()
    interpreter.invoke()
    assert interpreter.get_tensor(3).tolist() == [8.0] * 3


@pytest.mark.skipif(compiling() == "numpy", reason="needs Numba")
def test_long_compiled_programs_are_run_step_by_step(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = minilite.Interpreter(chain(10), engine="numba", limits=Limits(max_seconds=10.5))
    interpreter.set_tensor(0, np.ones(3, np.float32))
    before = clock.now
    interpreter.invoke()
    assert clock.now - before < 5, "a short one is one call"
    expected = interpreter.get_tensor(10)
    monkeypatch.setattr(linked, "LONG", -1)
    interpreter.invoke()
    assert clock.now - before > 10
    assert np.array_equal(interpreter.get_tensor(10), expected)
    interpreter._program.limits = Limits(max_seconds=5.5)
    with pytest.raises(minilite.OperatorError, match=r"operator 5 of subgraph 0\) was not begun, for max_seconds=5"):
        interpreter.invoke()


def test_a_debugger_takes_its_time(clock: Clock) -> None:
    debugger = minilite.Debugger(chain(3), np.ones(3, np.float32), limits=Limits(max_seconds=0))
    debugger.run()
    assert [a.tolist() for a in debugger.outputs.values()] == [[8.0] * 3]
