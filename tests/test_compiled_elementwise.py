"""Compiled operators of one and of two tensors, pooling, reducing and resizing ones, in all types that have kernels.

Bit for bit their definitions', in every set, where the rows' own cases do not reach: runs with whole vectors and
without, offsets, many units."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Call, Case, Draw, Graph, Value, activated, constant, data, fed
from minilite.engines import is_disabled
from minilite.spec import Definition, Op
from minilite.testing.graph_model import graph_model
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.seeded import SeededDraw
from minilite.testing.strategies import HypothesisDraw
from tests.micro import has, narrowed
from tests.test_kernels import assert_same, mean, pool, ran, resized, softmax

pytest.importorskip("minilite.engines.numba.linked")
kinds = pytest.importorskip("minilite.engines.numba.kinds")

SETS = ("reference", "builtin", "xnnpack", "tflm")
BYTES, GRIDS, PLAIN = ("int8", "uint8"), ("int8", "uint8", "int16"), ("int32", "int64")


def pair(draw: Draw) -> Case:
    """Runs of any length against runs, and against single values; broadcast along several dimensions."""
    inner = draw.choice((1, 7, 8, 16, 37, 100))
    shape = [draw.choice((1, 3)), draw.choice((1, 3, 40)), draw.choice((1, 15, 33)), inner]
    other = [d if draw.choice((True, True, False)) else 1 for d in shape]
    if draw.choice((True, False)):
        other = draw.choice((shape, [], [1], [inner]))
    both = [data(tuple(shape)), data(tuple(other), constant=draw.choice((None, True)))]
    return Case(tuple(both if draw.choice((True, False)) else reversed(both)))


def arithmetic(draw: Draw) -> Case:
    return Case(pair(draw).inputs, activated(draw))


def slopes(draw: Draw) -> Case:
    return Case((data((2, 5, 100)), data(draw.choice(((100,), (2, 5, 100), (1,))))))


def one(draw: Draw) -> Case:
    return Case((data((draw.choice((1, 15, 63, 5000)), draw.choice((1, 3, 16))), per_axis=False),))


def along(draw: Draw) -> Case:
    """Reductions of rows and of columns, with NaN now and then where there are floats."""
    shape = (draw.integer(1, 3), draw.choice((1, 7, 40)), draw.choice((1, 15, 16, 35, 100)))
    axes = draw.choice(([2], [1], [0, 1], [1, 2], [-1]))
    return Case((data(shape), constant(axes)), {"keep_dims": draw.choice((True, False))})


DRAWN: dict[str, tuple[Any, tuple[str, ...]]] = {
    "ADD": (arithmetic, (*GRIDS, *PLAIN, "float32")),
    "SUB": (arithmetic, (*GRIDS, *PLAIN, "float32")),
    "MUL": (arithmetic, (*GRIDS, *PLAIN, "float32")),
    "MAXIMUM": (pair, (*GRIDS, *PLAIN, "float32")),
    "PRELU": (slopes, ("uint8",)),
    "NOT_EQUAL": (pair, (*PLAIN, "float32")),
    "GREATER": (pair, (*PLAIN, "float32")),
    "LESS_EQUAL": (pair, (*PLAIN, "float32")),
    "LOGICAL_AND": (pair, ("bool",)),
    "LEAKY_RELU": (one, GRIDS),
    "LOGISTIC": (one, GRIDS),
    "TANH": (one, GRIDS),
    "RELU6": (one, GRIDS),
    "DEQUANTIZE": (one, GRIDS),
    "QUANTIZE": (one, tuple(f"{a} to {b}" for a in (*GRIDS, "float32") for b in GRIDS)),
    "CAST": (one, ("int8", "float16")),
    "ROUND": (one, ("float32", "float16")),
    "AVERAGE_POOL_2D": (pool, ("uint8", "int16")),
    "MAX_POOL_2D": (pool, ("uint8", "int16")),
    "MEAN": (mean, ("uint8", "int16")),
    "SUM": (along, (*GRIDS, "int32", "float32")),
    "REDUCE_MAX": (along, (*GRIDS, "int32", "float32", "bool")),
    "REDUCE_MIN": (along, (*GRIDS, "int32", "float32", "bool")),
    "REDUCE_ALL": (along, ("bool",)),
    "RESIZE_BILINEAR": (resized, ("uint8", "int16")),
    "RESIZE_NEAREST_NEIGHBOR": (resized, ("float32", "int8")),
    "SOFTMAX": (softmax, ("uint8", "int8 to int16", "uint8 to int16", "int16")),
}
ROWS = [
    pytest.param(op, definition, id=f"{op.name}-{definition.label}")
    for op, definition in rows()
    if op.name in DRAWN and definition.label in DRAWN[op.name][1]
]


def drawn(draw: st.DrawFn, op: Op, definition: Definition) -> tuple[OneOperator, str]:
    """A model, and the set that computes it."""
    source = HypothesisDraw(draw)
    kernels = source.choice([s for s in SETS if has(op, definition, s)])
    if kernels == "tflm":
        op, definition = narrowed(op, definition)
    return build(source, op, definition, DRAWN[op.name][0](source)), kernels


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_kernels_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    case, kernels = data.draw(st.composite(drawn)(op, definition))
    slow, threads = ran(case, kernels, engine="numpy"), data.draw(st.sampled_from((1, 2)))
    with mock.patch("minilite.engines.numba.calls.WORTH_SHARING", 0):
        assert_same(case, kernels, slow, ran(case, kernels, engine="numba", num_threads=threads))
        assert leaves_16_bits(case, kernels) or is_compiled(case, kernels)


def leaves_16_bits(case: OneOperator, kernels: str) -> bool:
    """Whether ADD or MUL may wrap in the optimized kernels' vectors, which only the definitions do."""
    scales = [float(t.scale) for t in (*case.node.inputs, case.node.outputs[0]) if t is not None and t.scales.size]
    if kernels != "builtin" or len(scales) < 3 or case.definition.label not in BYTES:
        return False
    return (max(scales[:2]) > 60 * scales[2]) if case.node.op == "ADD" else 2 * scales[0] * scales[1] > 0.9 * scales[2]


