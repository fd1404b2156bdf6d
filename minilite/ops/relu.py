"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1: clip to [0, inf], [0, 6], [-1, 1], [0, 1].

Quantized: ``z_output + round((q - z_input) * M)`` with ``M = s_input / s_output`` formed in float32 and ``round`` a
MultiplyByQuantizedMultiplier, rounded twice; then clipped to the bounds' own steps, ``z_output + round(bound /
s_output)``. NaN stays NaN.

Source: TensorFlow Lite's activations kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import ACTIVATION_BOUNDS, Requantizer, activation_range
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def clip(node: Node, input: Array) -> Array:
    low, high = ACTIVATION_BOUNDS[node.op]
    return np.clip(input, low, high)


@dataclass(frozen=True)
class Prepared:
    """The input's zero point and the way to the output."""

    zero_point: int
    requantize: Requantizer


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    if input.type == "int16":
        for tensor in (input, output):
            tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    low, high = activation_range(node.op, output)
    real = input.scale / output.scale
    requantize = Requantizer("double rounding", real, output.zero_point, low, high, output.type)
    return Prepared(input.zero_point, requantize)


def integer(p: Prepared, input: Array) -> Array:
    return p.requantize(input.astype(np.int64) - p.zero_point)


def case(name: str, draw: Draw, definition: Definition) -> Case:
    """Numbers on both sides of the bounds, more of them inside."""
    shape = cases.shape(draw, 0, 4)
    top = ACTIVATION_BOUNDS[name][1] or draw.choice((0.5, 30.0))
    reach = top * draw.choice((1.0, 1.3))
    if definition.label == "float32":
        return Case((data(shape, low=-reach, high=reach),))
    lowest, highest = INTEGER_RANGE[definition.label]
    zero_point = 0 if definition.label == "int16" else lowest + draw.integer(0, 60)
    scale = reach / (highest - zero_point)
    output_scale = scale * cases.power_of_two(draw, 0, 2) if cases.random_ties(draw, definition) else None
    return Case((data(shape, scale=scale, zero_point=zero_point),), output_scale=output_scale)


def _row(name: str, integers: tuple[str, ...], version: int) -> Op:
    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=(
            Definition("float32 -> float32", clip),
            *each(integers, "T -> T", integer, prepare=prepare),
        ),
        shapes=same_shape,
        cases=partial(case, name),
        version=version,
        elementwise=True,
    )


RELU = _row("RELU", ("int8", "uint8", "int16"), version=3)
RELU6 = _row("RELU6", ("int8", "uint8", "int16"), version=3)
RELU_N1_TO_1 = _row("RELU_N1_TO_1", ("int8", "uint8"), version=1)
RELU_0_TO_1 = _row("RELU_0_TO_1", ("int8", "uint8"), version=1)
