"""SQRT and RSQRT: ``output = sqrt(input)`` and ``output = 1 / sqrt(input)``; quantized inputs must be 0 or more.

SQRT of 8 and 16 bits: ``output = z_output + trunc(sqrt(s_input * (q - z_input)) / s_output)``, step by step in float32.

RSQRT of 8 bits: gemmlowp's inverse square root of ``q - z_input`` by Newton-Raphson, times
``1 / (sqrt(s_input) * s_output)``, with 20 spare bits between. 16 bits are looked up (:mod:`minilite.ops.lookup`), but
in ``tflm`` computed like 8 bits, the multiplier in float64. The inverse of 0 is the largest integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.errors import OperatorError
from minilite.fixed_point import Multiplier, multiply_double_rounding, saturate
from minilite.gemmlowp import inverse_square_root
from minilite.ops import lookup
from minilite.ops.elementary import to_int32
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray
SPARE_BITS = 20


def sqrt(node: Node, input: Array) -> Array:
    return np.sqrt(input)


def rsqrt(node: Node, input: Array) -> Array:
    return np.reciprocal(np.sqrt(input))


@dataclass(frozen=True)
class Prepared:
    """Scales and zero points, or the multiplier that stands for the scales, or a table."""

    input_scale: np.float32
    output_scale: np.float32
    input_zero_point: int
    output_zero_point: int
    type: str
    multiplier: Multiplier | None = None
    table: Array | None = None


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    for info in (input, output):
        info.need(float(info.scale) > 0, "a positive scale", info.scale)
        info.need(info.type != "int16" or info.zero_point == 0, "zero point 0", info.zero_point)
    multiplier = table = None
    if node.op == "RSQRT" and input.type == "int16" and node.arithmetic != "Newton":
        table = _rsqrt_table(input, output)
    elif node.op == "RSQRT":
        real = np.float64 if node.arithmetic == "Newton" else np.float32
        multiplier = Multiplier.of(1 / np.float64(np.sqrt(real(input.scale)) * output.scale))
    return Prepared(input.scale, output.scale, input.zero_point, output.zero_point, output.type, multiplier, table)


def _rsqrt_table(input: TensorInfo, output: TensorInfo) -> Array:
    largest = np.float32(INTEGER_RANGE["int16"][1]) * output.scale
    return lookup.table(lambda x: np.where(x <= 0, largest, np.reciprocal(np.sqrt(x))), input, output)


def _above_zero(p: Prepared, input: Array) -> Array:
    """``q - z_input``. Raises OperatorError where it is below 0."""
    x = input.astype(np.int64) - p.input_zero_point
    if x.size and int(x.min()) < 0:
        raise OperatorError(
            f"expected inputs of 0 or more (integers from {p.input_zero_point}), got {int(input.min())}: "
            "the root of a negative number is not defined."
        )
    return x


def sqrt_integers(p: Prepared, input: Array) -> Array:
    x = p.input_scale * _above_zero(p, input).astype(np.float32)
    steps = to_int32(np.sqrt(x) / p.output_scale) + p.output_zero_point
    return np.asarray(saturate(steps, p.type).astype(p.type))


def rsqrt_newton(p: Prepared, input: Array) -> Array:
    x = _above_zero(p, input)
    inverse = inverse_square_root(np.maximum(x, 1))
    assert p.multiplier is not None
    spare = multiply_double_rounding(1, Multiplier(inverse.q, inverse.e + SPARE_BITS))
    steps = multiply_double_rounding(spare, Multiplier(p.multiplier.q, p.multiplier.e - SPARE_BITS))
    largest = INTEGER_RANGE[p.type][1]
    return np.where(x == 0, largest, saturate(steps + p.output_zero_point, p.type)).astype(p.type)


def rsqrt16(p: Prepared, input: Array) -> Array:
    _above_zero(p, input)
    assert p.table is not None
    return lookup.look_up(p.table, input)


def case(draw: Draw, definition: Definition) -> Case:
    """Quantized SQRTs whose results fit the output, or all but do."""
    dims = shape(draw, 0, 4)
    if definition.label == "float32":
        return Case((data(dims, low=1e-4),))
    if definition.compute is not sqrt_integers:
        return Case((data(dims, low=0.0),))
    scale = draw.choice((0.02, 0.1, 1.0)) * (1 + draw.random.random())
    steps = 255 if definition.label == "int8" else 32767
    output_scale = np.sqrt(scale * steps) / steps * draw.choice((1.0, 1.5, 0.8))
    return Case((data(dims, low=0.0, scale=scale),), output_scale=float(output_scale))


SQRT = Op(
    "SQRT",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", sqrt),
        *each(("int8", "int16"), "T -> T", sqrt_integers, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=2,
    elementwise=True,
)

RSQRT = Op(
    "RSQRT",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", rsqrt),
        Definition("int8 -> int8", rsqrt_newton, prepare),
        Definition("int16 -> int16", rsqrt_newton, prepare, arithmetic="Newton"),
        Definition("int16 -> int16", rsqrt16, prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=3,
    elementwise=True,
)