def is_compiled(case: OneOperator, kernels: str) -> bool:
    if is_disabled():
        pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
    interpreter = minilite.Interpreter(model_content=case.content, kernels=kernels, engine="numba")
    interpreter.allocate_tensors()
    linked: Any = interpreter._main.plan.linked()
    if linked is None:
        return False
    assert {call.kind for program in linked.programs for call in program.calls} <= set(kinds.every())
    return True


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("name", ["REDUCE_MAX", "REDUCE_MIN"])
def test_extremes_of_strange_floats(name: str, kernels: str, axis: int) -> None:
    """NaN at every place of a row, infinities, and rows of nothing else."""
    shape, out = (7, 37, 37), (7, 37)
    values = (Value("float32", shape), Value("int32", (1,), np.array([axis], np.int32)), Value("float32", out))
    content = graph_model([Graph(values, (Call(name, (0, 1), (2,)),), (0,), (2,))]).to_bytes()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[0, range(37), range(37)] = np.nan
    x[1, range(37), range(37)], x[2] = np.inf, np.nan
    x[3], x[4, ::2], x[5, :, ::2] = -np.inf, np.nan, np.nan
    assert_same_by_engines(content, kernels, x)


# ---- where a kernel set has an arithmetic of its own -----------------------------------------------------------------


def assert_alike(name: str, label: str, kernels: str, case: Case, compiled: bool = True) -> None:
    op, definition = next((o, d) for o, d in rows() if (o.name, d.label) == (name, label))
    if kernels == "tflm":
        op, definition = narrowed(op, definition)
    one = build(SeededDraw(0), op, definition, case)
    assert_same(one, kernels, ran(one, kernels, engine="numpy"), ran(one, kernels, engine="numba"))
    assert is_compiled(one, kernels) == compiled


