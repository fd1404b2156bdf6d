"""Operators that work element by element, where LiteRT is no oracle: it ends its process, is wrong, or leaves it open.

Each claim the rows' documentation makes about LiteRT is checked here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minilite.cases import Arg, Case
from minilite.errors import OperatorError
from minilite.ops import OPS
from minilite.ops.broadcast import in_vectors, runs
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.known_differences import UNDEFINED, Undefined
from tests.oracle import OracleDied, OracleError, oracle

SETS = ("reference", "builtin", "xnnpack")


def model(op: str, label: str, *inputs: Arg, **case: Any) -> OneOperator:
    definition = next(d for d in OPS[op].definitions if d.label == label)
    return build(SeededDraw(0), OPS[op], definition, Case(inputs, **case))


def arg(values: Any, dtype: str, scale: float | None = None, zero_point: int = 0) -> Arg:
    array = np.array(values, dtype)
    return Arg(array.shape, array, constant=False, scale=scale, zero_point=zero_point)


def result(one: OneOperator, kernels: str = "reference") -> np.ndarray:
    return compute(one.model, kernels, one.inputs)[0]


def litert(one: OneOperator, kernels: str = "reference") -> np.ndarray:
    pytest.importorskip("ai_edge_litert")
    return oracle("litert").run(one.model.to_bytes(), kernels, one.inputs)[0]


# ---- where LiteRT goes wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["int8", "int16"])
@pytest.mark.parametrize("kernels", SETS)
def test_small_quotients(type_: str, kernels: str) -> None:
    """They shift by more than 31 bits: 0 / -7 is 1 step, not 0, and 1 / 100 wherever the shift came round to."""
    operands = arg([0, 0, 1, -1, 1], type_, 1.0), arg([1, -7, 100, 100, -100], type_, 1.0)
    one = model("DIV", type_, *operands, output_scale=1.0, output_zero_point=0)
    assert result(one, kernels)[:2].tolist() == [0, 1]
    assert np.array_equal(result(one, kernels), litert(one, kernels))


def test_huge_quotients_do_not_saturate() -> None:
    """They shift by a negative number of bits."""
    one = model("DIV", "int16", arg([32767, -32767, 0], "int16", 1.0), arg([1, 1, 1], "int16", 1.0), output_scale=1e-6)
    assert result(one).tolist() == [8, -8, 0]
    assert np.array_equal(result(one), litert(one))


COMPARISONS = ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("scales", [(1.5, 1.2), (7.0, 0.25), (0.5, 1000.0)])
def test_comparisons_with_large_scales(op: str, scales: tuple[float, float]) -> None:
    every = np.arange(-128, 128)
    one = model(op, "int8", arg(every[:, None], "int8", scales[0], 3), arg(every[None], "int8", scales[1], -5))
    assert np.array_equal(result(one), litert(one))


@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons_with_a_scale_of_one_are_exact(op: str) -> None:
    every = np.arange(-128, 128)
    one = model(op, "int8", arg(every[:, None], "int8", 1.0, 3), arg(every[None], "int8", 0.75, -5))
    assert np.array_equal(result(one), getattr(np, op.lower())(every[:, None] - 3, 0.75 * (every[None] + 5)))
    with pytest.raises(OracleDied):
        litert(one)


@pytest.mark.parametrize("entry", UNDEFINED, ids=lambda e: f"{e.op}-{e.label}")
def test_undefined_comparisons_depend_on_the_position(entry: Undefined) -> None:
    """The same pair 15 times: the first 8 LiteRT computes in a vector, the others one by one, as minilite does."""
    pair = arg([20000] * 15, "int16", 3000.0), arg([1] * 15, "int16", 3000.0)
    one = model(entry.op, entry.label, *pair)
    ours, theirs = result(one), litert(one)
    assert theirs[0] != theirs[-1]
    assert np.array_equal(ours[8:], theirs[8:])
    assert (ours == ours[0]).all()


@pytest.mark.parametrize("type_", ["int8", "uint8"])
@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("ratio", [127.99, 2.0**-9, 2.0**-10, 2.0**-24, 0.0])
def test_hard_swish_of_any_ratio(ratio: float, kernels: str, type_: str) -> None:
    """From results that wrap at 16 bits to ones shifted by more than 15."""
    low = 0 if type_ == "uint8" else -128
    for scale in (0.1, 1e-8):
        every = arg(np.arange(256) + low, type_, scale, low)
        output = scale / ratio if ratio else 1e30
        one = model("HARD_SWISH", type_, every, output_scale=output, output_zero_point=low + 255)
        assert np.array_equal(result(one, kernels), litert(one, kernels))


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize("kernels", SETS)
def test_sums_with_a_fine_output_scale(op: str, kernels: str) -> None:
    """Output steps so fine that the last multiplier is 2."""
    values = np.arange(-128, 127)
    output_scale = 2.0**-20
    one = model(
        op,
        "int8",
        arg(values, "int8", 1.0, 1),
        arg(values if op == "SUB" else -values, "int8", 1.0, 1),
        output_scale=output_scale,
        output_zero_point=4,
    )
    wanted = [4] * 255 if op == "SUB" else [-128] * 255
    assert result(one, kernels).tolist() == wanted
    if op == "ADD":
        with pytest.raises(OracleDied):
            litert(one, kernels)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("op, sign", [("ADD", 1), ("SUB", -1)])
def test_powers_of_two_broadcast(op: str, sign: int, kernels: str) -> None:
    a, b = np.array([[5], [-7], [32000]]), np.array([[1, 3, 1000]])
    one = model(op, "int16", arg(a, "int16", 0.25), arg(b, "int16", 0.125), output_scale=0.25)
    halved = np.sign(b) * ((np.abs(b) + 1) // 2)
    assert np.array_equal(result(one, kernels), np.clip(a + sign * halved, -32768, 32767))


def test_not_equal_of_plain_int16() -> None:
    one = model("NOT_EQUAL", "plain int16", arg([1, 2, 3], "int16"), arg([1, 5, 3], "int16"))
    assert result(one).tolist() == [False, True, False]


def test_remainder_of_the_smallest_integer() -> None:
    one = model("FLOOR_MOD", "int32", arg([-(2**31)], "int32"), arg([-1], "int32"))
    assert result(one).tolist() == [0]


# ---- numbers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["MAXIMUM", "MINIMUM"])
def test_the_second_operand_wins_against_nan(op: str) -> None:
    one = model(op, "float32", arg([np.nan, 1.0, np.nan], "float32"), arg([1.0, np.nan, np.nan], "float32"))
    assert np.array_equal(result(one), np.array([1.0, np.nan, np.nan], np.float32), equal_nan=True)
    assert np.array_equal(result(one), litert(one), equal_nan=True)


@pytest.mark.parametrize("op", ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "ABS", "NEG", "SQUARE"])
def test_what_becomes_of_nan_and_infinity(op: str) -> None:
    one = model(op, "float32", arg([np.nan, np.inf, -np.inf], "float32"))
    assert np.array_equal(result(one), litert(one), equal_nan=True)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "DIV"])
def test_infinity_is_clipped_unless_xnnpack_computes(op: str, kernels: str) -> None:
    one = model(op, "float32", arg([np.inf, -np.inf, np.nan, 1.0], "float32"), arg([2.0, 2.0, 2.0, 0.0], "float32"))
    assert np.array_equal(result(one, kernels), litert(one, kernels), equal_nan=True)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "op, label, inputs, options, words",
    [
        ("DIV", "int32", ([1, 2], [3, 0]), {}, "Division by 0"),
        ("DIV", "int8", ([1, 2], [3, 9]), {}, "Division by 0"),
        ("FLOOR_DIV", "int32", ([1], [0]), {}, "Division by 0"),
        ("FLOOR_DIV", "float32", ([1], [0]), {}, "Division by 0"),
        ("FLOOR_MOD", "int64", ([1], [0]), {}, "Division by 0"),
        ("POW", "int32", ([2, 2], [3, -1]), {}, "exponents of 0 or more"),
    ],
)
def test_values_that_are_refused(op: str, label: str, inputs: Sequence[Any], options: Any, words: str) -> None:
    scale = 1.0 if label == "int8" else None
    operands = [arg(values, label, scale, 9 if label == "int8" else 0) for values in inputs]
    with np.errstate(all="ignore"):
        one = model(op, label, *operands, options=options)
    with pytest.raises(OperatorError, match=words):
        result(one)
    with pytest.raises(OracleError):
        litert(one)


def test_powers_of_two_that_do_not_fit() -> None:
    one = model("ADD", "int16", arg([1], "int16", 0.5), arg([1], "int16", 0.125), output_scale=0.25)
    with pytest.raises(OperatorError, match="pot_scale_int16"):
        result(one)
    with pytest.raises(OracleError):
        litert(one)


@pytest.mark.parametrize(
    "op, inputs, words",
    [
        ("ADD", ([1, 2], [1, 2, 3]), r"broadcast together, got .*\(2,\), .*\(3,\)"),
        ("PRELU", ([1, 2], [[1, 2], [3, 4]]), r"broadcasts to \(2,\)"),
        ("LESS", ([[1, 2]], [1, 2, 3]), "broadcast together"),
    ],
)
def test_shapes_that_are_refused(op: str, inputs: Sequence[Any], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        model(op, "float32", *(arg(values, "float32") for values in inputs))


@pytest.mark.parametrize(
    "condition, x, y",
    [((2,), (3, 2), (3, 2)), ((3, 1), (3, 2), (3, 2)), ((), (3,), (3, 1))],
)
def test_select_refuses_what_only_select_v2_broadcasts(condition: Any, x: Any, y: Any) -> None:
    operands = arg(np.zeros(condition), "bool"), arg(np.zeros(x), "float32"), arg(np.zeros(y), "float32")
    with pytest.raises(OperatorError):
        model("SELECT", "float32", *operands)
    assert result(model("SELECT_V2", "float32", *operands)).shape == np.broadcast_shapes(condition, x, y)


# ---- how results are cut into runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape1, shape2, expected",
    [
        ((3, 7), (3, 7), (21, False)),
        ((1, 3, 7), (3, 7), (21, False)),
        ((2, 5, 20), (1,), (200, True)),
        ((), (4, 5), (20, True)),
        ((4, 33), (33,), (33, False)),
        ((4, 40), (4, 1), (40, True)),
        ((2, 3, 1, 17), (1, 3, 5, 17), (17, False)),
        ((2, 1, 5, 9), (2, 4, 1, 9), (9, False)),
        ((1, 4, 1, 8), (3, 1, 6, 1), None),
        ((5, 1), (1, 19), (19, True)),
    ],
)
def test_runs(shape1: Any, shape2: Any, expected: Any) -> None:
    assert runs(shape1, shape2) == expected
    assert runs(shape2, shape1) == expected


def test_whole_vectors_of_each_run() -> None:
    assert in_vectors((2, 5), 5, 2).astype(int).tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]
    assert not in_vectors((2, 0), 0, 16).size
