"""Compiled recurrent operators: wide cells, long streams, and states, which definitions and programs share."""

from __future__ import annotations

import dataclasses
import os
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Case, Draw, boolean
from minilite.engines import engine as engine_called
from minilite.kernel_sets import kernel_set
from minilite.model import Operator, OperatorCode
from minilite.ops import OPS, lstm_cases
from minilite.program import Program
from minilite.spec import Definition, Op
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from minilite.testing.strategies import HypothesisDraw

linked = pytest.importorskip("minilite.engines.numba.linked")
recurrent = pytest.importorskip("minilite.engines.numba.lowering.recurrent")

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SETS = ("reference", "builtin", "xnnpack")
ROWS = [
    pytest.param(op, d, id=f"{op.name}-{d.label}-{d.arithmetic}-{position}")
    for name in recurrent.LOWERINGS
    for op in (OPS[name],)
    for position, d in enumerate(op.definitions)
]
LSTMS = [row for row in ROWS if "LSTM" in row.id and row.values[1].label != "int8 8x8_8"]
INTEGERS = [row for row in ROWS if row.values[1].label == "int8"]
LSTM_INT8 = next(row.values for row in INTEGERS if row.values[0].name == "UNIDIRECTIONAL_SEQUENCE_LSTM")


def known(op: Op, case: Case) -> Case:
    """With weights that are constants, as files have them."""
    kept = [
        arg if arg is None or position == 0 or op.inputs[position].state else dataclasses.replace(arg, constant=True)
        for position, arg in enumerate(case.inputs)
    ]
    return dataclasses.replace(case, inputs=tuple(kept))


def sets_of(op: Op, definition: Definition) -> tuple[str, ...]:
    if definition.arithmetic in ("micro", "one by one"):
        return ("tflm",)
    return (*SETS, "tflm") if op.name == "SVDF" and definition.label.startswith("int8") else SETS


def ran(one: OneOperator, kernels: str, engine: str) -> list[np.ndarray]:
    return compute(one.model, kernels, one.inputs, engine, one.again)


def assert_same(one: OneOperator, kernels: str, slow: list[np.ndarray], fast: list[np.ndarray]) -> None:
    """Bit for bit, but for floats that are added in any order; and of ten million exponentials one may be rounded to
    another float."""
    is_float = one.definition.label == "float32"
    any_order = is_float and "LSTM" in one.node.op and kernels in ("builtin", "xnnpack")
    for a, b in zip(slow, fast, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if any_order or (is_float and THOROUGH):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=2e-6 if any_order else 5e-7)
        else:
            np.testing.assert_array_equal(b, a)


def calls(one: OneOperator, kernels: str) -> list[Any]:
    """What the operator is compiled to."""
    plan = Program(one.model, kernel_set(kernels), engine_called("numpy")).plan(0)
    plan.allocate()
    found = linked.lowered(plan, None)[0].calls
    return [] if found is None else [call.kind for call in found]


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_streams_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    """Run after run, by the rows' own cases."""

    def one(draw: st.DrawFn) -> OneOperator:
        source = HypothesisDraw(draw)
        return build(source, op, definition, known(op, op.cases(source, definition)))

    case, kernels = data.draw(st.composite(one)()), data.draw(st.sampled_from(sets_of(op, definition)))
    assert_same(case, kernels, ran(case, kernels, "numpy"), ran(case, kernels, "numba"))


# ---- wide cells ------------------------------------------------------------------------------------------------------


