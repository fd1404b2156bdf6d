"""NEG: every element with the other sign.

Integers stand for themselves, with or without scales, and wrap: the smallest one stays as it is.

Source: TensorFlow Lite's neg kernel.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.bfloat16 import on_bits
from minilite.cases import Case, Draw, boolean
from minilite.spec import Definition, Node, Op, activation, each, same_shape

Array = np.ndarray


def negative(node: Node, input: Array) -> Array:
    return np.negative(input)


def case(draw: Draw, definition: Definition) -> Case:
    shape = cases.shape(draw, 0, 4)
    if definition.quantized is False and boolean(draw):
        return Case((cases.any_integers(draw, shape, definition.label),))
    return Case((cases.data(shape),))


NEG = Op(
    "NEG",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        *each(("float32", "float16"), "T -> T", negative),
        Definition("bfloat16 -> bfloat16", on_bits(negative)),
        *each(("int8", "int16", "int32", "int64"), "T -> T", negative, quantized=False),
    ),
    shapes=same_shape,
    cases=case,
    version=1,
    elementwise=True,
)
