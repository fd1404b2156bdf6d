"""WHERE: the coordinates of all elements that are not 0, row by row in their order.

    output[n] = coordinates of the n-th element with condition != 0

The output is int64, [count, rank]. NaN is not 0; the stored values count, whatever their zero point.

Source: TensorFlow Lite's where kernel.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, fed, shape
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, each, parameter

Array = np.ndarray


def shapes(node: Node, condition: TensorInfo) -> tuple[Shape]:
    condition.need(condition.rank >= 1, "1 dimension or more", condition.rank)
    return ((int(np.count_nonzero(condition.known())), condition.rank),)


def where(node: Node, condition: Array) -> Array:
    return np.argwhere(condition).astype(np.int64, copy=False)


def case(draw: Draw, definition: Definition) -> Case:
    """At least one element counts: LiteRT's own Python interpreter cannot read an empty output."""
    dims = shape(draw, 1, 5, 4)
    values = draw.random.integers(0, 2, dims) * draw.random.integers(1, 100, dims)
    values.reshape(-1)[draw.integer(0, values.size - 1)] = 1
    return Case((fed(values, DTYPES[definition.label]),))


WHERE = Op(
    "WHERE",
    inputs=(parameter("condition"),),
    outputs=(parameter("output"),),
    definitions=each(("bool", "float32", "int8", "uint8", "int32", "uint32", "int64"), "T -> int64", where),
    shapes=shapes,
    cases=case,
    version=2,
)
