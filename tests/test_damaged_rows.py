"""Operators given types, shapes, options or quantization they cannot take: a result or a ``minilite.Error``, whatever
the row. A RecursionError, an IndexError or a MemoryError from within would be a defect."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import schema
from minilite.model import Model, Operator, Quantization, Tensor
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw

ROWS = [pytest.param(op, d, id=f"{op.name}-{d.label}") for op, d in rows()]
TYPES = ("FLOAT32", "INT8", "INT32", "INT64", "BOOL", "STRING", "UINT8", "INT16", "COMPLEX64", "FLOAT16", "RESOURCE")
DAMAGES = 3
FOREIGN = re.compile(r"\w(Error|Exception): ")
"""What is left of an exception of NumPy's or Python's that was merely handed on."""


@pytest.mark.parametrize("op, definition", ROWS)
def test_damage_is_refused_or_computed(op: Op, definition: Definition) -> None:
    for seed in range(DAMAGES):
        draw = SeededDraw(seed)
        one = build(draw, op, definition, op.cases(draw, definition))
        model = damaged(one.model, draw)
        said = outcome(model, draw)
        assert len(said) > 20, "the message says nothing"
        assert not FOREIGN.search(said), said


def outcome(model: Model, draw: SeededDraw) -> str:
    """What minilite says of the model; nothing but its own errors is caught."""
    try:
        run(model, draw)
    except minilite.Error as error:
        return str(error)
    return "it was computed, and that is fine"


def run(model: Model, draw: SeededDraw, kernels: str = "reference") -> None:
    """Compute a model on inputs that fit what it declares."""
    interpreter = minilite.Interpreter(
        model_content=model.to_bytes(), kernels=kernels, memory_limit=2**28, max_iterations=50
    )
    for detail in interpreter.get_input_details():
        numbers = draw.random.integers(-3, 4, tuple(detail["shape"]))
        kind = np.dtype(detail["dtype"]).kind
        array = numbers.astype(str).astype(object) if kind in "OS" else numbers.astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()


def damaged(model: Model, draw: SeededDraw) -> Model:
    """The model with one to three things changed, mostly of its operator's operands."""
    for _ in range(draw.integer(1, 3)):
        place = draw.integer(0, len(model.subgraphs) - 1)
        graph = model.subgraphs[place]
        if graph.tensors and draw.choice((True, True, True, False)):
            which = draw.integer(0, len(graph.tensors) - 1)
            tensors = list(graph.tensors)
            tensors[which] = _tensor(tensors[which], draw)
            graph = dataclasses.replace(graph, tensors=tuple(tensors))
        elif graph.operators:
            which = draw.integer(0, len(graph.operators) - 1)
            operators = list(graph.operators)
            operators[which] = _operator(operators[which], draw, len(graph.tensors))
            graph = dataclasses.replace(graph, operators=tuple(operators))
        subgraphs = (*model.subgraphs[:place], graph, *model.subgraphs[place + 1 :])
        model = dataclasses.replace(model, subgraphs=subgraphs)
    return model


def _tensor(tensor: Tensor, draw: SeededDraw) -> Tensor:
    kind = draw.choice(("type", "shape", "dimension", "scale", "zero_point", "axis", "none", "variable", "buffer"))
    shape = tensor.shape or ()
    q = tensor.quantization or Quantization(scales=np.ones(1, np.float32), zero_points=np.zeros(1, np.int64))
    if kind == "type":
        return dataclasses.replace(tensor, type=draw.choice(TYPES))
    if kind == "shape":
        return dataclasses.replace(tensor, shape=tuple(draw.integer(0, 5) for _ in range(draw.integer(0, 6))))
    if kind == "dimension" and shape:
        which = draw.integer(0, len(shape) - 1)
        return dataclasses.replace(tensor, shape=(*shape[:which], draw.choice((0, 1, 7, 10**6)), *shape[which + 1 :]))
    if kind == "scale":
        odd = draw.choice((0.0, -1.0, float("nan"), float("inf"), 1e30, 1e-30))
        scales = np.full(draw.integer(0, 3), odd, np.float32)
        return dataclasses.replace(tensor, quantization=dataclasses.replace(q, scales=scales))
    if kind == "zero_point":
        points = np.full(draw.integer(0, 3), draw.choice((-(2**40), 300, -129, 2**31)), np.int64)
        return dataclasses.replace(tensor, quantization=dataclasses.replace(q, zero_points=points))
    if kind == "axis":
        return dataclasses.replace(tensor, quantization=dataclasses.replace(q, quantized_dimension=draw.integer(-2, 6)))
    if kind == "none":
        return dataclasses.replace(tensor, quantization=None)
    if kind == "variable":
        return dataclasses.replace(tensor, is_variable=not tensor.is_variable)
    return dataclasses.replace(tensor, buffer=0)


