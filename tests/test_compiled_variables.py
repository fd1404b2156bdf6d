"""Variables in compiled plans: what definitions keep from invoke to invoke, compiled steps keep, too."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Call, Graph, Value
from minilite.model import Signature
from minilite.testing.graph_model import graph_model

pytest.importorskip("minilite.engines.numba.linked")

NAME = {"shared_name": "state", "container": ""}
OTHER = {"shared_name": "other", "container": ""}
HANDLE, DATA = Value("resource", ()), Value("float32", (2, 3))
FIRST = Value("float32", (2, 3), np.arange(6, dtype=np.float32).reshape(2, 3))
WIDE = Value("float32", (3, 2))
ONCE = Call("CALL_ONCE", (), (), {"init_subgraph_index": 1})
START = Graph((HANDLE, FIRST), (Call("VAR_HANDLE", (), (0,), NAME), Call("ASSIGN_VARIABLE", (0, 1), ())), (), ())
BOTH = Graph(
    (*START.values, HANDLE),
    (*START.calls, Call("VAR_HANDLE", (), (2,), OTHER), Call("ASSIGN_VARIABLE", (2, 1), ())), (), (),
)  # fmt: skip
READ = Call("VAR_HANDLE", (), (1,), NAME), Call("READ_VARIABLE", (1,), (2,))
COUNT = (*READ, Call("ADD", (2, 0), (3,)), Call("ASSIGN_VARIABLE", (1, 3), ()))
CALLED = {"name": "a.b", "decomposition_subgraph_index": 2}
RESHAPE = Call("RESHAPE", (3, 5), (4,))
SIZES = Value("int32", (2,), np.array([3, 2], np.int32))


def main(*calls: Call, outputs: tuple[int, ...] = (3,), values: tuple[Value, ...] = ()) -> Graph:
    """Value 0 is the input, 1 a handle."""
    return Graph((DATA, HANDLE, *(values or (DATA, DATA, WIDE, SIZES, DATA, DATA))), calls, (0,), outputs)


WHOLE = {
    "counts": [main(ONCE, *COUNT), START],
    "read only": [main(ONCE, *READ, Call("ADD", (2, 0), (3,))), START],
    "read after it was assigned": [main(ONCE, *COUNT, Call("READ_VARIABLE", (1,), (6,)), outputs=(3, 6)), START],
    "read before and behind": [
        main(ONCE, *COUNT, Call("READ_VARIABLE", (1,), (6,)), Call("SUB", (6, 2), (7,)), outputs=(7,)),
        START,
    ],
    "a copy is assigned": [
        main(
            ONCE, *READ, Call("RESHAPE", (2, 4), (3,)), Call("RESHAPE", (3, 5), (6,)), Call("ADD", (6, 0), (7,)),
            Call("ASSIGN_VARIABLE", (1, 7), ()), outputs=(7,),
            values=(DATA, WIDE, SIZES, Value("int32", (2,), np.array([2, 3], np.int32)), DATA, DATA),
        ),
        START,
    ],
    "two variables": [
        Graph(
            (DATA, HANDLE, DATA, DATA, HANDLE, DATA),
            (
                ONCE, *COUNT, Call("VAR_HANDLE", (), (4,), OTHER), Call("ASSIGN_VARIABLE", (4, 2), ()),
                Call("READ_VARIABLE", (4,), (5,)),
            ),
            (0,), (3, 5),
        ),
        START,
    ],
    "a constant is assigned": [
        Graph(
            (DATA, HANDLE, DATA, DATA, FIRST),
            (ONCE, *COUNT, Call("ASSIGN_VARIABLE", (1, 4), ())), (0,), (3,),
        ),
        START,
    ],
}  # fmt: skip
APART = {
    "a step that is not compiled": ([main(ONCE, *COUNT, Call("COS", (3,), (6,)), outputs=(6,)), START], True),
    "another shape": (
        [main(ONCE, *READ, Call("ADD", (2, 0), (3,)), RESHAPE, Call("ASSIGN_VARIABLE", (1, 4), ())), START],
        False,
    ),
    "the handle is an output": ([main(ONCE, *COUNT, outputs=(3, 1)), START], False),
    "another subgraph assigns": (
        [
            main(ONCE, *COUNT, Call("STABLEHLO_COMPOSITE", (3,), (6,), CALLED), outputs=(3, 6)),
            START,
            Graph((DATA, HANDLE, DATA), (Call("VAR_HANDLE", (), (1,), NAME), Call("ADD", (0, 0), (2,)),
                                         Call("ASSIGN_VARIABLE", (1, 2), ())), (0,), (2,)),
        ],
        False,
    ),
    "what is read is written once more": (
        [
            main(
                ONCE, *READ, Call("ADD", (2, 0), (3,)), Call("ABS", (0,), (2,)), Call("MUL", (0, 0), (6,)),
                outputs=(3, 2, 6),
            ),
            START,
        ],
        False,
    ),
}  # fmt: skip


def made(graphs: list[Graph], engine: str) -> minilite.Interpreter:
    interpreter = minilite.Interpreter(model_content=graph_model(graphs).to_bytes(), engine=engine)
    interpreter.allocate_tensors()
    return interpreter


def run(interpreter: minilite.Interpreter, x: np.ndarray) -> list[np.ndarray]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def linked(interpreter: minilite.Interpreter) -> Any:
    found = interpreter._main.plan.linked()
    if found is None:
        pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
    return found


def inputs(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(count, 2, 3)).astype(np.float32))


def follow(one: minilite.Interpreter, other: minilite.Interpreter, runs: int = 5) -> None:
    """Both go on alike."""
    for x in inputs(runs):
        for a, b in zip(run(one, x), run(other, x), strict=True):
            assert a.tobytes() == b.tobytes()
            assert a.shape == b.shape


@pytest.mark.parametrize("case", WHOLE)
def test_state_is_kept_in_one_program(case: str) -> None:
    fast = made(WHOLE[case], "numba")
    follow(made(WHOLE[case], "numpy"), fast)
    assert linked(fast)._whole is not None
    assert not np.array_equal(*(run(fast, inputs(1)[0])[0] for _ in range(2))) or case in (
        "read only", "a constant is assigned", "read before and behind",
    )  # fmt: skip


@pytest.mark.parametrize("case", APART)
def test_what_others_use_is_theirs(case: str) -> None:
    graphs, own = APART[case]
    fast = made(graphs, "numba")
    follow(made(graphs, "numpy"), fast)
    assert (linked(fast)._variables is not None) == own


def test_reading_what_was_never_assigned_is_refused_each_time() -> None:
    graphs = [main(*COUNT)]
    for engine in ("numpy", "numba"):
        interpreter = made(graphs, engine)
        for _ in range(2):
            with pytest.raises(minilite.OperatorError, match="expected a variable that was assigned"):
                run(interpreter, inputs(1)[0])


@given(st.data())
def test_any_order_of_reading_moving_and_assigning(data: st.DataObject) -> None:
    """Copies that are left out, and made elsewhere, are never seen."""
    values: list[Value] = [DATA, HANDLE, HANDLE, Value("int32", (1,), np.array([0], np.int32))]
    calls = [ONCE, Call("VAR_HANDLE", (), (1,), NAME), Call("VAR_HANDLE", (), (2,), OTHER)]
    tensors = [0]
    for _ in range(data.draw(st.integers(1, 12))):
        handle, some = data.draw(st.sampled_from([1, 2])), st.sampled_from(tensors)
        what = data.draw(st.sampled_from(["READ_VARIABLE", "ASSIGN_VARIABLE", "REVERSE_V2", "ADD"]))
        inputs = {
            "READ_VARIABLE": st.just((handle,)),
            "ASSIGN_VARIABLE": st.tuples(st.just(handle), some),
            "REVERSE_V2": st.tuples(some, st.just(3)),
            "ADD": st.tuples(some, some),
        }
        output = () if what == "ASSIGN_VARIABLE" else (len(values),)
        calls.append(Call(what, data.draw(inputs[what]), output))
        values += [DATA] * len(output)
        tensors += output
    outputs = data.draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3, unique=True))
    graphs = [Graph(tuple(values), tuple(calls), (0,), tuple(outputs)), BOTH]
    follow(made(graphs, "numba"), made(graphs, "numpy"), 4)


MOVED = Call("REVERSE_V2", (0, 6), (7,))
STREAMS = {
    "both": ((*READ, Call("ADD", (2, 0), (3,)), MOVED, Call("ASSIGN_VARIABLE", (1, 7), ())), ["binary", "moving"]),
    "what is moved is read": (
        (*READ, MOVED, Call("ADD", (2, 7), (3,)), Call("ASSIGN_VARIABLE", (1, 7), ())), ["moving", "binary", "moving"]
    ),
    "moved too early": (
        (READ[0], MOVED, READ[1], Call("ADD", (2, 0), (3,)), Call("ASSIGN_VARIABLE", (1, 7), ())),
        ["moving", "binary", "moving"],
    ),
    "read too late": (
        (*READ, MOVED, Call("ASSIGN_VARIABLE", (1, 7), ()), Call("ADD", (2, 0), (3,))), ["moving", "moving", "binary"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_copies_no_more_than_it_must(case: str) -> None:
    """What is moved into a variable, or read of it, is not copied once more."""
    calls, wanted = STREAMS[case]
    values = (DATA, DATA, DATA, DATA, Value("int32", (1,), np.array([0], np.int32)), DATA)
    graphs = [main(ONCE, *calls, values=values), START]
    interpreter = made(graphs, "numba")
    follow(interpreter, made(graphs, "numpy"))
    (program,) = linked(interpreter).programs
    assert [call.kind[0] for call in program.calls] == wanted


def test_a_state_is_restored() -> None:
    slow, fast = (made(WHOLE["counts"], engine) for engine in ("numpy", "numba"))
    follow(slow, fast)
    states = [i._program.state() for i in (slow, fast)]
    follow(slow, fast)
    for interpreter, state in zip((slow, fast), states, strict=True):
        interpreter._program.restore(state)
    follow(slow, fast)


def test_allocating_again_keeps_the_state() -> None:
    slow, fast = (made(WHOLE["counts"], engine) for engine in ("numpy", "numba"))
    follow(slow, fast)
    for interpreter in (slow, fast):
        interpreter.resize_tensor_input(0, (2, 3))
        interpreter.allocate_tensors()
    follow(slow, fast)


def test_interpreters_have_variables_of_their_own() -> None:
    one, other, slow = (made(WHOLE["counts"], engine) for engine in ("numba", "numba", "numpy"))
    run(one, inputs(1)[0])
    run(one, inputs(1)[0])
    follow(slow, other)


def test_two_signatures_share_a_variable() -> None:
    graphs = [main(ONCE, *COUNT), START, main(*COUNT)]
    signatures = tuple(Signature(key, (("x", 0),), (("y", 3),), index) for key, index in (("a", 0), ("b", 2)))
    content = dataclasses.replace(graph_model(graphs), signatures=signatures).to_bytes()
    slow, fast = (minilite.Interpreter(model_content=content, engine=engine) for engine in ("numpy", "numba"))
    for turn, x in enumerate(inputs(12)):
        key = "aabbabbbaaab"[turn]
        a, b = (i.get_signature_runner(key)(x=x)["y"] for i in (slow, fast))
        assert a.tobytes() == b.tobytes()


def test_what_a_failed_invoke_assigns() -> None:
    """Nothing that comes after the step that failed."""
    axis, index, row = Value("int32", (1,), np.array([0], np.int32)), Value("int32", (1,)), Value("float32", (1, 3))
    moved = (Call("REVERSE_V2", (2, 4), (3,)), Call("GATHER", (2, 5), (6,)), Call("ASSIGN_VARIABLE", (1, 3), ()))
    graph = Graph((DATA, HANDLE, DATA, DATA, axis, index, row), (ONCE, *READ, *moved), (0, 5), (6,))
    found = []
    for engine in ("numpy", "numba"):
        interpreter, states = made([graph, START], engine), []
        for where in (0, 99, 0, 0):
            interpreter.set_tensor(0, np.full((2, 3), len(states) + 1, np.float32))
            interpreter.set_tensor(5, np.array([where], np.int32))
            try:
                interpreter.invoke()
                states.append(interpreter.get_tensor(6).tolist())
            except minilite.OperatorError:
                states.append("refused")
        found.append(states)
    assert found[0] == found[1]
    assert "refused" in found[0]


def test_a_failed_invoke_leaves_outputs_their_own() -> None:
    """RESHAPE's output, which definitions make a view of an input that programs keep in memory of theirs."""
    calls = (Call("RESHAPE", (0, 5), (4,)), *READ, Call("ADD", (2, 0), (3,)), Call("ASSIGN_VARIABLE", (1, 3), ()))
    interpreter = made([main(*calls, outputs=(4, 3))], "numba")
    for turn in range(3):
        interpreter.set_tensor(0, np.full((2, 3), turn + 1, np.float32))
        with pytest.raises(minilite.OperatorError, match="not"):
            interpreter.invoke()
        interpreter.set_tensor(0, np.full((2, 3), 50, np.float32))
        assert np.all(interpreter.get_tensor(4) == turn + 1)


def test_what_one_signature_has_read_another_does_not_change() -> None:
    """One reads by its definition, for its handle is an output; the other assigns in a compiled program."""
    first = main(ONCE, *READ, outputs=(2, 1))
    second = main(*COUNT)
    signatures = Signature("a", (("x", 0),), (("y", 2),), 0), Signature("b", (("x", 0),), (("y", 3),), 2)
    model = dataclasses.replace(graph_model([first, START, second]), signatures=signatures)
    interpreter = minilite.Interpreter(model_content=model.to_bytes(), engine="numba")
    interpreter.allocate_tensors()
    a, b = (interpreter.get_signature_runner(name) for name in "ab")
    x = np.ones((2, 3), np.float32)
    for run_ in (a, b, b, a):
        run_(x=x)
    before = interpreter.get_tensor(2)
    b(x=x)
    np.testing.assert_array_equal(interpreter.get_tensor(2), before)
