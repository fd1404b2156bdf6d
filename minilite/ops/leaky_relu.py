"""LEAKY_RELU: ``output = input`` where it is positive, else ``alpha * input``.

Quantized: ``z_output + round((q - z_input) * M)`` with ``M = s_input / s_output`` for positive numbers and ``M =
s_input * alpha / s_output`` for negative ones, formed in float32 (in ``tflm`` in float64). In ``reference`` and
``builtin``, ``round`` is a MultiplyByQuantizedMultiplier, rounded twice; where alpha is negative it multiplies by -M
and changes the sign, except for int16 in ``builtin``, which multiplies by M (ties differ). In ``xnnpack``, M has 8
fractional bits and is taken back by one shift, half up.

Sources: TensorFlow Lite's activations kernel, XNNPACK's qs8-vlrelu.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, ratio_type, rounding_shift_half_up
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def float_(node: Node, input: Array) -> Array:
    return np.where(input > 0, input, input * input.dtype.type(node.options.alpha))


@dataclass(frozen=True)
class Prepared:
    """Zero points, and the multipliers of positive and of negative numbers. ``sign`` is of the negative numbers'
    result."""

    input_zero_point: int
    output_zero_point: int
    identity: Multiplier
    alpha: Multiplier
    sign: int
    type: str

    def centred(self, input: Array) -> Array:
        """The input without its zero point, as int64."""
        return input.astype(np.int64) - self.input_zero_point

    def clipped(self, steps: Array) -> Array:
        """Output integers from values that have no zero point yet."""
        return np.clip(steps + self.output_zero_point, *INTEGER_RANGE[self.type]).astype(self.type)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    if input.type == "int16":
        for tensor in (input, output):
            tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    s_input = ratio_type(node)(input.scale)
    alpha = s_input * np.float32(node.options.alpha) / output.scale
    negated = alpha < 0 and not (node.arithmetic == "signed" and input.type == "int16")
    return Prepared(
        input.zero_point,
        output.zero_point,
        Multiplier.of(s_input / output.scale),
        Multiplier.of(-alpha if negated else alpha),
        -1 if negated else 1,
        output.type,
    )


def integer(p: Prepared, input: Array) -> Array:
    x = p.centred(input)
    negative = p.sign * multiply_double_rounding(x, p.alpha)
    return p.clipped(np.where(x >= 0, multiply_double_rounding(x, p.identity), negative))


def prepare_one_shift(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    ratio = input.scale / output.scale
    alpha = ratio * np.float32(node.options.alpha)
    identity, negative = (Multiplier(int(np.rint(256 * np.float64(r))), 0) for r in (ratio, alpha))
    return Prepared(input.zero_point, output.zero_point, identity, negative, 1, output.type)


def integer_one_shift(p: Prepared, input: Array) -> Array:
    x = p.centred(input)
    return p.clipped(rounding_shift_half_up(x * np.where(x > 0, p.identity.q, p.alpha.q), 8))


def case(draw: Draw, definition: Definition) -> Case:
    alpha = draw.choice((0.2, 0.01, 1.0, 1.5, 0.0, -0.3, 0.5, 0.125, -0.5))
    shape = cases.shape(draw, 0, 4)
    if not cases.random_ties(draw, definition):
        return Case((data(shape),), {"alpha": alpha})
    scale = cases.power_of_two(draw, -9, 0)
    return Case((data(shape, scale=scale),), {"alpha": alpha}, output_scale=scale * cases.power_of_two(draw, 0, 3))


LEAKY_RELU = Op(
    "LEAKY_RELU",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", float_),
        *each(("int8", "uint8"), "T -> T", integer_one_shift, prepare=prepare_one_shift, arithmetic="one shift"),
        *each(("int8", "uint8", "int16"), "T -> T", integer, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=2,
    elementwise=True,
)
