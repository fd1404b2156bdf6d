"""DEQUANTIZE: integers, or float16, to float32.

    output = scale * (input - zero_point)

Per-tensor the product is a float64 one rounded to float32, per-axis (along ``quantized_dimension``) a float32 one.
float16 numbers become the same numbers in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops.quantize import along_axis
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    """Scales in the precision of the product, and zero points, shaped to broadcast when they are per-axis."""

    scale: Any
    zero_point: Any


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    input.need(input.quantized, "quantization scales", "none")
    precision = np.float32 if input.scales.size > 1 else np.float64
    return Prepared(along_axis(input, input.scales.astype(precision)), along_axis(input, input.zero_points))


def dequantize(p: Prepared, input: Array) -> Array:
    steps = np.asarray(input.astype(np.int64) - p.zero_point)
    return np.asarray((p.scale * steps.astype(np.asarray(p.scale).dtype)).astype(np.float32))


def widen(node: Node, input: Array) -> Array:
    return input.astype(np.float32)


def case(draw: Draw, definition: Definition) -> Case:
    packed = definition.label in ("int4", "int2")
    return Case((data(shape(draw, 1 if definition.label in ("int8", "int4", "int2") else 0), constant=packed or None),))


DEQUANTIZE = Op(
    "DEQUANTIZE",
    inputs=(activation("input", axis=0),),
    outputs=(activation("output"),),
    definitions=(
        *each(("int8", "uint8", "int16", "int4", "int2"), "T -> float32", dequantize, prepare=prepare),
        Definition("float16 -> float32", widen),
    ),
    shapes=same_shape,
    cases=case,
    version=9,
    elementwise=True,
)
