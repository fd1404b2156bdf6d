"""Operators given types, shapes, options or quantization they cannot take: a result or a ``minilite.Error``, whatever
the row and the kernel set. A RecursionError, an IndexError or a MemoryError from within would be a defect, also where
it is told as an :class:`minilite.OperatorError`."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import schema
from minilite.kernel_sets import KERNEL_SETS
from minilite.model import Model, Operator, Quantization, Tensor
from minilite.spec import Definition, Op
from minilite.testing.kit import Row, rows, seeded_case
from minilite.testing.one_operator import build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.small_models import Builder
from tests.small_models import one as one_model

ROWS = [pytest.param(op, d, id=f"{op.name}-{d.label}") for op, d in rows()]
TYPES = ("FLOAT32", "INT8", "INT32", "INT64", "BOOL", "STRING", "UINT8", "INT16", "COMPLEX64", "FLOAT16", "RESOURCE")
FOREIGN = re.compile(r"\w(Error|Exception): ")
"""What is left of an exception of NumPy's or Python's that was merely handed on."""


@pytest.mark.parametrize("op, definition", ROWS)
def test_damage_is_refused_or_computed(op: Op, definition: Definition) -> None:
    for seed, kernels in enumerate(KERNEL_SETS):
        draw = SeededDraw(seed)
        one = build(draw, op, definition, op.cases(draw, definition))
        model = damaged(one.model, draw)
        said = outcome(model, draw, kernels)
        assert len(said) > 20, "the message says nothing"
        assert not FOREIGN.search(said), said


def outcome(model: Model, draw: SeededDraw, kernels: str) -> str:
    """What minilite says of the model; nothing but its own errors is caught, nor are exceptions it only retells."""
    try:
        run(model, draw, kernels)
    except minilite.Error as error:
        if error.__cause__ is None or isinstance(error.__cause__, minilite.Error):
            return str(error)
        raise
    return "it was computed, and that is fine"


def run(model: Model, draw: SeededDraw, kernels: str) -> None:
    """Compute a model on inputs that fit what it declares."""
    interpreter = minilite.Interpreter(
        model_content=model.to_bytes(), limits=minilite.Limits(max_memory=2**27, max_iterations=50), kernels=kernels
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


@pytest.mark.parametrize("op, definition", ROWS)
def test_a_missing_or_further_output_is_refused(op: Op, definition: Definition) -> None:
    if not op.outputs or op.outputs[-1].variadic:
        return  # any number may be right
    one = seeded_case(Row(op, definition), 0)
    for count in (-1, 1):
        with pytest.raises(minilite.OperatorError, match=r"expected .*outputs|computed by nothing"):
            compute(_with_outputs(one.model, op.name, count), "reference", one.inputs)


def _with_outputs(model: Model, name: str, count: int) -> Model:
    """The model with an output more (the first one again) or less of every operator of a name."""

    def changed(operator: Operator) -> Operator:
        if model.operator_codes[operator.opcode_index].name != name:
            return operator
        outputs = operator.outputs or ()
        return dataclasses.replace(operator, outputs=(*outputs, outputs[0]) if count > 0 else outputs[:-1])

    graphs = (dataclasses.replace(g, operators=tuple(map(changed, g.operators))) for g in model.subgraphs)
    return dataclasses.replace(model, subgraphs=tuple(graphs))


def _all_quantized(shape: tuple[int, ...], scale: float, name: str, kernels: str, **options: Any) -> list[np.ndarray]:
    """An operator with one int8 input and output, both of this scale."""
    b = Builder()
    q = Quantization(np.array([scale], np.float32), np.array([0]))
    x, y = (b.tensor(n, shape, "INT8", quantization=q) for n in "xy")
    table = "Pool2DOptions" if options else ""
    return compute(one_model(b, name, (x,), (y,), table, **options), kernels, [np.ones(shape, np.int8)])


POOL = dict.fromkeys(("stride_w", "stride_h", "filter_width", "filter_height"), 1)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-40])
def test_xnnpack_refuses_odd_scales(scale: float) -> None:
    with pytest.raises(minilite.OperatorError, match="positive normal"):
        _all_quantized((1, 2, 2, 1), scale, "MAX_POOL_2D", "xnnpack", **POOL, fused_activation_function="RELU6")
    with pytest.raises(minilite.OperatorError, match="positive normal"):
        _all_quantized((4,), scale, "TANH", "xnnpack")


def test_empty_operands_need_no_source() -> None:
    """A tensor without elements that nothing writes has its only value."""
    b = Builder()
    empty, x, y = b.tensor("empty", (0,)), b.tensor("x", (2,)), b.tensor("y", (2,))
    model = one_model(b, "CONCATENATION", (empty, x), (y,), "ConcatenationOptions", axis=0)
    graph = dataclasses.replace(model.subgraphs[0], inputs=(x,))
    model = dataclasses.replace(model, subgraphs=(graph,))
    for kernels in KERNEL_SETS:
        if kernels != "tflm":
            assert compute(model, kernels, [np.ones(2, np.float32)])[0].tolist() == [1, 1]


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
        "expected the outputs output, got 0 tensors",
    ),
    "Convolution2DTransposeBias without output": (
        lambda: with_operator(valid("Convolution2DTransposeBias float32"), outputs=()),
        "expected the outputs output, got 0 tensors",
    ),
    "CONCATENATION without operand": (
        lambda: with_operator(valid("CONCATENATION float32"), inputs=()),
        "expected at least one operand, got none",
    ),
    "PAD int8": (
        lambda: with_tensor(valid("PAD int8"), "output", quantization=scaled(0.5, 300)),
        "expected a zero point in [-128, 127], got 300",
    ),
    "PAD int16": (
        lambda: with_tensor(valid("PAD int16"), "output", quantization=scaled(0.5, 36096)),
        "expected a zero point in [-32768, 32767], got 36096",
    ),
    "PAD int8 without scale": (
        lambda: with_tensor(valid("PAD int8"), "output", quantization=Quantization(zero_points=np.array([300]))),
        "expected a zero point from -128 to 127, to fill with, got 300",
    ),
    "CONV_2D without pixels": (
        lambda: with_tensor(valid("CONV_2D int16"), "input", shape=(1, 0, 9, 8)),
        "channels] with pixels, got (1, 0, 9, 8)",
    ),
    "DEPTHWISE_CONV_2D without pixels": (
        lambda: with_tensor(valid("DEPTHWISE_CONV_2D int8"), "input", shape=(1, 7, 0, 8)),
        "channels] with pixels, got (1, 7, 0, 8)",
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


@pytest.mark.parametrize("kernels", KERNEL_SETS)
@pytest.mark.parametrize("row", ["CONV_2D int8", "DEPTHWISE_CONV_2D int8", "FULLY_CONNECTED int8", "ADD int8"])
def test_a_scale_that_is_no_number_makes_no_warning(row: str, kernels: str) -> None:
    """What NumPy warns of is an exception in these tests, also when an engine asks for it before the first run."""
    model = valid(row)
    first = model.subgraphs[0].tensors[(model.subgraphs[0].operators[0].inputs or ())[0]]
    assert first.quantization is not None
    nan = dataclasses.replace(first.quantization, scales=np.float32([np.nan]))
    with contextlib.suppress(minilite.OperatorError):
        run(with_tensor(model, first.name or "", quantization=nan), SeededDraw(0), kernels)


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
