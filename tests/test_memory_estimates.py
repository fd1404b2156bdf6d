"""``max_memory`` is kept: what would take more than a quarter above it is refused before it is asked for. The rows say
what cases are enlarged; NumPy tells ``tracemalloc`` of every array."""

from __future__ import annotations

import contextlib
import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import Limits, memory
from minilite.cases import Call, Case, Graph, Value
from minilite.model import Model, Quantization
from minilite.spec import Definition, Op
from minilite.testing.graph_model import graph_model
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.seeded import SeededDraw
from tests.small_models import Builder, one

ABOVE = 1.25
BESIDE = 3 * 2**20
"""Bytes that blocks and Python's own objects take, whatever the shapes."""
ELEMENTS = range(250_000, 1_500_000)
"""Of a case that is worth measuring."""


def peak(model: Model, inputs: list[np.ndarray], engine: str, limits: Limits) -> int:
    """The most bytes that are there at once: while tensors are allocated, and while the model runs."""
    content = model.to_bytes()
    tracemalloc.start()
    try:
        interpreter = minilite.Interpreter(model_content=content, engine=engine, limits=limits)
        interpreter.allocate_tensors()
        found = tracemalloc.get_traced_memory()[1]
        for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(detail["index"], array)
        tracemalloc.reset_peak()
        interpreter.invoke()
        return max(found, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def is_kept(model: Model, inputs: list[np.ndarray], engine: str) -> tuple[bool, int]:
    """Whether a limit that the model exceeds by more than a quarter keeps it from running; and what it takes."""
    took = peak(model, inputs, engine, Limits(max_memory=None, max_elements=None))
    limit = int(0.98 * (took - BESIDE) / ABOVE)
    if limit <= 0:
        return True, took
    try:
        again = peak(model, inputs, engine, Limits(max_memory=limit))
    except minilite.OperatorError as error:
        return f"max_memory={limit}" in str(error), took
    return again <= ABOVE * limit + BESIDE, took


# ---- every row -------------------------------------------------------------------------------------------------------


class Enlarged(SeededDraw):
    """Draws as its seed says, one number excepted, which is so many times as large."""

    def __init__(self, seed: int, which: int = -1, factor: int = 1):
        super().__init__(seed)
        self.which, self.factor, self.drawn = which, factor, 0

    def integer(self, low: int, high: int) -> int:
        found, place = super().integer(low, high), self.drawn
        self.drawn += 1
        return found * self.factor if place == self.which else found


def elements(case: Case) -> int:
    return sum(math.prod(a.shape) for a in case.inputs if a is not None)


REFUSED = (minilite.Error, ArithmeticError, LookupError, MemoryError, TypeError, ValueError, StopIteration)
"""What a number that was no size brings about."""


def enlarged(op: Op, definition: Definition, most: int = 1) -> Iterator[OneOperator]:
    """Cases of a row with some operand that is large: each of the first numbers that are drawn, enlarged."""
    plain = Enlarged(1)
    before = max(elements(op.cases(plain, definition)), 1)
    for which in range(min(plain.drawn, 8)):
        with contextlib.suppress(*REFUSED):
            draw = Enlarged(1, which, max(2, 700_000 // before))
            case = op.cases(draw, definition)
            if elements(case) in ELEMENTS and most:
                with np.errstate(all="ignore"):
                    yield build(draw, op, definition, case)
                most -= 1


ROWS = (
    *("ARG_MAX", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "CUMSUM", "DEPTHWISE_CONV_2D", "DEQUANTIZE"),
    *("EMBEDDING_LOOKUP", "FULLY_CONNECTED", "L2_NORMALIZATION", "LOG_SOFTMAX", "MEAN", "REDUCE_MAX", "RELU"),
    *("RESIZE_BILINEAR", "RFFT2D", "SLICE", "SOFTMAX", "SVDF", "TOPK_V2", "UNIQUE"),
)
"""Operators whose enlarged cases take no long time."""


@pytest.mark.parametrize("name", ROWS)
def test_rows_take_no_more_than_was_estimated(name: str) -> None:
    for op, definition in rows():
        if op.name == name and definition.label in ("float32", "int8", "hybrid int8"):
            for case in enlarged(op, definition):
                kept, took = is_kept(case.model, case.inputs, "numpy")
                assert kept, f"{definition.label} took {took} bytes: {case}"


# ---- sums of products ------------------------------------------------------------------------------------------------

STEP = {"FLOAT32": None, "INT8": 0.1, "INT16": 0.1, "INT32": 0.01}
LAYER = {"table": "FullyConnectedOptions"}
FACTORS = {"table": "BatchMatMulOptions"}
IMAGES = {"table": "Conv2DOptions", "stride_w": 1, "stride_h": 1, "padding": "SAME"}
CHANNELS = {**IMAGES, "table": "DepthwiseConv2DOptions", "depth_multiplier": 1, "stride_w": 4, "stride_h": 4}
SHAPES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "weights": ("FULLY_CONNECTED", (1, 1500), (1500, 1500), LAYER),
    "rows": ("FULLY_CONNECTED", (1500, 1500), (3, 1500), LAYER),
    "outputs": ("FULLY_CONNECTED", (1000, 3), (1000, 3), LAYER),
    "a factor": ("BATCH_MATMUL", (1, 1, 1500), (1, 1500, 1500), FACTORS),
    "a factor the other way": (
        "BATCH_MATMUL",
        (1, 1500, 3),
        (1, 1500, 1500),
        {**FACTORS, "adj_x": True, "adj_y": True},
    ),
    "filters": ("CONV_2D", (1, 1, 1, 1500), (1500, 1, 1, 1500), IMAGES),
    "images": ("CONV_2D", (1, 400, 400, 8), (2, 3, 3, 8), IMAGES),
    "long windows": ("CONV_2D", (1, 8, 400, 1), (1, 8, 400, 1), IMAGES),
    "channels": ("DEPTHWISE_CONV_2D", (1, 300, 300, 16), (1, 3, 3, 16), CHANNELS),
}
"""Operator, shapes of both factors, options."""
TYPES = {
    "float": ("FLOAT32", "FLOAT32", "FLOAT32"),
    "int8": ("INT8", "INT8", "INT32"),
    "hybrid": ("FLOAT32", "INT8", "FLOAT32"),
}


def products(shapes: str, types: str, constant: bool) -> tuple[Model, list[np.ndarray]]:
    """An operator on two factors, and a bias where it has to have one; the second may be a constant."""
    name, first, second, options = SHAPES[shapes]
    random, b, indices, inputs = np.random.default_rng(0), Builder(), [], []
    sizes = [first, second, *([second[:1]] if name == "CONV_2D" else [])]
    for place, (shape, type_) in enumerate(zip(sizes, TYPES[types], strict=False)):
        array = random.integers(-100, 100, shape).astype(type_.lower())
        if place and constant:
            indices.append(b.constant(f"x{place}", array, **_scaled(STEP[type_])))
        else:
            indices.append(b.tensor(f"x{place}", shape, type_, **_scaled(STEP[type_])))
            inputs.append(array)
    output = b.tensor("y", (1,), TYPES[types][0], **_scaled(50.0 if types == "int8" else None))
    rest = {k: v for k, v in options.items() if k != "table"}
    return one(b, name, tuple(indices), (output,), options["table"], **rest), inputs


def _scaled(step: float | None) -> dict[str, Any]:
    return {} if step is None else {"quantization": Quantization(np.float32([step]), np.int64([0]))}


@pytest.mark.parametrize("constant", [False, True], ids=["fed", "constant"])
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("shapes", SHAPES)
def test_products_take_no_more_than_was_estimated(shapes: str, types: str, constant: bool) -> None:
    kept, took = is_kept(*products(shapes, types, constant), "numpy")
    assert kept, f"it took {took} bytes"


@pytest.mark.parametrize("shapes", ["weights", "rows", "filters", "images"])
def test_compiled_products_take_no_more_than_was_estimated(shapes: str) -> None:
    pytest.importorskip("numba")
    model, inputs = products(shapes, "int8", True)
    peak(model, inputs, "numba", Limits())  # what compiling takes is not the model's
    kept, took = is_kept(model, inputs, "numba")
    assert kept, f"it took {took} bytes"


def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are thought to be computed with as they are."""
    monkeypatch.setitem(memory.PRODUCTS, "integer", memory.Products(52, 16, 0))
    for shapes in ("weights", "a factor", "filters"):
        assert not is_kept(*products(shapes, "int8", False), "numpy")[0]
    monkeypatch.setattr(memory, "_windows", lambda node: 0)
    assert not is_kept(*products("long windows", "int8", False), "numpy")[0]


# ---- what is there beside --------------------------------------------------------------------------------------------

LARGE = Value("float32", (256, 1024))
AXIS = Value("int32", (), np.array(1, np.int32))


def test_programs_that_need_more_memory_than_their_steps_are_not_used() -> None:
    """What programs hand over to steps between them keeps its place: every tensor of a chain has its own."""
    pytest.importorskip("numba")
    calls: list[Call] = []
    for place in range(40):
        calls.append(
            Call("CUMSUM", (place, 41), (place + 1,)) if place % 2 else Call("ADD", (place, place), (place + 1,))
        )
    model = graph_model((Graph((*[LARGE] * 41, AXIS), tuple(calls), (0,), (40,)),))
    x = np.ones(LARGE.shape, np.float32)
    free, kept = (
        minilite.Interpreter(model, engine="numba", limits=Limits(max_memory=most)) for most in (2**30, 2**25)
    )
    for interpreter in (free, kept):
        interpreter.set_tensor(0, x)
        interpreter.invoke()
    assert np.array_equal(free.get_tensor(40), kept.get_tensor(40))
    assert free._main.plan.linked() is not None
    assert kept._main.plan.linked() is None


def test_what_is_there_counts_where_shapes_follow_values() -> None:
    """Forty results that wait for each other, each of a shape that is known only then."""
    shape = Value("int32", (2,))
    values = (shape, Value("float32", ()), *[Value("float32", (1, 1))] * 41)
    calls = [Call("FILL", (0, 1), (i,)) for i in range(2, 42)] + [Call("ADD_N", tuple(range(2, 42)), (42,))]
    model = graph_model((Graph(values, tuple(calls), (0, 1), (42,)),))
    interpreter = minilite.Interpreter(model, engine="numpy", limits=Limits(max_memory=2**25))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array(LARGE.shape, np.int32))
    with pytest.raises(minilite.OperatorError, match=r"FILL \(operator .* may take .* max_memory=33554432"):
        interpreter.invoke()
