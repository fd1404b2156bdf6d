"""MAXIMUM and MINIMUM: two tensors, element by element, broadcast like NumPy.

    output = input1 if input1 > input2 else input2        output = input1 if input1 < input2 else input2

so that of a number and a NaN it is always ``input2`` that comes out. Quantized tensors share one scale and zero
point, and the stored integers are compared; the kernels do not check that they share.

Source: TensorFlow Lite's reference maximum_minimum kernel; tensorflow#39658 on the scales.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.bfloat16 import on_bits
from minilite.ops.broadcast import shapes
from minilite.spec import Definition, Node, Op, activation, each

Array = np.ndarray


def maximum(node: Node, input1: Array, input2: Array) -> Array:
    return np.where(input1 > input2, input1, input2)


def minimum(node: Node, input1: Array, input2: Array) -> Array:
    return np.where(input1 < input2, input1, input2)


TYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64")
INPUTS = (activation("input1"), activation("input2", same_as="input1"))
OUTPUTS = (activation("output", same_as="input1"),)

MAXIMUM = Op(
    "MAXIMUM",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(*each(TYPES, "T T -> T", maximum), Definition("bfloat16 bfloat16 -> bfloat16", on_bits(maximum))),
    shapes=shapes,
    cases=cases.binary,
    version=4,
)
MINIMUM = Op(
    "MINIMUM",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(*each(TYPES, "T T -> T", minimum), Definition("bfloat16 bfloat16 -> bfloat16", on_bits(minimum))),
    shapes=shapes,
    cases=cases.binary,
    version=4,
)
