"""DEQUANTIZE: integers, or float16, to float32.

    output = scale * (input - zero_point)

The product is rounded to float32. Scales are per-tensor or per-axis, along ``quantized_dimension``; TFLite Micro takes
the first scale for all of the tensor. float16 numbers
become the same numbers in float32.
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
    """Scales and zero points, shaped to broadcast when they are per-axis."""

    scale: Any
    zero_point: Any


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    input.need(input.quantized, "quantization scales", "none")
    if node.arithmetic == "first scale":
        return Prepared(input.scales[0], input.zero_point)
    return Prepared(along_axis(input, input.scales), along_axis(input, input.zero_points))


def dequantize(p: Prepared, input: Array) -> Array:
    return np.asarray(p.scale * (input.astype(np.int32) - p.zero_point).astype(np.float32))


def widen(node: Node, input: Array) -> Array:
    return input.astype(np.float32)


def case(draw: Draw, definition: Definition) -> Case:
    packed = definition.label in ("int4", "uint4", "int2")
    return Case(
        (data(shape(draw, 1 if definition.label in ("int8", "int4", "uint4", "int2") else 0), constant=packed or None),)
    )


DEQUANTIZE = Op(
    "DEQUANTIZE",
    inputs=(activation("input", axis=0),),
    outputs=(activation("output"),),
    definitions=(
        *each(("int8", "uint8", "int16", "int4", "uint4", "int2"), "T -> float32", dequantize, prepare=prepare),
        Definition("float16 -> float32", widen),
    ),
    shapes=same_shape,
    cases=case,
    version=9,
    elementwise=True,
)
