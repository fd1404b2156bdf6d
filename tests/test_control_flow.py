"""What control flow must not do: run forever, call itself, or lose what an interpreter keeps."""

from __future__ import annotations

import _thread
import dataclasses
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.cases import Call, Graph, Value
from minilite.model import Model
from minilite.ops import OPS
from minilite.testing.graph_model import graph_model
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw
from tests.oracle import oracle

COUNTER = Value("int32", (1,))


def endless() -> Model:
    """Counts up for as long as 1 equals 1."""
    one = Value("int32", (1,), np.array([1], np.int32))
    cond = Graph((COUNTER, one, Value("bool", (1,))), (Call("EQUAL", (1, 1), (2,)),), (0,), (2,))
    body = Graph((COUNTER, one, COUNTER), (Call("ADD", (0, 1), (2,)),), (0,), (2,))
    return graph_model((_while(1, 2), cond, body))


def _while(cond: int, body: int) -> Graph:
    options = {"cond_subgraph_index": cond, "body_subgraph_index": body}
    return Graph((COUNTER, COUNTER), (Call("WHILE", (0,), (1,), options),), (0,), (1,))


def test_an_endless_loop_is_given_up() -> None:
    interpreter = minilite.Interpreter(endless(), limits=minilite.Limits(max_iterations=1000))
    with pytest.raises(minilite.OperatorError, match=r"WHILE \(operator 0 of subgraph 0\): .*1000 rounds.*max_iter"):
        interpreter.invoke()


def test_an_endless_loop_is_given_up_in_seconds_unless_told_otherwise() -> None:
    """Without ``max_iterations``; a round takes some 60 us, more where it does something."""
    with pytest.raises(minilite.OperatorError, match=r"within max_iterations=100000 rounds altogether\. .*Limits"):
        minilite.Interpreter(endless()).invoke()