def _operator(operator: Operator, draw: SeededDraw, tensors: int) -> Operator:
    inputs, outputs = list(operator.inputs or ()), list(operator.outputs or ())
    kind = draw.choice(("swap", "absent", "other", "fewer", "more", "outputs", "options"))
    if kind == "swap":
        draw.random.shuffle(inputs)
    elif kind == "absent" and inputs:
        inputs[draw.integer(0, len(inputs) - 1)] = -1
    elif kind == "other" and inputs:
        inputs[draw.integer(0, len(inputs) - 1)] = draw.integer(0, tensors - 1)
    elif kind == "fewer":
        inputs = inputs[:-1]
    elif kind == "more":
        inputs = [*inputs, draw.integer(-1, tensors - 1)]
    elif kind == "outputs":
        outputs = outputs[:-1]
    elif operator.options is not None:
        return dataclasses.replace(operator, options=_options(operator.options, draw))
    return dataclasses.replace(operator, inputs=tuple(inputs), outputs=tuple(outputs))


def _options(options: schema.Options, draw: SeededDraw) -> schema.Options:
    whole = [name for name, value in options.items() if type(value) is int]
    if not whole:
        return options
    odd = draw.choice((-1, 0, 3, 100, 2**31 - 1, -(2**31)))
    return schema.make_options(options.table, **{**options, draw.choice(whole): odd})


# ---- one damage, and what is said of it ------------------------------------------------------------------------------


def valid(row: str) -> Model:
    """A model of an operator and a label whose parameters are constants."""
    op, definition = next((o, d) for o, d in rows() if f"{o.name} {d.label}" == row)
    for draw in map(SeededDraw, range(100)):
        one = build(draw, op, definition, op.cases(draw, definition))
        if all(t is None or t.constant for i, t in enumerate(one.node.inputs) if op.operand(i).role == "parameter"):
            break
    return one.model


def with_operator(model: Model, **changes: Any) -> Model:
    graph = model.subgraphs[0]
    operator = dataclasses.replace(graph.operators[0], **changes)
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, operators=(operator,)),))


def with_tensor(model: Model, name: str, **changes: Any) -> Model:
    graph = model.subgraphs[0]
    tensors = tuple(dataclasses.replace(t, **changes) if t.name == name else t for t in graph.tensors)
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tensors),))


def scaled(scale: float, zero_point: int = 0, count: int = 1, axis: int = 0) -> Quantization:
    return Quantization(
        scales=np.full(count, scale, np.float32),
        zero_points=np.full(count, zero_point, np.int64),
        quantized_dimension=axis,
    )


SAID = {
    "SELECT_V2 without output": (
        lambda: with_operator(valid("SELECT_V2 float32"), outputs=()),
        "expected the output 'output', got none",
    ),
    "Convolution2DTransposeBias without output": (
        lambda: with_operator(valid("Convolution2DTransposeBias float32"), outputs=()),
        "expected the output 'output', got none",
    ),
    "CONCATENATION without operand": (
        lambda: with_operator(valid("CONCATENATION float32"), inputs=()),
        "expected at least one operand, got none",
    ),
    "PAD int8": (
        lambda: with_tensor(valid("PAD int8"), "output", quantization=scaled(0.5, 300)),
        "expected a zero point from -128 to 127, to fill with, got 300",
    ),
    "PAD int16": (
        lambda: with_tensor(valid("PAD int16"), "output", quantization=scaled(0.5, 36096)),
        "expected a zero point from -32768 to 32767, to fill with, got 36096",
    ),
    "CONV_2D without pixels": (
        lambda: with_tensor(valid("CONV_2D int16"), "input", shape=(1, 0, 9, 8)),
        "channels] with pixels, got (1, 0, 9, 8)",
    ),
    "CONV_2D filter without width": (
        lambda: with_tensor(valid("CONV_2D float32"), "filter", shape=(4, 3, 0, 2), buffer=0, is_variable=True),
        "expected",
    ),
}


@pytest.mark.parametrize("damage, message", SAID.values(), ids=SAID)
def test_what_is_said_when_tensors_are_allocated(damage: Callable[[], Model], message: str) -> None:
    interpreter = minilite.Interpreter(model_content=damage().to_bytes())
    with pytest.raises(minilite.OperatorError, match=re.escape(message)) as raised:
        interpreter.allocate_tensors()
    assert "failed to prepare" in str(raised.value)
    assert not FOREIGN.search(str(raised.value))


def test_ideal_reads_no_scale_of_an_axis() -> None:
    """An axis of int32 is a number, whatever scale stands in the file."""
    model = valid("SPLIT float32")
    run(with_tensor(model, "axis", quantization=scaled(float("nan"))), SeededDraw(0), "ideal")


def test_ideal_reads_no_scale_of_a_float() -> None:
    model = valid("CONCATENATION float32")
    run(with_tensor(model, "output", quantization=scaled(0.5)), SeededDraw(0), "ideal")


def test_ideal_says_which_dimension_is_not_there() -> None:
    """Scales along dimension 3 of a result that turns out to have fewer."""
    model = with_tensor(valid("SELECT_V2 int8"), "output", shape=(1, 1, 1, 1, 1, 2), quantization=scaled(1, 0, 2, 5))
    with pytest.raises(minilite.OperatorError, match="expected 2 elements along dimension 5, got"):
        run(model, SeededDraw(0), "ideal")