def wide(draw: Draw, op: Op, definition: Definition) -> Case:
    """Many cells and long rows; every part or none but four gates."""
    cells, terms, micro = draw.choice((15, 16, 33, 65)), draw.choice((5, 64, 130)), definition.arithmetic == "micro"
    every, mixed = boolean(draw) and not micro, definition.input_types[6] != definition.input_types[2]
    projection, coupled, norm = every and boolean(draw), boolean(draw) and not micro, every and boolean(draw)
    parts = lstm_cases.Parts(terms, cells, cells, coupled, every, projection, norm, mixed)
    if projection and boolean(draw) and not mixed:
        parts = dataclasses.replace(parts, outputs=cells // 2, peephole=False)
    options = lstm_cases.options(draw, definition) | {"fused_activation_function": "TANH"}
    batch, time = draw.integer(1, 3), 1 if op.name == "LSTM" else draw.integer(1, 5)
    leading: tuple[int, ...] = (batch,)
    if op.name != "LSTM":
        options["time_major"] = boolean(draw)
        leading = (time, batch) if options["time_major"] else (batch, time)
    inputs = lstm_cases.operands(draw, definition.input_types, parts, leading, batch)
    if definition.label == "int8" and boolean(draw):  # products of a gate far beyond int16
        far = [a and dataclasses.replace(a, scale=500 * (a.scale or 0)) for a in inputs[1:9]]
        inputs = (inputs[0], *far, *inputs[9:])
    return Case(inputs, options, runs=3, intermediates=lstm_cases.intermediates(draw, definition))


def widely(op: Op, definition: Definition) -> Any:
    def one(draw: st.DrawFn) -> OneOperator:
        source = HypothesisDraw(draw)
        return build(source, op, definition, known(op, wide(source, op, definition)))

    return st.composite(one)()


@pytest.mark.parametrize("op, definition", LSTMS)
@given(data=st.data())
def test_wide_cells_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    case, kernels = data.draw(widely(op, definition)), data.draw(st.sampled_from(sets_of(op, definition)))
    assert calls(case, kernels)
    assert_same(case, kernels, ran(case, kernels, "numpy"), ran(case, kernels, "numba"))


def memories(draw: Draw, op: Op, definition: Definition) -> Case:
    """SVDF of many filters, and memories that are no whole vectors."""
    rank, units = draw.choice((1, 2, 5, 9)), draw.choice((1, 13, 40))
    terms, memory, batch = draw.choice((3, 40, 129)), draw.choice((1, 3, 8, 33)), draw.integer(1, 3)
    shapes = ((batch, terms), (rank * units, terms), (rank * units, memory), (units,), (batch, rank * units * memory))
    drawn = op.cases(draw, definition)
    inputs = [
        arg and dataclasses.replace(arg, shape=shape, value=None)
        for arg, shape in zip(drawn.inputs, shapes, strict=True)
    ]
    fused = "RELU" if "int8" in definition.output_types else draw.choice(("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
    options = drawn.options | {"rank": rank, "fused_activation_function": fused}
    return dataclasses.replace(drawn, inputs=tuple(inputs), options=options, runs=5)


@pytest.mark.parametrize("op, definition", [row for row in ROWS if row.id.startswith("SVDF")])
@given(data=st.data())
def test_long_memories_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    def one(draw: st.DrawFn) -> OneOperator:
        source = HypothesisDraw(draw)
        return build(source, op, definition, known(op, memories(source, op, definition)))

    case, kernels = data.draw(st.composite(one)()), data.draw(st.sampled_from(sets_of(op, definition)))
    assert calls(case, kernels)
    assert_same(case, kernels, ran(case, kernels, "numpy"), ran(case, kernels, "numba"))


@given(data=st.data())
def test_a_processor_without_extras(data: st.DataObject) -> None:
    op, definition = data.draw(
        st.sampled_from([row for row in LSTMS if row.values[1].label in ("int8", "hybrid int8")])
    ).values
    case = data.draw(widely(op, definition))
    kernels = sets_of(op, definition)[-1]
    with (
        mock.patch("minilite.engines.numba.lowering.lstm_integers.dot", return_value="portable"),
        mock.patch("minilite.engines.numba.lowering.lstm_floats.dot", return_value="portable"),
    ):
        assert "portable" in calls(case, kernels)[0]
        fast = ran(case, kernels, "numba")
    assert_same(case, kernels, ran(case, kernels, "numpy"), fast)


@given(data=st.data())
def test_two_threads_compute_the_same(data: st.DataObject) -> None:
    op, definition = data.draw(st.sampled_from(LSTMS)).values
    case, kernels = data.draw(widely(op, definition)), sets_of(op, definition)[-1]
    found = []
    for threads in (1, 2):
        with mock.patch("minilite.engines.numba.calls.WORTH_SHARING", 0):
            program = Program(case.model, kernel_set(kernels), engine_called("numba", threads))
            called = program.subgraph(0)
            arrays = [called.compute(*given)[0] for given in (case.inputs, *case.again)]
        found.append([array.tobytes() for array in arrays])
    assert found[0] == found[1]


@pytest.mark.parametrize("op, definition", [row for row in LSTMS if row.values[1].label == "float32"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 3e38, 1e-44])
def test_special_numbers(op: Op, definition: Definition, special: float) -> None:
    """Wherever they are: beside them in a vector are other numbers."""
    for seed in range(3):
        draw = SeededDraw(seed)
        one = build(draw, op, definition, known(op, wide(draw, op, definition)))
        one.inputs[0].reshape(-1)[::7] = special
        kernels = sets_of(op, definition)[0]
        assert_same(one, kernels, ran(one, kernels, "numpy"), ran(one, kernels, "numba"))


# ---- states ----------------------------------------------------------------------------------------------------------


def plain(runs: int = 6, row: tuple[Op, Definition] = LSTM_INT8) -> OneOperator:
    """A sequence of three rows through five cells."""
    op, definition = row
    draw = SeededDraw(3)
    parts = lstm_cases.Parts(4, 5, 5, False, False, False, False)
    inputs = lstm_cases.operands(draw, definition.input_types, parts, (3, 2), 3)
    case = Case(
        inputs,
        {"fused_activation_function": "TANH"},
        1,
        runs=runs,
        intermediates=lstm_cases.intermediates(draw, definition),
    )
    return build(draw, op, definition, known(op, case))


class Both:
    """An interpreter of definitions, and one that compiles, which must always agree, in their states too."""

    def __init__(self, one: OneOperator, **arguments: Any):
        content = one.model.to_bytes()
        self.both = [minilite.Interpreter(model_content=content, engine=e, **arguments) for e in ("numpy", "numba")]
        for interpreter in self.both:
            interpreter.allocate_tensors()
        self.states = [i.index for i in one.node.inputs if i is not None and i.is_variable]
        variables = [t for t, tensor in enumerate(one.model.subgraphs[0].tensors) if tensor.is_variable]
        self.states = variables
        self._arrays = iter([one.inputs, *one.again])

    def invoke(self) -> np.ndarray:
        found = []
        (x,) = next(self._arrays)
        for interpreter in self.both:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
            interpreter.invoke()
            outputs = [interpreter.get_output_details()[0]["index"], *self.states]
            found.append([interpreter.get_tensor(index) for index in outputs])
        assert [a.tobytes() for a in found[0]] == [b.tobytes() for b in found[1]]
        output: np.ndarray = found[0][0]
        return output

    def is_compiled(self) -> bool:
        plan = self.both[1]._main.plan
        return all(isinstance(found, linked.Linked) and found.programs for found in plan._linked.values())


def test_states_are_set_back() -> None:
    both = Both(plain())
    first = both.invoke()
    assert len(both.states) == 2
    both.invoke()
    for interpreter in both.both:
        interpreter.reset_all_variables()
    both.invoke()
    for interpreter in both.both:
        interpreter.set_tensor(both.states[1], np.full(interpreter.get_tensor(both.states[1]).shape, 1000, np.int16))
    both.invoke()
    assert both.is_compiled()
    assert first.any()


@pytest.mark.parametrize("keep", [True, False])
def test_arrays_that_were_given_away_stay(keep: bool) -> None:
    """Copies of states, and states while a view of one is held."""
    both = Both(plain(), experimental_preserve_all_tensors=keep)
    both.invoke()
    fast = both.both[1]
    before = fast.get_tensor(both.states[0])
    kept, view = before.copy(), fast.tensor(both.states[0])()
    assert np.array_equal(view, before)
    del view
    both.invoke()
    assert np.array_equal(before, kept)
    assert not np.array_equal(before, fast.get_tensor(both.states[0]))
    assert both.is_compiled()


def test_a_state_that_was_saved_comes_back() -> None:
    """Of a called subgraph, whose variables programs assign in place."""
    one = plain()
    results = []
    for engine in ("numpy", "numba"):
        program = Program(one.model, kernel_set("reference"), engine_called(engine))
        called = program.subgraph(0)
        called.plan.allocate()
        called.reset_variables()
        x, y = one.inputs[0], one.again[0][0]
        first = called.compute(x)
        saved = program.state()
        second = [called.compute(y) for _ in range(3)]
        program.restore(saved)
        again = [called.compute(y) for _ in range(3)]
        assert [a[0].tobytes() for a in second] == [a[0].tobytes() for a in again]
        assert len({a[0].tobytes() for a in second}) == 3
        results.append([a[0].tobytes() for a in (first, *second)])
    assert results[0] == results[1]


def read_by_others(one: OneOperator) -> OneOperator:
    """With operators before and behind that make an output of the state h, whose results may be views of it."""
    graph = one.model.subgraphs[0]
    (lstm,), count = graph.operators, len(graph.tensors)
    state = graph.tensors[lstm.inputs[18]]
    shown = dataclasses.replace(state, is_variable=False, name="shown")
    code = OperatorCode("SQUEEZE", 1)
    operators = tuple(Operator(1, (lstm.inputs[18],), (count + i,)) for i in range(2))
    changed = dataclasses.replace(
        graph,
        tensors=(*graph.tensors, shown, shown),
        operators=(operators[0], lstm, operators[1]),
        outputs=(*graph.outputs, count, count + 1),
    )
    model = dataclasses.replace(one.model, subgraphs=(changed,), operator_codes=(*one.model.operator_codes, code))
    return dataclasses.replace(one, model=model)


@pytest.mark.parametrize("keep", [True, False])
def test_others_see_a_state_as_it_is_at_their_time(keep: bool) -> None:
    one = read_by_others(plain())
    both = Both(one, experimental_preserve_all_tensors=keep)
    for _ in range(3):
        both.invoke()
        before, behind = ([i.get_tensor(one.model.subgraphs[0].outputs[k]) for i in both.both] for k in (1, 2))
        assert np.array_equal(*before)
        assert np.array_equal(*behind)
        assert not np.array_equal(before[0], behind[0])
    assert both.is_compiled()


def test_two_operators_with_one_state() -> None:
    """Each goes on from where the other ended."""
    one = plain()
    graph = one.model.subgraphs[0]
    (lstm,), output = graph.operators, graph.tensors[graph.outputs[0]]
    second = dataclasses.replace(lstm, outputs=(len(graph.tensors),))
    changed = dataclasses.replace(
        graph, tensors=(*graph.tensors, output), operators=(lstm, second), outputs=(len(graph.tensors),)
    )
    both = Both(dataclasses.replace(one, model=dataclasses.replace(one.model, subgraphs=(changed,))))
    for _ in range(3):
        both.invoke()
    assert both.is_compiled()


def test_a_result_that_nobody_reads_still_changes_the_state() -> None:
    one = plain()
    graph = one.model.subgraphs[0]
    (lstm,) = graph.operators
    other = Operator(1, (lstm.inputs[0],), (len(graph.tensors),))
    changed = dataclasses.replace(
        graph,
        tensors=(*graph.tensors, graph.tensors[lstm.inputs[0]]),
        operators=(lstm, other),
        outputs=(len(graph.tensors),),
    )
    codes = (*one.model.operator_codes, OperatorCode("SQUEEZE", 1))
    model = dataclasses.replace(one.model, subgraphs=(changed,), operator_codes=codes)
    both = Both(dataclasses.replace(one, model=model))
    for _ in range(3):
        both.invoke()
    assert both.is_compiled()


def test_other_programs_leave_a_state_alone() -> None:
    """Tensors of a program before it share no memory with it, though it is not at work then."""
    one = plain(
        row=next(row.values for row in LSTMS if row.id.startswith("UNIDIRECTIONAL_SEQUENCE_LSTM-float32-cells"))
    )
    graph = one.model.subgraphs[0]
    (lstm,), count, x = graph.operators, len(graph.tensors), graph.inputs[0]
    pairs = ((x, x), (x, count), (count, count + 1), (count + 2, count + 1))
    before = [Operator(1, pair, (count + i,)) for i, pair in enumerate(pairs)]
    between = Operator(2, (count + 3,), (count + 4,))
    last = dataclasses.replace(lstm, inputs=(count + 4, *lstm.inputs[1:]))
    changed = dataclasses.replace(
        graph, tensors=(*graph.tensors, *[graph.tensors[x]] * 5), operators=(*before, between, last)
    )
    codes = (*one.model.operator_codes, OperatorCode("MUL", 1), OperatorCode("COS", 1))
    model = dataclasses.replace(one.model, subgraphs=(changed,), operator_codes=codes)
    both = Both(dataclasses.replace(one, model=model))
    for _ in range(3):
        both.invoke()
    (found,) = both.both[1]._main.plan._linked.values()
    assert [isinstance(block, linked.Program) for block in found.blocks] == [True, False, True]
