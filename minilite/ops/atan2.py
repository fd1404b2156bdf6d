"""ATAN2: the angle of the point (x, y) in radians, element by element, in [-pi, pi].

    output = atan2(y, x)

Both have the same shape. The signs of zeros count, as in C.

Source: TensorFlow Lite's atan2_custom kernel.
"""

from __future__ import annotations

import numpy as np

from minilite.bfloat16 import on_bits
from minilite.cases import Case, Draw, data, fed, shape
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, y: TensorInfo, x: TensorInfo) -> tuple[Shape]:
    x.need(x.shape == y.shape, f"the shape of y, {y.shape}", x.shape)
    return (y.shape,)


def atan2(node: Node, y: Array, x: Array) -> Array:
    return np.arctan2(y.astype(np.float64), x.astype(np.float64)).astype(y.dtype)


def case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 0, 4)
    if definition.label == "bfloat16" or draw.choice((True, True, False)):
        return Case((data(dims), data(dims)))
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 1e-42, 3e38]
    with np.errstate(over="ignore"):
        return Case(tuple(fed(draw.random.choice(special, dims), DTYPES[definition.label]) for _ in range(2)))


ATAN2 = Op(
    "ATAN2",
    inputs=(activation("y"), activation("x")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", atan2, ulp=1),
        Definition("float64 float64 -> float64", atan2, ulp=1),
        Definition("float16 float16 -> float16", atan2),
        Definition("bfloat16 bfloat16 -> bfloat16", on_bits(atan2)),
    ),
    shapes=shapes,
    cases=case,
    elementwise=True,
)
