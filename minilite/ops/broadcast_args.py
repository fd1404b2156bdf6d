"""BROADCAST_ARGS: the shape that two shapes broadcast to.

Both are vectors, aligned at their ends; of each pair of sizes one is 1, or both are equal. A size that is missing
counts as 1.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, stated
from minilite.cases import broadcast_pair as drawn_pair
from minilite.errors import OperatorError
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, each, parameter

Array = np.ndarray


def shapes(node: Node, shape1: TensorInfo, shape2: TensorInfo) -> tuple[Shape]:
    for info in (shape1, shape2):
        info.need(info.rank == 1, "a vector", f"shape {info.shape}")
    return ((max(shape1.shape[0], shape2.shape[0]),),)


def broadcast_args(node: Node, shape1: Array, shape2: Array) -> Array:
    rank = max(shape1.size, shape2.size)
    a, b = (np.concatenate([np.ones(rank - s.size, s.dtype), s]) for s in (shape1, shape2))
    if not bool(((a == b) | (a == 1) | (b == 1)).all()):
        raise OperatorError(f"expected shapes that broadcast together, got {shape1.tolist()} and {shape2.tolist()}.")
    return np.where(a == 1, b, a)


def case(draw: Draw, definition: Definition) -> Case:
    dtype = DTYPES[definition.label]
    return Case(tuple(stated(draw, shape or (1,), dtype) for shape in drawn_pair(draw)))


BROADCAST_ARGS = Op(
    "BROADCAST_ARGS",
    inputs=(parameter("shape1"), parameter("shape2")),
    outputs=(parameter("output"),),
    definitions=each(("int32", "int64"), "T T -> T", broadcast_args),
    shapes=shapes,
    cases=case,
)
