"""A watched run: every tensor of every subgraph, and the same results as one that nobody watches."""

from __future__ import annotations

import numpy as np
import pytest

import minilite
from minilite.cases import Call, Graph, Value
from minilite.engines import compiling
from minilite.model import Model
from minilite.testing.graph_model import graph_model
from minilite.watching import watched
from tests import small_models

ENGINES = tuple(dict.fromkeys(("numpy", compiling(), "auto")))


def loop() -> Model:
    """Doubles x while it is below 100."""
    x, two, limit = Value("float32", (1,)), *(Value("float32", (1,), np.array([n], np.float32)) for n in (2, 100))
    cond = Graph((x, limit, Value("bool", (1,))), (Call("LESS", (0, 1), (2,)),), (0,), (2,))
    body = Graph((x, two, x), (Call("MUL", (0, 1), (2,)),), (0,), (2,))
    calls = (Call("WHILE", (0,), (1,), {"cond_subgraph_index": 1, "body_subgraph_index": 2}),)
    return graph_model((Graph((x, x), calls, (0,), (1,)), cond, body))


def seen(model: Model, engine: str, **inputs: np.ndarray) -> dict[tuple[int, int], list[np.ndarray]]:
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    interpreter = minilite.Interpreter(model, engine=engine, experimental_preserve_all_tensors=True)
    for detail, array in zip(interpreter.get_input_details(), inputs.values(), strict=True):
        interpreter.set_tensor(detail["index"], array)
    with watched(interpreter, lambda s, t, array: found.setdefault((s, t), []).append(np.array(array))):
        interpreter.invoke()
    interpreter.invoke()
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_every_tensor_that_is_no_constant_is_seen(engine: str) -> None:
    x = np.array([[1, 2], [3, 4]], np.float32)
    found = seen(small_models.chain(), engine, x=x)
    assert sorted(found) == [(0, 0), (0, 1), (0, 2)]
    assert [len(arrays) for arrays in found.values()] == [1, 1, 1]
    np.testing.assert_array_equal(found[0, 1][0], x + 1)
    np.testing.assert_array_equal(found[0, 2][0], x + 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_round_of_a_loop_is_seen_before_its_caller(engine: str) -> None:
    found = seen(loop(), engine, x=np.array([20], np.float32))
    assert [float(a[0]) for a in found[2, 2]] == [40, 80, 160]
    assert [bool(a[0]) for a in found[1, 2]] == [True, True, True, False]
    assert [float(a[0]) for a in found[0, 1]] == [160]
    assert next(iter(found))[0] == 1
    assert list(found)[-1][0] == 0


def test_what_planning_computes_is_seen_as_well() -> None:
    b = small_models.Builder()
    one, x = b.constant("one", np.float32(1)), b.tensor("x", (2,))
    two, y = b.tensor("two", ()), b.tensor("y", (2,))
    steps = (
        small_models.operator(0, (one, one), (two,), "AddOptions"),
        small_models.operator(0, (x, two), (y,), "AddOptions"),
    )
    model = Model((minilite.model.OperatorCode("ADD"),), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers))
    found = seen(model, "auto", x=np.zeros(2, np.float32))
    assert float(found[0, two][0]) == 2
    assert (0, one) not in found


def test_a_variable_is_seen_with_its_new_value() -> None:
    found = seen(small_models.stateful(), "auto", x=np.ones((1, 2), np.float32))
    assert sorted(found) == [(0, 0), (0, 1), (0, 2)]


def test_watching_ends_with_the_block_also_by_an_error() -> None:
    interpreter = minilite.Interpreter(small_models.chain(), experimental_preserve_all_tensors=True)
    calls = []

    def see(*_: object) -> None:
        calls.append(1)
        raise KeyError("enough")

    with pytest.raises(KeyError), watched(interpreter, see):
        interpreter.invoke()
    interpreter.invoke()
    assert len(calls) == 1


def test_an_interpreter_that_gives_memory_away_cannot_be_watched() -> None:
    interpreter = minilite.Interpreter(small_models.chain())
    with pytest.raises(minilite.ArgumentError, match="preserve_all_tensors=True"), watched(interpreter, print):
        pass


def test_an_interpreter_is_watched_by_one_only() -> None:
    interpreter = minilite.Interpreter(small_models.chain(), experimental_preserve_all_tensors=True)
    first, second = (watched(interpreter, lambda *_: None) for _ in range(2))
    with first, pytest.raises(minilite.StateError, match="already"), second:
        pass