@pytest.mark.parametrize("other", [(9, 1, 141), (141,), (9, 3, 1), (1,)])
@pytest.mark.parametrize("odd", [3, 5, 7])
@pytest.mark.parametrize("label", GRIDS)
def test_vectors_of_the_optimized_kernel(label: str, odd: int, other: tuple[int, ...]) -> None:
    """Sums on ties, where an operand's rounding decides: ADD's whole vectors round less often than what is left."""
    inputs = (data((9, 3, 141), scale=0.125 * odd), data(other, scale=0.125))
    coarse = 64 if label == "int16" else 1
    for swapped, times in product((inputs, inputs[::-1]), (1, odd)):
        assert_alike("ADD", label, "builtin", Case(swapped, output_scale=0.25 * times * coarse))


@pytest.mark.parametrize("label", BYTES)
@pytest.mark.parametrize("name, finest", [("ADD", 1 / 128), ("MUL", 1 / 4)])
def test_results_that_leave_16_bits(name: str, finest: float, label: str) -> None:
    """The optimized kernel's wrap there; only definitions do that."""
    inputs = (data((3, 100), scale=1.0), data((3, 100), scale=1.0))
    assert_alike(name, label, "builtin", Case(inputs, output_scale=finest / 2), compiled=False)
    scales = (1.0, 1.0) if name == "ADD" else (1.0, 1 / 16)
    inputs = (data((3, 100), scale=scales[0]), data((3, 100), scale=scales[1]))
    assert_alike(name, label, "builtin", Case(inputs, output_scale=4 * finest))


@pytest.mark.parametrize("label", ["int8 to int8", "uint8 to int8", "float32 to int8", "float32 to int16"])
@pytest.mark.parametrize("count", [7, 16, 47, 5003])
@pytest.mark.parametrize("kernels", SETS)
def test_quantizing_ties(kernels: str, count: int, label: str) -> None:
    """In ``builtin`` what is left over behind whole blocks is rounded in another way."""
    if kernels == "tflm" and label == "uint8 to int8":
        kernels = "reference"  # which says the same
    ties = np.random.default_rng(count).integers(-300, 300, count) * np.float32(0.25)
    input = fed(ties) if label.startswith("float32") else data((count,), scale=0.25)
    for scale in (0.5, 1.0):
        assert_alike("QUANTIZE", label, kernels, Case((input,), output_scale=scale))


@pytest.mark.parametrize("kernels", SETS)
def test_casts_of_strange_floats(kernels: str) -> None:
    x = np.float32([np.nan, np.inf, -np.inf, 2.0**31, -(2.0**31), 2.0**31 - 128, -(2.0**32), 1.5, -1.5, -0.0] * 5)
    values = (Value("float32", x.shape), Value("int32", x.shape))
    options = {"in_data_type": "FLOAT32", "out_data_type": "INT32"}
    content = graph_model([Graph(values, (Call("CAST", (0,), (1,), options),), (0,), (1,))]).to_bytes()
    assert_same_by_engines(content, kernels, x)


def test_reshape_without_a_second_operand() -> None:
    """As converters of old write it."""
    assert_alike("RESHAPE", "float32", "xnnpack", Case((data((2, 6)),), {"new_shape": (3, -1)}))


def test_sums_of_integers_wrap() -> None:
    x = np.random.default_rng(0).integers(-(2**31), 2**31, (5, 33, 19)).astype(np.int32)
    for axis, shape in ((1, (5, 19)), (2, (5, 33))):
        values = (Value("int32", x.shape), Value("int32", (1,), np.array([axis], np.int32)), Value("int32", shape))
        content = graph_model([Graph(values, (Call("SUM", (0, 1), (2,)),), (0,), (2,))]).to_bytes()
        assert_same_by_engines(content, "reference", x)


def assert_same_by_engines(content: bytes, kernels: str, x: np.ndarray) -> None:
    """Of a model with one input."""
    found = []
    for engine in ("numpy", "numba"):
        interpreter = minilite.Interpreter(model_content=content, kernels=kernels, engine=engine)
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert found[0].tobytes() == found[1].tobytes()
