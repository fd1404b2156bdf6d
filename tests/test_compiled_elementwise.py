"""Compiled operators of one and of two tensors, in all types that have kernels: bit for bit their definitions', in
every set, where the rows' own cases do not reach: runs with whole vectors and without, offsets, many units."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Case, Draw, activated, data
from minilite.engines import is_disabled
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.strategies import HypothesisDraw
from tests.micro import has, narrowed
from tests.test_kernels import assert_same, ran

pytest.importorskip("minilite.engines.numba.linked")

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
    return interpreter._main.plan.linked() is not None
