"""FLOOR, CEIL, ROUND and SIGN: floats to the integer below, above or nearest (ties to even), and to -1, 0 or 1.

NaN stays NaN.
"""

from __future__ import annotations

import numpy as np

from minilite.bfloat16 import on_bits
from minilite.cases import unary
from minilite.ops.elementary import Function
from minilite.spec import Definition, Node, Op, activation, same_shape

Array = np.ndarray


def round_half_even(x: Array) -> Array:
    """Ties to even; what is not zero never becomes -0.0."""
    return np.where(x == 0, x, np.rint(x) + x.dtype.type(0))


def _row(name: str, function: Function, types: tuple[str, ...], version: int = 1) -> Op:
    def compute(node: Node, input: Array) -> Array:
        return function(input)

    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=tuple(Definition(f"{t} -> {t}", on_bits(compute) if t == "bfloat16" else compute) for t in types),
        shapes=same_shape,
        cases=unary,
        version=version,
        elementwise=True,
    )


FLOOR = _row("FLOOR", np.floor, ("float32", "float16", "bfloat16"))
CEIL = _row("CEIL", np.ceil, ("float32",))
ROUND = _row("ROUND", round_half_even, ("float32", "float16", "bfloat16"))
SIGN = _row("SIGN", np.sign, ("float32", "float64", "int32"), version=2)
