"""Kernel set ``ideal`` against LiteRT's float kernels: the nearest step to what they make of the real numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite import demo, ideal
from minilite.model import Buffer, Model, Tensor
from minilite.spec import INTEGER_RANGE, QUANTIZED, Definition, Op, TensorInfo
from minilite.testing.kit import rows
from minilite.testing.one_model import pack
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from minilite.testing.strategies import one_operator
from tests.oracle import oracle


def _comparable(op: Op, definition: Definition) -> bool:
    """Whether the operator has a float definition, and no state, which is rounded on its way to the result, nor a
    graph around it, in which its integers have no scale."""
    if not any(d.label == "float32" for d in op.definitions) or any(o.state for o in op.inputs):
        return False
    return op.cases(SeededDraw(0), definition).main is None


ROWS = [
    pytest.param(op, d, id=f"{op.name}-{d.label}")
    for op, d in rows()
    if d.input_types[:1] and d.input_types[0] in QUANTIZED and d.output_types[0] in QUANTIZED
    if d.label != "sparse int8"  # LiteRT has float32 kernels for other layouts
    if d.quantized is not False and _comparable(op, d) and d.input_types[0] == d.output_types[0]
]


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_nearest_step_to_the_float_kernel(runtime: str, op: Op, definition: Definition, data: st.DataObject) -> None:
    one: OneOperator = data.draw(one_operator(op, definition))
    found = compute(one.model, "ideal", one.inputs)
    model = in_floats(one)
    fed = [i for i in one.node.inputs if i is not None and not i.constant]
    inputs = [_float32(i, a) for i, a in zip(fed, one.inputs, strict=True)]
    theirs = oracle(runtime).run(model.to_bytes(), "builtin", inputs)
    for info, steps, reals in zip(one.node.outputs, found, theirs, strict=True):
        assert (steps.dtype, steps.shape) == (info.dtype, reals.shape)
        if not info.quantized:  # indices
            assert np.array_equal(steps, reals)
            continue
        low, high = INTEGER_RANGE[info.type]
        wanted = np.clip(reals / np.float64(info.scale) + info.zero_point, low, high)
        number = ~np.isnan(wanted)  # the logarithm of a negative number
        reach = max(np.abs(reals[np.isfinite(reals)]).max(initial=0), one.terms, float(info.scale)) / float(info.scale)
        theirs_off = next(d.atol for d in op.definitions if d.label == "float32") / float(info.scale)
        assert np.abs(steps - wanted)[number].max(initial=0) <= 0.5 + 1e-5 * reach + theirs_off


def _float32(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    return ideal.real(info, array).astype(np.float32) if info.quantized else array


def in_floats(one: OneOperator) -> Model:
    """The model with every quantized tensor as float32."""
    buffers = list(one.model.buffers)
    graph = one.model.subgraphs[0]
    tensors = [_tensor_in_floats(t, i, buffers) for t, i in zip(graph.tensors, _infos(one), strict=True)]
    codes = tuple(dataclasses.replace(c, version=max(1, c.version)) for c in one.model.operator_codes)
    graph = dataclasses.replace(graph, tensors=tuple(tensors))
    return dataclasses.replace(one.model, subgraphs=(graph,), buffers=tuple(buffers), operator_codes=codes)


def _infos(one: OneOperator) -> list[TensorInfo]:
    return [i for i in (*one.node.inputs, *one.node.outputs) if i is not None]


def _tensor_in_floats(tensor: Tensor, info: TensorInfo, buffers: list[Buffer]) -> Tensor:
    if not info.quantized:
        return tensor
    if info.value is not None:
        floats = dataclasses.replace(info, type="float32", value=_float32(info, info.value))
        buffers.append(Buffer(np.frombuffer(pack(floats), np.uint8)))
        tensor = dataclasses.replace(tensor, buffer=len(buffers) - 1)
    return dataclasses.replace(tensor, type="FLOAT32", quantization=None)


def test_float_models_are_computed_in_float64_and_rounded_once() -> None:
    """In the demo's float network the layers of ``ideal`` are those of ``reference``, to float32's precision."""
    image = demo.load_samples().images[:1].astype(np.float32).reshape(1, 28, 28, 1) / 255
    found = []
    for kernels in ("ideal", "reference"):
        interpreter = minilite.Interpreter(demo.FLOAT_MODEL, kernels=kernels)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert found[0].dtype == np.float32
    assert np.allclose(*found, rtol=1e-5, atol=1e-7)
    assert not np.array_equal(*found)
