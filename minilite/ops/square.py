"""SQUARE: ``output = input * input``."""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.spec import Definition, Node, Op, activation, same_shape

Array = np.ndarray


def square(node: Node, input: Array) -> Array:
    return input * input


SQUARE = Op(
    "SQUARE",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("float32 -> float32", square),),
    shapes=same_shape,
    cases=cases.unary,
    version=1,
    elementwise=True,
)
