"""Kernel set ``ideal`` against LiteRT's float kernels: the nearest step to what they make of the real numbers."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite import demo, ideal
from minilite.engines import PIECE
from minilite.model import Buffer, Model, Quantization, Subgraph, Tensor
from minilite.spec import DTYPES, INTEGER_RANGE, QUANTIZED, Definition, Op, TensorInfo
from minilite.testing.kit import Row, rows, seeded_case
from minilite.testing.one_model import pack
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from minilite.testing.strategies import one_operator
from tests.models import Undrawn, answered, files, folder
from tests.oracle import OracleDied, OracleError, oracle
from tests.small_models import Builder
from tests.small_models import one as one_model


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


FILES = [f for f in files() if "huge" not in f][:: 1 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 4] or [
    pytest.param("", marks=pytest.mark.skip("MINILITE_MODELS is not set"))
]


def _scaled(type_: str, scale: float = 0.1) -> Quantization | None:
    quantized = type_ in ("INT8", "UINT8", "INT16")
    return Quantization(np.array([scale], np.float32), np.array([0])) if quantized else None


@pytest.mark.parametrize("shape", [(PIECE + 1,), (3, PIECE // 2)])
@pytest.mark.parametrize("name, type_", [("RELU", "INT8"), ("RELU", "FLOAT32"), ("SIN", "FLOAT16"), ("ABS", "INT16")])
def test_large_elementwise_operators(name: str, type_: str, shape: tuple[int, ...]) -> None:
    b = Builder()
    x, y = (b.tensor(n, shape, type_, quantization=_scaled(type_)) for n in "xy")
    array = (np.arange(np.prod(shape)) % 200 - 100).reshape(shape).astype(DTYPES[type_.lower()])
    found = compute(one_model(b, name, (x,), (y,), ""), "ideal", [array])[0]
    small = Builder()
    x, y = (small.tensor(n, (200,), type_, quantization=_scaled(type_)) for n in "xy")
    expected = compute(one_model(small, name, (x,), (y,), ""), "ideal", [array.reshape(-1)[:200]])[0]
    assert (found.shape, found.dtype) == (shape, expected.dtype)
    assert np.array_equal(found.reshape(-1), np.resize(expected, array.size))


@pytest.mark.parametrize("name, type_", [("RELU", "FLOAT32"), ("SIN", "FLOAT16"), ("LOGICAL_NOT", "BOOL")])
def test_a_scale_of_floats_and_bools_means_nothing(name: str, type_: str) -> None:
    values = np.array([0, 1, 0], DTYPES[type_.lower()])
    found = []
    for quantization in (None, Quantization(np.array([0.1], np.float32), np.array([3]))):
        b = Builder()
        x, y = (b.tensor(n, (3,), type_, quantization=quantization) for n in "xy")
        found.append(compute(one_model(b, name, (x,), (y,), ""), "ideal", [values])[0])
    assert np.array_equal(*found)
    assert found[0].dtype == values.dtype


CARRIED = [r for r in rows("(READ|ASSIGN)_VARIABLE|IF|WHILE|STABLEHLO_C(ASE|OMPOSITE)")]


@pytest.mark.parametrize("row", CARRIED, ids=str)
def test_variables_and_subgraphs_take_values_as_they_are(row: Row) -> None:
    """Every tensor of these models is as it was, or a sum: also with scales they compute the same everywhere."""
    for scale in (None, 0.5):
        case = seeded_case(row, 1)
        model = case.model if scale is None else _all_scaled(case.model, scale)
        found, expected = (compute(model, kernels, case.inputs) for kernels in ("ideal", "reference"))
        for got, want in zip(found, expected, strict=True):
            assert got.dtype == want.dtype
            assert np.array_equal(got, want) if got.dtype.kind in "iubO" else np.allclose(got, want, equal_nan=True)


def _all_scaled(model: Model, scale: float) -> Model:
    """The model with the same scale for all that may have one."""

    def scaled(graph: Subgraph) -> Subgraph:
        tensors = (dataclasses.replace(t, quantization=_scaled(str(t.type), scale)) for t in graph.tensors)
        return dataclasses.replace(graph, tensors=tuple(tensors))

    return dataclasses.replace(model, subgraphs=tuple(map(scaled, model.subgraphs)))


@pytest.mark.parametrize("file", FILES)
def test_every_model_that_litert_runs(runtime: str, file: str) -> None:
    """It runs, too, and its results have the types and shapes they have in ``reference``."""
    where = folder()
    assert where is not None
    model = minilite.read(where / file)
    try:
        inputs, expected, _ = answered((where / file).read_bytes(), model, "reference", runtime, 0)
    except (Undrawn, OracleError, OracleDied):
        return  # not a model that runs
    found = compute(model, "ideal", inputs, "auto")
    assert [(a.dtype, a.shape) for a in found] == [(np.asarray(a).dtype, np.shape(a)) for a in expected]


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
