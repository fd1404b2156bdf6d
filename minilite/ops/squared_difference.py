"""SQUARED_DIFFERENCE: two tensors, element by element, broadcast like NumPy.

    output = (input1 - input2) ** 2

int8: both operands are brought to the scale ``T = 2 * max(s1, s2)`` with 7 spare bits, the difference is squared:

    output = z + round((round((q1 - z1) << 7, s1 / T) - round((q2 - z2) << 7, s2 / T)) ** 2, T * T / (2**14 * s_output))

each ``round`` a MultiplyByQuantizedMultiplier, rounded twice. int32 wraps.

Where the last multiplier is 1 or more, LiteRT ends the process; TFLite Micro computes, and so does minilite.

Source: TensorFlow Lite's squared_difference kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, Requantizer, multiply_double_rounding, requantizer
from minilite.ops.broadcast import shapes
from minilite.spec import Definition, Node, Op, TensorInfo, activation

Array = np.ndarray


def squared_difference(node: Node, input1: Array, input2: Array) -> Array:
    difference = input1 - input2
    return difference * difference


@dataclass(frozen=True)
class Prepared:
    """Per operand a zero point and a multiplier, then the output's."""

    zero_points: tuple[int, int]
    multipliers: tuple[Multiplier, Multiplier]
    requantize: Requantizer


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    for tensor in (input1, input2, output):
        tensor.need(float(tensor.scale) > 0, "a positive scale", tensor.scale)
    twice = np.float64(np.float32(2) * max(input1.scale, input2.scale))
    real = twice * twice / np.float64(np.float32(1 << 14) * output.scale)
    return Prepared(
        (input1.zero_point, input2.zero_point),
        (Multiplier.of(np.float64(input1.scale) / twice), Multiplier.of(np.float64(input2.scale) / twice)),
        requantizer(node, real, output, "double rounding"),
    )


def integer(p: Prepared, input1: Array, input2: Array) -> Array:
    a, b = (
        multiply_double_rounding((x.astype(np.int64) - z) << 7, m)
        for x, z, m in zip((input1, input2), p.zero_points, p.multipliers, strict=True)
    )
    return p.requantize((a - b) ** 2)


def case(draw: Draw, definition: Definition) -> Case:
    """One quantized case in fifty has output steps that are too fine for LiteRT."""
    if definition.label == "int8" and draw.random.random() < 0.02:
        fine = 2.0 ** draw.random.uniform(-20, -12)
        return Case(tuple(data(s, scale=1.0) for s in cases.broadcast_pair(draw)), output_scale=fine)
    if not cases.random_ties(draw, definition):
        return cases.binary(draw, definition)
    scale = cases.power_of_two(draw, -6, 0)
    operands = (data(s, scale=scale * cases.power_of_two(draw, -2, 0)) for s in cases.broadcast_pair(draw))
    return Case(tuple(operands), output_scale=scale * scale * cases.power_of_two(draw, 4, 8))


SQUARED_DIFFERENCE = Op(
    "SQUARED_DIFFERENCE",
    inputs=(activation("input1"), activation("input2")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", squared_difference),
        Definition("int8 int8 -> int8", integer, prepare),
        Definition("int32 int32 -> int32", squared_difference),
    ),
    shapes=shapes,
    cases=case,
    version=2,
    elementwise=True,
)
