"""DIV: two tensors, element by element, broadcast like NumPy.

    output = activation(input1 / input2)

Quantized: ``z + round((q1 - z1) / (q2 - z2) * M)`` with ``M = s1 / (s2 * s_output)`` formed in float32 (in ``tflm`` in
float64). The kernel divides by multiplying with a 32-bit reciprocal of ``|q2 - z2|`` (three Newton-Raphson steps), with
the dividend shifted up as far as it goes, and by ``M``; the last of the three roundings takes all shifts back at once,
ties away from zero. A divisor that is 0 is an error.

That last shift leaves the 0 to 31 bits it is made for. Beyond 31, with every quotient below about an eighth of an
output step, 0 / x is 1 step and 1 / 100 may be the type's limit; below 0, with quotients beyond all types, little more
than the sign is left. C++ does not define these, x86-64 and AArch64 agree on them, and minilite follows.

int32 divides towards zero and refuses a divisor of 0 as well; floats do not, they are clipped to the finite
range.

Sources: TensorFlow Lite's reference div kernel; gemmlowp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import (
    Multiplier,
    activation_range,
    float_activation,
    ratio_type,
    rounding_divide_by_any_pot,
    saturating_rounding_doubling_high_mul,
)
from minilite.gemmlowp import reciprocal
from minilite.ops.broadcast import shapes
from minilite.ops.plain_integers import integer_activation, need_divisors
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each

Array = np.ndarray


def divide(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 / input2)


def divide_integers(node: Node, input1: Array, input2: Array) -> Array:
    need_divisors(input2)
    a, b = input1.astype(np.int64), input2.astype(np.int64)
    quotient = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return integer_activation(node, quotient.astype(input1.dtype))


@dataclass(frozen=True)
class Prepared:
    """Zero points and the multiplier of the quotient."""

    zero_points: tuple[int, int]
    output: Multiplier
    output_zero_point: int
    low: int
    high: int
    type: str


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    for tensor in (input2, output):
        tensor.need(tensor.scale != 0, "a scale other than 0", tensor.scale)
    low, high = activation_range(node.options.fused_activation_function, output)
    return Prepared(
        (input1.zero_point, input2.zero_point),
        Multiplier.of(input1.scale / (ratio_type(node)(input2.scale) * output.scale)),
        output.zero_point,
        low,
        high,
        output.type,
    )


def integer(p: Prepared, input1: Array, input2: Array) -> Array:
    need_divisors(input2, p.zero_points[1])
    a, b = (x.astype(np.int64) - z for x, z in zip((input1, input2), p.zero_points, strict=True))
    inverse, above_one = reciprocal(np.abs(b), 31)
    dividend = a * np.sign(b)
    headroom = _leading_sign_bits(dividend)
    quotient = saturating_rounding_doubling_high_mul(dividend << headroom, inverse)
    scaled = saturating_rounding_doubling_high_mul(quotient, p.output.q)
    steps = rounding_divide_by_any_pot(scaled, above_one + headroom - p.output.e)
    return np.clip(steps + p.output_zero_point, p.low, p.high).astype(p.type)


def _leading_sign_bits(x: Array) -> Array:
    """How far an int32 can be shifted to the left without losing its sign."""
    magnitude = np.where(x < 0, -x - 1, x)
    return 31 - np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)


def case(draw: Draw, definition: Definition) -> Case:
    """Quantized quotients that fit the output, on ties, and at any scales at all, with last shifts of any length."""
    dividend, divisor = cases.broadcast_pair(draw)
    options = cases.activated(draw)
    operands = data(dividend), data(divisor, nonzero=True)
    if definition.label not in ("int8", "uint8", "int16"):
        return Case(operands, options)
    kind = draw.choice(("fitting", "ties", "any scales"))
    if kind == "fitting":
        return Case(operands, options)
    exact = kind == "ties"
    scales = [cases.power_of_two(draw, -10, 4) * (1 if exact else 1 + draw.random.random()) for _ in range(2)]
    steps = 2.0 ** draw.integer(4, 14) if exact else 2.0 ** draw.random.uniform(-14, 24)
    operands = data(dividend, scale=scales[0]), data(divisor, scale=scales[1], nonzero=True)
    return Case(operands, options, output_scale=scales[0] / (scales[1] * steps))


DIV = Op(
    "DIV",
    inputs=(activation("input1"), activation("input2")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", divide),
        *each(("int8", "uint8", "int16"), "T T -> T", integer, prepare=prepare),
        Definition("int32 int32 -> int32", divide_integers),
    ),
    shapes=shapes,
    cases=case,
    version=2,
    elementwise=True,
)
