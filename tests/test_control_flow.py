"""What control flow must not do: run forever, call itself, or lose what an interpreter keeps."""

from __future__ import annotations

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
    interpreter = minilite.Interpreter(endless(), max_iterations=1000)
    with pytest.raises(minilite.OperatorError, match=r"WHILE \(operator 0 of subgraph 0\): .*1000 rounds.*max_iter"):
        interpreter.invoke()


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
