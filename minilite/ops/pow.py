"""POW: one tensor to the power of another, element by element, broadcast like NumPy.

    output = base ** exponent

Where a single exponent meets a base of another shape and is a whole number of 1 or more (within 1e-5), the power is
multiplied out by repeated squaring: floats round after each product and stop at the largest finite number, int32
wraps. Everywhere else it is the C library's ``pow``: floats are rounded once, and an int32 result beyond the type is
-2**31. Negative exponents of int32 are refused.

Source: TensorFlow Lite's pow kernel.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw, data
from minilite.errors import OperatorError
from minilite.fixed_point import INT32_MAX, INT32_MIN
from minilite.ops.broadcast import shapes
from minilite.spec import Definition, Node, Op, activation

Array = np.ndarray


def power(node: Node, base: Array, exponent: Array) -> Array:
    whole = _one_whole_exponent(base, exponent)
    if whole:
        return _multiplied_out(base, whole).reshape(np.broadcast_shapes(base.shape, exponent.shape))
    return (base.astype(np.float64) ** exponent.astype(np.float64)).astype(base.dtype)


def integer_power(node: Node, base: Array, exponent: Array) -> Array:
    if (exponent < 0).any():
        raise OperatorError(f"expected exponents of 0 or more for int32, got {exponent.min()}.")
    whole = _one_whole_exponent(base, exponent)
    if whole:
        return _multiplied_out(base, whole).reshape(np.broadcast_shapes(base.shape, exponent.shape))
    return _integer_power(base.astype(np.int64), exponent)


def _one_whole_exponent(base: Array, exponent: Array) -> int:
    """The exponent that is multiplied out, or 0."""
    if exponent.size != 1 or exponent.shape == base.shape:
        return 0
    real = float(exponent.reshape(()))
    whole = round(real) if 0.5 < real < 2**31 else 0
    return whole if abs(real - whole) < np.float32(1e-5) else 0


def _multiplied_out(base: Array, exponent: int) -> Array:
    if exponent <= 1:
        return base
    half = _multiplied_out(base, exponent // 2)
    square = _product(half, half)
    return _product(base, square) if exponent % 2 else square


def _product(a: Array, b: Array) -> Array:
    if a.dtype.kind == "i":
        return a * b
    limit = a.dtype.type(np.finfo(np.float32).max)
    return np.minimum(np.maximum(a * b, -limit), limit)


def _integer_power(base: Array, exponent: Array) -> Array:
    """Exact powers by repeated squaring; what is beyond int32 stops growing there, so that nothing overflows."""
    base, exponent = np.broadcast_arrays(base, exponent)
    result = np.ones_like(base)
    while exponent.any():
        result = np.where(exponent & 1, np.clip(result * base, INT32_MIN - 1, INT32_MAX + 1), result)
        base, exponent = np.minimum(base * base, 2**31), exponent >> 1
    return np.where((result < INT32_MIN) | (result > INT32_MAX), INT32_MIN, result).astype(np.int32)


def case(draw: Draw, definition: Definition) -> Case:
    base, exponent = cases.broadcast_pair(draw)
    if definition.label == "int32":
        reach, most = draw.choice(((7, 9), (3, 40), (100, 5)))
        return Case((data(base, low=-reach, high=reach), data(exponent, low=0, high=most)))
    if draw.choice((0, 0, 1)):
        one = np.full((1,) * draw.integer(0, 5), draw.integer(1, 9), np.float32)
        return Case((data(base), Arg(one.shape, one, constant=False)))
    return Case((data(base, low=0, high=draw.choice((1, 5))), data(exponent, low=-5, high=5)))


POW = Op(
    "POW",
    inputs=(activation("base"), activation("exponent")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", power, ulp=1),
        Definition("int32 int32 -> int32", integer_power),
    ),
    shapes=shapes,
    cases=case,
    version=1,
    elementwise=True,
)
