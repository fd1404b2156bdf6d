"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1: clip to [0, inf], [0, 6], [-1, 1], [0, 1].

Quantized: ``z_output + round((q - z_input) * M)`` with ``M = s_input / s_output`` formed in float32 (in ``tflm`` in
float64) and ``round`` a MultiplyByQuantizedMultiplier, rounded twice; then clipped to the bounds' own steps, ``z_output
+ round(bound / s_output)``. NaN stays NaN. TFLite Micro's RELU6 (word "clips") never looks at the output's scale: it
clips the integers to ``[z_input, z_input + round(6 / s_input)]``.

Source: TensorFlow Lite's activations kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import ACTIVATION_BOUNDS, Requantizer, activation_range, ratio_type
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
    real = ratio_type(node)(input.scale) / output.scale
    requantize = Requantizer("double rounding", real, output.zero_point, low, high, output.type)
    return Prepared(input.zero_point, requantize)


def integer(p: Prepared, input: Array) -> Array:
    return p.requantize(input.astype(np.int64) - p.zero_point)


def prepare_raw(node: Node, input: TensorInfo, output: TensorInfo) -> tuple[int, int]:
    """The input's own integers for 0 and 6."""
    input.need(float(input.scale) > 0, "a positive scale", input.scale)
    return input.zero_point, activation_range(node.op, input)[1]


def clip_raw(bounds: tuple[int, int], input: Array) -> Array:
    return np.clip(input, *bounds).astype(input.dtype)


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


def _row(name: str, integers: tuple[str, ...], version: int, raw: tuple[Definition, ...] = ()) -> Op:
    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=(
            Definition("float32 -> float32", clip),
            *raw,
            *each(integers, "T -> T", integer, prepare=prepare),
        ),
        shapes=same_shape,
        cases=partial(case, name),
        version=version,
        elementwise=True,
    )


RELU = _row("RELU", ("int8", "uint8", "int16"), version=3)
RAW = each(("int8", "int16"), "T -> T", clip_raw, prepare=prepare_raw, arithmetic="clips")
RELU6 = _row("RELU6", ("int8", "uint8", "int16"), version=3, raw=RAW)
RELU_N1_TO_1 = _row("RELU_N1_TO_1", ("int8", "uint8"), version=1)
RELU_0_TO_1 = _row("RELU_0_TO_1", ("int8", "uint8"), version=1)
