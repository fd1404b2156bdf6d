"""ZEROS_LIKE: zeros in the input's shape and type."""

from __future__ import annotations

import numpy as np

from minilite.cases import unary
from minilite.spec import Node, Op, activation, each, same_shape

Array = np.ndarray


def zeros_like(node: Node, input: Array) -> Array:
    return np.zeros_like(input)


ZEROS_LIKE = Op(
    "ZEROS_LIKE",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=each(("float32", "int32", "int64"), "T -> T", zeros_like),
    shapes=same_shape,
    cases=unary,
)