def test_nested_loops_share_one_budget() -> None:
    """30 rounds of 30 rounds each are given up after 100, and again in the next invoke."""
    limit, one = (Value("int32", (1,), np.array([n], np.int32)) for n in (30, 1))
    less = Graph((COUNTER, limit, Value("bool", (1,))), (Call("LESS", (0, 1), (2,)),), (0,), (2,))
    add = Graph((COUNTER, one, COUNTER), (Call("ADD", (0, 1), (2,)),), (0,), (2,))
    zero = Value("int32", (1,), np.array([0], np.int32))
    inner = Call("WHILE", (1,), (3,), {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    outer = Graph((COUNTER, zero, one, COUNTER, COUNTER), (inner, Call("ADD", (0, 2), (4,))), (0,), (4,))
    model = graph_model((_while(1, 3), less, add, outer))
    enough = minilite.Interpreter(model, limits=minilite.Limits(max_iterations=930))
    for _ in range(2):
        enough.invoke()
    for limit_of_rounds in (100, 929):
        with pytest.raises(minilite.OperatorError, match=f"{limit_of_rounds} rounds altogether"):
            minilite.Interpreter(model, limits=minilite.Limits(max_iterations=limit_of_rounds)).invoke()


def composites(depth: int, calls: int, leaf: Call = Call("NEG", (0,), (1,))) -> Model:
    """Subgraphs that call the next one several times."""
    data = Value("float32", (1,))
    graphs = []
    for i in range(depth):
        options = {"decomposition_subgraph_index": i + 1, "name": "x"}
        chain = tuple(Call("STABLEHLO_COMPOSITE", (n,), (n + 1,), options) for n in range(calls))
        graphs.append(Graph((data,) * (calls + 1), chain, (0,), (calls,)))
    return graph_model((*graphs, Graph((data, data), (leaf,), (0,), (1,))))


def test_calls_of_calls_are_given_up() -> None:
    interpreter = minilite.Interpreter(composites(30, calls=2), limits=minilite.Limits(max_iterations=1000))
    with pytest.raises(minilite.OperatorError, match="1000 rounds altogether"):
        interpreter.invoke()


def test_an_error_deep_down_names_a_few_operators_only() -> None:
    def said(depth: int) -> str:
        model = composites(depth, calls=1, leaf=Call("EXPAND_DIMS", (0, 0), (1,)))
        interpreter = minilite.Interpreter(model, limits=minilite.Limits(max_depth=None))
        with pytest.raises(minilite.OperatorError) as caught:
            interpreter.allocate_tensors()
        return str(caught.value)

    assert re.match(r"STABLEHLO_COMPOSITE \(operator 0 of subgraph 0\): \.\.\. 27 operators", said(30))
    assert "EXPAND_DIMS (operator 0 of subgraph 30)" in said(30)
    assert len(said(60)) == len(said(30))


# ---- interruptions ---------------------------------------------------------------------------------------------------


def interruptible(at: int, interrupt: Callable[[], None]) -> minilite.Interpreter:
    """Counts up to 10 by a custom operator that calls ``interrupt`` when it is given the number ``at`` first."""
    waiting = [interrupt]

    def count(options: object, x: np.ndarray) -> np.ndarray:
        if x[0] == at and waiting:
            waiting.pop()()
        return np.asarray(x + 1, np.int32)

    limit = Value("int32", (1,), np.array([10], np.int32))
    less = Graph((COUNTER, limit, Value("bool", (1,))), (Call("LESS", (0, 1), (2,)),), (0,), (2,))
    add = Graph((COUNTER, COUNTER), (Call("NEG", (0,), (1,)),), (0,), (1,))
    model = graph_model((_while(1, 2), less, add))
    codes = [
        dataclasses.replace(c, builtin_code="CUSTOM", custom_code="Count") if c.name == "NEG" else c
        for c in model.operator_codes
    ]
    model = dataclasses.replace(model, operator_codes=tuple(codes))
    return minilite.Interpreter(model, custom_ops={"Count": count})


def counted(interpreter: minilite.Interpreter) -> int:
    interpreter.invoke()
    return int(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])


class Stop(ValueError):
    pass


def stop(number: int, frame: object) -> None:
    raise Stop


class Stopper:
    def __call__(self, number: int, frame: object) -> None:
        raise Stop

    def method(self, number: int, frame: object) -> None:
        raise Stop


@pytest.fixture
def untraced() -> Iterator[None]:
    """Without coverage's tracing: an exception from a signal handler may leave its lock held for ever."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    "handler, raised",
    [(signal.default_int_handler, KeyboardInterrupt), (stop, Stop), (Stopper(), Stop), (Stopper().method, Stop)],
)
def test_a_signal_interrupts_a_loop_and_leaves_a_usable_interpreter(handler: Any, raised: type[BaseException]) -> None:
    """What the handler raises arrives as it is, a ValueError too; the next invoke computes."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        interpreter = interruptible(5, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(raised) as caught:
            counted(interpreter)
        assert caught.type is raised
        assert counted(interpreter) == 10
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("untraced")
def test_a_thread_interrupts_an_endless_loop() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interpreter = minilite.Interpreter(endless(), limits=minilite.Limits(max_iterations=None))
    timer = threading.Timer(0.3, _thread.interrupt_main)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            interpreter.invoke()
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert not interpreter._program._calling


def test_an_error_of_a_custom_operator_is_told_as_the_operators() -> None:
    def broken() -> None:
        raise ValueError("mine")

    with pytest.raises(minilite.OperatorError, match=r"Count .*ValueError: mine"):
        interruptible(5, broken).invoke()


# ---- subgraphs that are not right ------------------------------------------------------------------------------------


def test_a_subgraph_that_calls_itself_is_refused() -> None:
    cond = Graph((COUNTER, Value("bool", (1,), np.array([True]))), (), (0,), (1,))
    interpreter = minilite.Interpreter(graph_model((_while(1, 2), cond, _while(1, 2))))
    with pytest.raises(minilite.OperatorError, match="subgraph 2 calls itself"):
        interpreter.allocate_tensors()


def test_a_subgraph_that_is_not_there_is_refused() -> None:
    interpreter = minilite.Interpreter(graph_model((_while(1, 7),)))
    with pytest.raises(minilite.Error, match="subgraph"):
        interpreter.allocate_tensors()


def test_a_variable_that_was_never_assigned_is_refused() -> None:
    handle, data = Value("resource", ()), Value("float32", (2,))
    calls = (Call("VAR_HANDLE", (), (0,), {"shared_name": "v"}), Call("READ_VARIABLE", (0,), (1,)))
    interpreter = minilite.Interpreter(graph_model((Graph((handle, data), calls, (), (1,)),)))
    with pytest.raises(minilite.OperatorError, match=r"READ_VARIABLE .* Assign it first"):
        interpreter.invoke()


def test_variables_outlive_a_reset_and_a_new_allocation_as_in_litert() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    op, draw = OPS["CALL_ONCE"], SeededDraw(3)
    content = build(draw, op, op.definitions[0], op.cases(draw, op.definitions[0])).model.to_bytes()
    found = []
    for module in (litert, minilite):
        interpreter = module.Interpreter(model_content=content)
        interpreter.allocate_tensors()
        found.append([_after(interpreter, step) for step in range(4)])
    assert np.array_equal(*found)
    assert len({a.tobytes() for a in found[0]}) == 4


def _after(interpreter: minilite.Interpreter, step: int) -> np.ndarray:
    detail = interpreter.get_input_details()[0]
    if step == 2:
        interpreter.reset_all_variables()
    if step == 3:
        interpreter.resize_tensor_input(detail["index"], detail["shape"])
        interpreter.allocate_tensors()
    interpreter.set_tensor(detail["index"], np.ones(detail["shape"], np.float32))
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def test_the_shape_of_a_branch_is_told_after_the_invoke(runtime: str) -> None:
    data, longer = Value("float32", (2, 3)), Value("float32", (4, 3))
    branches = (
        Graph((data, data), (Call("MUL", (0, 0), (1,)),), (0,), (1,)),
        Graph((data, longer), (Call("CONCATENATION", (0, 0), (1,)),), (0,), (1,)),
    )
    call = Call("IF", (0, 1), (2,), {"then_subgraph_index": 1, "else_subgraph_index": 2})
    model = graph_model((Graph((Value("bool", ()), data, data), (call,), (0, 1), (2,)), *branches))
    interpreter = minilite.Interpreter(model)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for which, shape in ((True, [2, 3]), (False, [4, 3]), (True, [2, 3])):
        interpreter.set_tensor(0, np.array(which))
        interpreter.set_tensor(1, array)
        interpreter.invoke()
        assert interpreter.get_output_details()[0]["shape"].tolist() == shape
        (theirs,) = oracle(runtime).run(model.to_bytes(), "reference", [np.array(which), array])
        assert np.array_equal(interpreter.get_tensor(2), theirs)
