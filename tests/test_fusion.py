"""Steps that are put together before they are compiled give what they give one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite.cases import Call, Graph, Value
from minilite.testing.graph_model import graph_model

pytest.importorskip("minilite.engines.numba.linked")


def ran(content: bytes, x: np.ndarray, engine: str) -> tuple[list[np.ndarray], minilite.Interpreter]:
    interpreter = minilite.Interpreter(model_content=content, kernels="xnnpack", engine=engine)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()], interpreter


def kinds(interpreter: minilite.Interpreter) -> list[tuple[str, ...]]:
    """The kernels of a compiled plan."""
    linked: Any = interpreter._main.plan.linked()
    if linked is None:
        pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
    return [call.kind for program in linked.programs for call in program.calls]


def layer(op: str, depth: int, side: int, activation: str) -> tuple[list[Value], Call]:
    """Values 0 to 3 (image, weights, bias, output) and the layer: 7 by 9 pixels, filters of a side."""
    rng = np.random.default_rng(depth)
    shape = (depth, side, side, depth) if op == "CONV_2D" else (1, side, side, depth)
    arrays = rng.normal(size=shape).astype(np.float32), rng.normal(size=depth).astype(np.float32)
    image = (1, 7, 9, depth)
    values = [Value("float32", image), *(Value("float32", a.shape, a) for a in arrays), Value("float32", image)]
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "fused_activation_function": activation}
    if op == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 1
    return values, Call(op, (0, 1, 2), (3,), options)


SWISH = (Call("LOGISTIC", (3,), (4,)), Call("MUL", (3, 4), (5,)))
ENDS = {
    "hard swish": ((Call("HARD_SWISH", (3,), (5,)),), (5,), "NONE", True),
    "swish": (SWISH, (5,), "NONE", True),
    "swish, factors exchanged": ((SWISH[0], Call("MUL", (4, 3), (5,))), (5,), "NONE", True),
    "a gate that is an output": (SWISH, (4, 5), "NONE", False),
    "a layer that is an output": (SWISH, (3, 5), "NONE", False),
    "a layer with bounds": (SWISH, (5,), "RELU", False),
    "a product with bounds": (
        (SWISH[0], Call("MUL", (3, 4), (5,), {"fused_activation_function": "RELU6"})),
        (5,),
        "NONE",
        False,
    ),
    "another reader": ((*SWISH, Call("ADD", (3, 5), (6,))), (6,), "NONE", False),
    "the square of the gate": ((SWISH[0], Call("MUL", (4, 4), (5,))), (5,), "NONE", False),
}


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("end", ENDS)
@given(depth=st.sampled_from((1, 8, 32, 40)), side=st.sampled_from((1, 3)), seed=st.integers(0, 99))
def test_activations_become_part_of_layers(op: str, end: str, depth: int, side: int, seed: int) -> None:
    calls, outputs, activation, together = ENDS[end]
    values, first = layer(op, depth, side, activation)
    values += [Value("float32", values[0].shape)] * 3
    content = graph_model([Graph(tuple(values), (first, *calls), (0,), outputs)]).to_bytes()
    x = np.random.default_rng(seed).normal(size=values[0].shape).astype(np.float32)
    slow, _ = ran(content, 3 * x, "numpy")
    fast, interpreter = ran(content, 3 * x, "numba")
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * max(float(np.abs(a).max()), 1.0))
    assert (len(kinds(interpreter)) == 1) == together


COPIES = {
    "in a row": ((Call("RESHAPE", (1,), (2,)), Call("RESHAPE", (2,), (3,)), Call("NEG", (3,), (4,))), (4,), 2),
    "of the input": ((Call("RESHAPE", (0,), (2,)), Call("NEG", (2,), (3,))), (3, 1), 2),
    "an output too": ((Call("RESHAPE", (1,), (2,)), Call("NEG", (2,), (3,))), (3, 2), 3),
    "of an output": ((Call("RESHAPE", (1,), (2,)), Call("NEG", (2,), (3,))), (3, 1), 2),
    "at the end": ((Call("NEG", (1,), (3,)), Call("RESHAPE", (3,), (2,))), (2,), 3),
    "for a step that is not compiled": ((Call("RESHAPE", (1,), (2,)), Call("COS", (2,), (3,))), (3,), 2),
}


@pytest.mark.parametrize("case", COPIES)
def test_copies_are_read_where_they_come_from(case: str) -> None:
    calls, outputs, count = COPIES[case]
    shape = np.array([8, 3], np.int32)
    new = [Call(c.op, (*c.inputs, 5), c.outputs) if c.op == "RESHAPE" else c for c in calls]
    values = [Value("float32", s) for s in ((4, 6), (4, 6), (8, 3), (8, 3), (8, 3))]
    graph = Graph((*values, Value("int32", (2,), shape)), (Call("ABS", (0,), (1,)), *new), (0,), outputs)
    content = graph_model([graph]).to_bytes()
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(4, 6)).astype(np.float32)
        slow, _ = ran(content, x, "numpy")
        fast, interpreter = ran(content, x, "numba")
        assert all(np.array_equal(a, b) and a.shape == b.shape for a, b in zip(slow, fast, strict=True))
    assert len(kinds(interpreter)) == count


def normalization(gamma: bool, beta: bool) -> list[Call]:
    """Of value 0 into value 10; values 11 to 14 are the axis, epsilon, gamma and beta."""
    scale = 6 if gamma else 5
    shift = (
        [Call("MUL", (1, scale), (7,)), Call("SUB", (14, 7), (8,))]
        if beta
        else [Call("NEG", (1,), (7,)), Call("MUL", (7, scale), (8,))]
    )
    return [
        Call("MEAN", (0, 11), (1,), {"keep_dims": True}),
        Call("SQUARED_DIFFERENCE", (0, 1), (2,)),
        Call("MEAN", (2, 11), (3,), {"keep_dims": True}),
        Call("ADD", (3, 12), (4,)),
        Call("RSQRT", (4,), (5,)),
        *([Call("MUL", (5, 13), (6,))] if gamma else []),
        *shift,
        Call("MUL", (0, scale), (9,)),
        Call("ADD", (9, 8), (10,)),
    ]


def exchanged(calls: list[Call]) -> list[Call]:
    """Sums, products and differences with their operands the other way round."""
    both = ("MUL", "ADD", "SQUARED_DIFFERENCE")
    return [Call(c.op, c.inputs[::-1], c.outputs, c.options) if c.op in both else c for c in calls]


NORMS = {
    "gamma and beta": (normalization(True, True), (10,), True),
    "gamma alone": (normalization(True, False), (10,), True),
    "beta alone": (normalization(False, True), (10,), True),
    "neither": (normalization(False, False), (10,), True),
    "operands exchanged": (exchanged(normalization(True, True)), (10,), True),
    "the variance is looked at": (normalization(True, True), (10, 3), False),
    "another reader": ([*normalization(True, True), Call("MUL", (10, 2), (15,))], (15,), False),
    "read before and behind": (
        [Call("ABS", (0,), (16,)), *normalization(True, True), Call("ADD", (10, 16), (15,))],
        (15,),
        True,
    ),
}


@pytest.mark.parametrize("case", NORMS)
@given(rows=st.integers(1, 20), width=st.sampled_from((2, 15, 16, 33, 128)), seed=st.integers(0, 99))
def test_layer_normalization_is_one_call(case: str, rows: int, width: int, seed: int) -> None:
    calls, outputs, together = NORMS[case]
    rng = np.random.default_rng(seed)
    full, thin, table = (1, rows, width), (1, rows, 1), rng.normal(size=(2, width)).astype(np.float32)
    has_gamma, has_beta = any(13 in c.inputs for c in calls), any(14 in c.inputs for c in calls)
    seven = full if has_gamma and has_beta else thin
    eight = full if has_gamma or has_beta else thin
    shapes = (full, thin, full, thin, thin, thin, full, seven, eight, full, full)
    values = [Value("float32", s) for s in shapes]
    values += [
        Value("int32", (1,), np.array([2], np.int32)),
        Value("float32", (), np.array(1e-3, np.float32)),
        Value("float32", (width,), table[0]),
        Value("float32", (1, 1, width), table[1].reshape(1, 1, -1)),
        Value("float32", full),
        Value("float32", full),
    ]
    content = graph_model([Graph(tuple(values), tuple(calls), (0,), outputs)]).to_bytes()
    x = rng.normal(3, 2, size=full).astype(np.float32)
    slow, _ = ran(content, x, "numpy")
    fast, interpreter = ran(content, x, "numba")
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * float(np.abs(a).max()))
    assert (("layer_norm",) in kinds(interpreter)) == together


@pytest.mark.parametrize("outputs, fused, how", [((3,), True, "NONE"), ((2, 3), False, "NONE"), ((3,), False, "RELU")])
def test_a_number_before_softmax(outputs: tuple[int, ...], fused: bool, how: str) -> None:
    """As attention has it: the product with a number is part of SOFTMAX, unless somebody looks at it."""
    shape, number = (2, 5, 19), np.float32(0.1767767)
    values = [Value("float32", shape), Value("float32", (), np.array(number)), *[Value("float32", shape)] * 2]
    product = Call("MUL", (1, 0), (2,), {"fused_activation_function": how})
    calls = (product, Call("SOFTMAX", (2,), (3,), {"beta": 1.5}))
    content = graph_model([Graph(tuple(values), calls, (0,), outputs)]).to_bytes()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 20
    slow, _ = ran(content, x, "numpy")
    fast, interpreter = ran(content, x, "numba")
    assert (("binary", "float32", "mul") in kinds(interpreter)) != fused
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-7)


def test_reading_that_is_put_off_finds_what_was_read() -> None:
    """A step without a kernel is the last to read a tensor in the file's order, a compiled one reads it later."""
    shape, number, turned = (3, 20), np.array(1, np.float32), np.array([20, 3], np.int32)
    values = (
        *[Value("float32", shape)] * 2, Value("int32", (2,), turned), Value("float32", (20, 3)),
        Value("float32", shape), Value("float32", (), number), Value("float32", (20, 3)),
    )  # fmt: skip
    calls = (Call("SIN", (0,), (1,)), Call("RESHAPE", (1, 2), (3,)), Call("SIN", (1,), (4,)), Call("ADD", (3, 5), (6,)))
    content = graph_model([Graph(values, calls, (0,), (4, 6))]).to_bytes()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    slow, _ = ran(content, x, "numpy")
    for _ in range(2):
        fast, _ = ran(content, x, "numba")
        assert [a.tobytes() for a in slow] == [b.tobytes() for b in fast]


def test_a_number_of_the_shape_of_the_output_before_softmax() -> None:
    values = (Value("float32", (1,)), Value("float32", (1, 1), np.full((1, 1), 0.5, np.float32)))
    calls = (Call("MUL", (0, 1), (2,)), Call("SOFTMAX", (2,), (3,), {"beta": 1.0}))
    content = graph_model([Graph((*values, *[Value("float32", (1, 1))] * 2), calls, (0,), (3,))]).to_bytes()
    assert ran(content, np.ones(1, np.float32), "numba")[0] == [1]
