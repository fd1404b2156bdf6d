"""FLOOR, CEIL, ROUND and SIGN: floats to the integer below, above or nearest (ties to even), and to -1, 0 or 1.

NaN stays NaN.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import unary
from minilite.ops.elementary import Function
from minilite.spec import Node, Op, activation, each, same_shape

Array = np.ndarray


def _row(name: str, function: Function, types: tuple[str, ...], version: int = 1) -> Op:
    def compute(node: Node, input: Array) -> Array:
        return function(input)

    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=each(types, "T -> T", compute),
        shapes=same_shape,
        cases=unary,
        version=version,
        elementwise=True,
    )


FLOOR = _row("FLOOR", np.floor, ("float32", "float16"))
CEIL = _row("CEIL", np.ceil, ("float32",))
ROUND = _row("ROUND", np.rint, ("float32", "float16"))
SIGN = _row("SIGN", np.sign, ("float32", "float64"), version=2)
