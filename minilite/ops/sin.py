"""SIN and COS of radians."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops import elementary
from minilite.spec import Definition, Node, Op, activation, same_shape

Array = np.ndarray


def case(draw: Draw, definition: Definition) -> Case:
    """Several numbers at once, so that the range of the results is not one number near 0."""
    return Case((data((*shape(draw, 0, 3), 16)),))


def _row(name: str, function: elementary.Function) -> Op:
    def compute(node: Node, input: Array) -> Array:
        return function(input)

    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=(
            Definition("float32 -> float32", compute, ulp=1),
            Definition("float16 -> float16", compute, ulp=1),
        ),
        shapes=same_shape,
        cases=case,
        version=2,
        elementwise=True,
    )


SIN = _row("SIN", elementary.sin)
COS = _row("COS", elementary.cos)
