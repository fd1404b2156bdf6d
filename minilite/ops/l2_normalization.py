"""L2_NORMALIZATION: vectors along the last axis, brought to length 1.

    output[..., c] = input[..., c] / sqrt(sum over k of input[..., k] ** 2)

A float length counts as 1e-6 at least. 8-bit outputs are (1/128, middle); the input's scale does not matter:

    output = z_output + round((q - z_input) * 128 / sqrt(sum of (q - z_input)**2))

with the inverse square root from a fixed-point function (:func:`minilite.gemmlowp.inverse_square_root`). uint8 numbers
are multiplied by 128 first and rounded after the root's multiplier; with int8, the 128 is part of the multiplier.
There is no fused activation. Source: TensorFlow Lite's reference kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases, gemmlowp
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, wrap32
from minilite.ops.softmax import row_sums
from minilite.ops.softmax import shapes as shapes_of_rows
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
SHORTEST = np.float32(1e-6)


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    fused = str(node.options.fused_activation_function)
    node.need(fused == "NONE", "no fused activation", fused)
    return shapes_of_rows(node, input)


def float_(node: Node, input: Array) -> Array:
    length = np.sqrt(row_sums(input * input))
    return input / np.maximum(length, input.dtype.type(SHORTEST))


@dataclass(frozen=True)
class Prepared:
    """The zero points, and how many of the 7 bits of 128 the multiplier brings."""

    input_zero_point: int
    output_zero_point: int
    bits_later: int


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    middle = 0 if output.type == "int8" else 128
    is_fixed = float(output.scale) == 1 / 128 and output.zero_point == middle
    output.need(is_fixed, f"scale 1/128 and zero point {middle}", f"{output.scale} and {output.zero_point}")
    return Prepared(input.zero_point, middle, 7 if output.type == "int8" else 0)


def normalize(p: Prepared, input: Array) -> Array:
    x = input.astype(np.int64) - p.input_zero_point
    root = gemmlowp.inverse_square_root(wrap32((x * x).sum(axis=-1, keepdims=True)))
    m = Multiplier(root.q, root.e + p.bits_later)
    steps = multiply_double_rounding(x << (7 - p.bits_later), m) + p.output_zero_point
    return np.clip(steps, *INTEGER_RANGE[input.dtype.name]).astype(input.dtype)


def case(draw: Draw, definition: Definition) -> Case:
    """All ranks; vectors of zeros, too."""
    shape = (*cases.shape(draw, 0, 3, 5), draw.choice((1, 2, 3, 10, 65, 300)))
    low, high = draw.choice(((None, None), (None, None), (None, None), (0.0, 1e-7)))
    return Case((data(shape, low, high),))


L2_NORMALIZATION = Op(
    "L2_NORMALIZATION",
    inputs=(activation("input"),),
    outputs=(activation("output", fixed=(("int8", 1 / 128, 0), ("uint8", 1 / 128, 128))),),
    definitions=(
        Definition("float32 -> float32", float_),
        Definition("int8 -> int8", normalize, prepare),
        Definition("uint8 -> uint8", normalize, prepare),
    ),
    shapes=shapes,
    cases=case,
    version=2,
)
