"""ABS: the magnitude of every element.

Quantized: ``z_output + abs(q - z_input)``, or where the scales differ ``z_output + round(abs(q - z_input) * M)`` with
``M = s_input / s_output`` formed in float32 (in ``tflm`` in float64) and ``round`` a MultiplyByQuantizedMultiplier,
rounded twice. The smallest of plain integers has no magnitude in its type and stays as it is.

Source: TensorFlow Lite's elementwise kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, boolean
from minilite.fixed_point import Multiplier, multiply_double_rounding, ratio_type
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def absolute(node: Node, input: Array) -> Array:
    return np.abs(input)


@dataclass(frozen=True)
class Prepared:
    """Zero points, and the multiplier where there is something to rescale."""

    input_zero_point: int
    output_zero_point: int
    multiplier: Multiplier | None
    type: str


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    if input.type == "int16":
        for tensor in (input, output):
            tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    real = ratio_type(node)(input.scale) / output.scale
    multiplier = None if input.scale == output.scale else Multiplier.of(real)
    return Prepared(input.zero_point, output.zero_point, multiplier, output.type)


def integer(p: Prepared, input: Array) -> Array:
    steps = np.abs(input.astype(np.int64) - p.input_zero_point)
    if p.multiplier is not None:
        steps = multiply_double_rounding(steps, p.multiplier)
    return np.clip(steps + p.output_zero_point, *INTEGER_RANGE[p.type]).astype(p.type)


def case(draw: Draw, definition: Definition) -> Case:
    shape = cases.shape(draw, 0, 4)
    if definition.label in ("int32", "plain int16") and boolean(draw):
        return Case((cases.any_integers(draw, shape, definition.input_types[0]),))
    if definition.quantized and boolean(draw):
        scale = cases.power_of_two(draw, -9, 0)
        return Case((cases.data(shape, scale=scale),), output_scale=scale * cases.power_of_two(draw, 0, 2))
    return Case((cases.data(shape),))


ABS = Op(
    "ABS",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", absolute),
        *each(("int8", "int16"), "T -> T", integer, prepare=prepare, quantized=True),
        Definition("int32 -> int32", absolute),
        Definition("int16 -> int16", absolute, label="plain int16", quantized=False),
    ),
    shapes=same_shape,
    cases=case,
    version=5,
    elementwise=True,
)
