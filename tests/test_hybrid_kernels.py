"""Compiled hybrid layers: bit for bit their definitions', in every set, for sums of integers are exact in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Case, Draw, activated, data
from minilite.ops import hybrid
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.strategies import HypothesisDraw

pytest.importorskip("minilite.engines.numba.linked")

SETS = ("reference", "builtin", "xnnpack")
CHANNELS = (1, 8, 15, 16, 17, 33, 48, 64, 65, 130)
ROWS = [
    pytest.param(op, definition, id=f"{op.name}-{definition.label}")
    for op, definition in rows()
    if op.name in ("CONV_2D", "FULLY_CONNECTED") and definition.label.startswith("hybrid")
]


def dense(draw: Draw, type_: str) -> Case:
    shape = (draw.choice(CHANNELS), draw.choice((1, 3, 16, 31, 64, 515)))
    weights = hybrid.weights_case(draw, shape, type_, constant=True)
    options = activated(draw) | {"asymmetric_quantize_inputs": draw.choice((True, False))}
    bias = draw.choice((data(shape[:1], constant=True), None))
    return Case((data((draw.choice((1, 2, 7, 60)), shape[1])), weights, bias), options)


def conv(draw: Draw, type_: str) -> Case:
    """Bands, gathered windows, layers of pixels, groups; more images than one."""
    filter_, groups = draw.choice(((1, 1), (3, 3), (1, 4), (5, 2))), draw.choice((1, 1, 2))
    depth, units = draw.choice(CHANNELS), groups * draw.choice(CHANNELS)
    height, width = (draw.choice((f, 5 + f, 26)) for f in filter_)
    stride = draw.choice((1, 1, 2))
    options = {"padding": draw.choice(("SAME", "VALID")), "stride_h": stride, "stride_w": stride} | activated(draw)
    per_axis = True if groups > 1 else draw.choice((True, False))
    weights = hybrid.weights_case(draw, (units, *filter_, depth), type_, per_axis, constant=True)
    image = data((draw.choice((1, 1, 3)), height, width, groups * depth))
    return Case((image, weights, data((units,), constant=True)), options)


DRAWN = {"CONV_2D": conv, "FULLY_CONNECTED": dense}


def drawn(draw: st.DrawFn, op: Op, definition: Definition) -> OneOperator:
    source = HypothesisDraw(draw)
    return build(source, op, definition, DRAWN[op.name](source, definition.input_types[1]))


def ran(case: OneOperator, kernels: str, engine: str, used: list[Any] | None = None) -> np.ndarray:
    """The output; ``used`` receives the kinds of the kernels that computed it."""
    interpreter = minilite.Interpreter(model_content=case.model.to_bytes(), kernels=kernels, engine=engine)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), case.inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    for _ in range(2):  # what a run leaves in the calls' own memory changes nothing
        interpreter.invoke()
    if used is not None:
        linked: Any = interpreter._main.plan.linked()
        if linked is None:
            pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
        used += [call.kind for program in linked.programs for call in program.calls]
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def assert_same(case: OneOperator, kernels: str, used: list[Any] | None = None) -> None:
    slow, fast = ran(case, kernels, "numpy"), ran(case, kernels, "numba", used)
    assert slow.dtype == fast.dtype == np.float32
    np.testing.assert_array_equal(fast, slow)  # NaN equals NaN, 0 equals -0


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_kernels_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    used: list[Any] = []
    assert_same(data.draw(st.composite(drawn)(op, definition)), data.draw(st.sampled_from(SETS)), used)
    assert used[0][0] == "quantize_rows"
    assert {kind[:2] for kind in used[1:]} == {("matmul", "int8")}


SPECIAL = {
    "zeros": (0.0,),
    "one sign": (1.0, 2.0, 3.5),
    "halves": (-127.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, -0.49999997, 128.0),
    "tiny": (1e-38, -2e-38, 1e-42),
    "huge": (3e38, -1e38, 1.0),
    "NaN": (1.0, -2.0, np.nan),
}


@pytest.mark.parametrize("values", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("op, definition", [r for r in ROWS if r.id.endswith("int8") and "uint8" not in str(r.id)])
@given(data=st.data())
def test_special_rows(op: Op, definition: Definition, values: tuple[float, ...], data: st.DataObject) -> None:
    """Rows without a range, with one that overflows, with ties, with NaN."""
    case, kernels = data.draw(st.composite(drawn)(op, definition)), data.draw(st.sampled_from(SETS))
    chosen = np.random.default_rng(data.draw(st.integers(0, 99))).choice(np.float32(values), case.inputs[0].shape)
    with np.errstate(all="ignore"):
        assert_same(replace(case, inputs=[chosen, *case.inputs[1:]]), kernels)


@pytest.mark.parametrize("op, definition", [r for r in ROWS if r.id == "CONV_2D-hybrid int8"])
@given(data=st.data())
def test_a_processor_without_extras(op: Op, definition: Definition, data: st.DataObject) -> None:
    """The portable kernels, which any processor runs."""
    with mock.patch("minilite.engines.numba.lowering.matmul.dot", return_value="portable"):
        assert_same(data.draw(st.composite(drawn)(op, definition)), data.draw(st.sampled_from(SETS)))
