"""Recurrent operators: long streams, special numbers, empty sequences, and operands that do not fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from minilite.cases import Arg, Case
from minilite.engines import engine
from minilite.errors import OperatorError
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.ops import OPS
from minilite.program import Program
from minilite.spec import Definition, Op
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.oracle import oracle

NAMES = (
    "SVDF",
    "RNN",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "LSTM",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
)
ROWS = [
    pytest.param(op, d, id=f"{op.name}-{d.label}")
    for name in NAMES
    for op in (OPS[name], *OPS[name].kinds)
    for d in {d.label: d for d in op.definitions}.values()
    if d.label != "int8 state"
]
EXACT = [row for row in ROWS if row.values[1].input_types[0] != "float32" or "LSTM" not in row.values[0].name]
FLOAT = [row for row in ROWS if "float32" in row.values[1].label]
FRAMES = 500


def drawn(op: Op, definition: Definition, seed: int = 0, **changes: Any) -> OneOperator:
    draw = SeededDraw(seed)
    return build(draw, op, definition, dataclasses.replace(op.cases(draw, definition), **changes))


def allocate(model: Model) -> None:
    """Work out shapes and prepare every operator."""
    Program(model, kernel_set("reference"), engine("numpy")).plan(0).allocate()


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_every_bit_of_an_svdf_shows(runtime: str, kernels: str) -> None:
    """Scales at which both accumulators of the int8 kernel are the state's and the output's steps, so that neither can
    be off by one unnoticed."""
    random = np.random.default_rng(7)

    def arg(low: int, high: int, shape: tuple[int, ...], type_: str, scale: float) -> Arg:
        values = random.integers(low, high, shape, endpoint=True).astype(type_)
        return Arg(shape, values, scale=scale, zero_point=0)

    inputs = (
        Arg((2, 3), scale=0.5, zero_point=0, low=-2.0, high=2.0),
        arg(-1, 1, (6, 3), "int8", 0.25),
        arg(-1, 1, (6, 4), "int16", 0.5),
        arg(-9, 9, (3,), "int32", 0.0625),
        Arg((2, 24), scale=0.125),
    )
    op = OPS["SVDF"]
    definition = next(d for d in op.definitions if d.label == "int8")
    options = {"rank": 2, "fused_activation_function": "RELU"}
    one = build(SeededDraw(0), op, definition, Case(inputs, options, 1, 0.0625, 0, runs=6))
    expected = oracle(runtime).run(one.content, kernels, one.inputs, again=one.again)
    assert np.array_equal(expected, compute(one.model, kernels, one.inputs, again=one.again))
    assert len(np.unique(expected)) > 20


@pytest.mark.parametrize("op, definition", EXACT)
@pytest.mark.parametrize("kernels", ["reference", "builtin"])
def test_a_long_stream_stays_equal(runtime: str, op: Op, definition: Definition, kernels: str) -> None:
    """State that is one step off would show, and grow."""
    one = drawn(op, definition, runs=FRAMES)
    expected = oracle(runtime).run(one.model.to_bytes(), kernels, one.inputs, again=one.again)
    found = compute(one.model, kernels, one.inputs, again=one.again)
    assert len(found) == len(expected) >= FRAMES
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("op, definition", FLOAT)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 3e38])
def test_special_numbers_end_like_litert(runtime: str, op: Op, definition: Definition, special: float) -> None:
    for seed in range(12):
        one = drawn(op, definition, seed)
        one.inputs[0].reshape(-1)[-1] = special
        expected = oracle(runtime).run(one.model.to_bytes(), "reference", one.inputs, again=one.again)
        found = compute(one.model, "reference", one.inputs, again=one.again)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_the_state_of_svdf_may_be_int8() -> None:
    """As TensorFlow Lite for Microcontrollers computes it, which LiteRT does not: a loop written from its formula."""
    op = OPS["SVDF"]
    definition = next(d for d in op.definitions if d.label == "int8 state")
    for seed in range(20):
        one = drawn(op, definition, seed)
        x, feature, time, bias, state = one.node.inputs
        if not (x and feature and time and state) or feature.value is None or time.value is None:
            continue  # weights may be fed, like the input
        output, rank = one.node.outputs[0], one.node.options.rank
        memory = np.full((state.shape[0], *time.shape), state.zero_point)
        weights, times = feature.value.astype(int), time.value.astype(int)
        biases: Any = 0 if bias is None else bias.value
        arrays = [one.inputs, *one.again]
        for array, found in zip(arrays, compute(one.model, "reference", one.inputs, again=one.again), strict=True):
            products = (array[0].astype(int) - x.zero_point) @ weights.T * float(x.scale) * float(feature.scale)
            newest = np.clip(np.round(products / float(state.scale)) + state.zero_point, -128, 127)
            memory = np.concatenate([memory[..., 1:], newest[..., None]], axis=-1)
            sums = ((memory - state.zero_point) * times).sum(-1).reshape(len(memory), -1, rank).sum(-1) + biases
            real = sums * float(state.scale) * float(time.scale) / float(output.scale) + output.zero_point
            assert np.abs(np.clip(real, -128, 127) - found).max() <= 1.01, "more than roundings apart"


@pytest.mark.parametrize("op, definition", ROWS)
def test_a_state_that_is_no_variable_is_refused(op: Op, definition: Definition) -> None:
    if definition.label.startswith("basic"):
        pytest.skip("writes its inputs, whatever they are")
    one = drawn(op, definition)
    graph = one.model.subgraphs[0]
    states = [p for p, operand in enumerate(op.inputs) if operand.state]
    index = graph.operators[0].inputs[states[-1]]  # type: ignore[index]  # there are inputs
    tensors = tuple(dataclasses.replace(t, is_variable=False) if i == index else t for i, t in enumerate(graph.tensors))
    graph = dataclasses.replace(graph, tensors=tensors, inputs=(*graph.inputs, index))
    model = dataclasses.replace(one.model, subgraphs=(graph,))
    with pytest.raises(OperatorError, match="expected a variable of"):
        allocate(model)


@pytest.mark.parametrize("op, definition", ROWS)
def test_operands_of_another_size_are_refused(op: Op, definition: Definition) -> None:
    """Any operand a column or an element longer: an error of ours, before anything is computed."""
    one = drawn(op, definition, 1)
    graph = one.model.subgraphs[0]
    for position, index in enumerate(graph.operators[0].inputs or ()):
        if index < 0 or position == 0:
            continue
        shape = graph.tensors[index].shape or ()
        longer = dataclasses.replace(graph.tensors[index], shape=(*shape[:-1], shape[-1] + 1), buffer=0)
        tensors = tuple(longer if i == index else t for i, t in enumerate(graph.tensors))
        inputs = graph.inputs if index in graph.inputs or longer.is_variable else (*graph.inputs, index)
        model = dataclasses.replace(one.model, subgraphs=(dataclasses.replace(graph, tensors=tensors, inputs=inputs),))
        with pytest.raises(OperatorError, match=op.name):
            allocate(model)
