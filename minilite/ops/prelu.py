"""PRELU: ``output = input`` where it is 0 or more, else ``alpha * input``; alpha broadcasts to the input's shape.

Quantized: ``z_output + round((q - z_input) * M)`` with ``M = s_input / s_output`` for numbers of 0 or more, and
``z_output + round((q - z_input) * (a - z_alpha) * M)`` with ``M = s_input * s_alpha / s_output`` for the others. Both M
are formed in float32 (in ``tflm`` in float64); ``round`` is a MultiplyByQuantizedMultiplier, rounded twice. int16
inputs have int8 alphas.

Source: TensorFlow Lite's activations and prelu kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, ratio_type
from minilite.ops.broadcast import broadcast
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, alpha: TensorInfo) -> tuple[Shape]:
    alpha.need(broadcast(input, alpha) == input.shape, f"a shape that broadcasts to {input.shape}", alpha.shape)
    return (input.shape,)


def float_(node: Node, input: Array, alpha: Array) -> Array:
    return np.where(input >= 0, input, input * alpha)


@dataclass(frozen=True)
class Prepared:
    """Zero points, and the multipliers of numbers of 0 or more and of negative ones."""

    zero_points: tuple[int, int, int]
    identity: Multiplier
    alpha: Multiplier
    type: str


def prepare(node: Node, input: TensorInfo, alpha: TensorInfo, output: TensorInfo) -> Prepared:
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    s_input = ratio_type(node)(input.scale)
    return Prepared(
        (input.zero_point, alpha.zero_point, output.zero_point),
        Multiplier.of(s_input / output.scale),
        Multiplier.of(s_input * alpha.scale / output.scale),
        output.type,
    )


def integer(p: Prepared, input: Array, alpha: Array) -> Array:
    input_zero, alpha_zero, output_zero = p.zero_points
    x, a = input.astype(np.int64) - input_zero, alpha.astype(np.int64) - alpha_zero
    steps = np.where(x >= 0, multiply_double_rounding(x, p.identity), multiply_double_rounding(x * a, p.alpha))
    return np.clip(steps + output_zero, *INTEGER_RANGE[p.type]).astype(p.type)


def case(draw: Draw, definition: Definition) -> Case:
    """Alphas that are shared along axes, as trained ones are, and others."""
    input = cases.shape(draw, 0, 5)
    shared = (1,) * (len(input) - 2) + input[-1:] if len(input) > 1 else input
    alpha = draw.choice((shared, cases.broadcastable(draw, input)))
    if not cases.random_ties(draw, definition):
        return Case((data(input), data(alpha, constant=cases.boolean(draw))))
    scale = cases.power_of_two(draw, -9, 0)
    operands = data(input, scale=scale), data(alpha, scale=cases.power_of_two(draw, -10, -5))
    return Case(operands, output_scale=scale * cases.power_of_two(draw, 0, 3))


PRELU = Op(
    "PRELU",
    inputs=(activation("input"), activation("alpha")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", float_),
        Definition("int8 int8 -> int8", integer, prepare),
        Definition("uint8 uint8 -> uint8", integer, prepare),
        Definition("int16 int8 -> int16", integer, prepare),
    ),
    shapes=shapes,
    cases=case,
    version=1,
    elementwise=True,
)
