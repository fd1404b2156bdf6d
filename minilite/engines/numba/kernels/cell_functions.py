"""The logistic function and tanh of a cell's gates, 16 floats at a time; :mod:`minilite.ops.cell_activation` has the
formulas and where they come from."""

from __future__ import annotations

from collections.abc import Sequence

from numba.core import cgutils

from minilite.engines.numba.kernels import functions
from minilite.engines.numba.kernels.functions import FLOATS
from minilite.engines.numba.kernels.vectors import I1, I16, I32, Builder, Value, call, clip, constant, least, vector
from minilite.ops.cell_activation import (
    EXP_OF_HALF,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    LOGISTIC_IS_ONE,
    LOGISTIC_IS_ZERO,
    TANH_CLIP,
    TANH_DENOMINATOR,
    TANH_NUMERATOR,
)


def _of(number: float) -> Value:
    return constant(FLOATS, number)


def _polynomial(builder: Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """The highest power's coefficient comes first."""
    result = _of(coefficients[0])
    for coefficient in coefficients[1:]:
        result = builder.fadd(builder.fmul(result, x), _of(coefficient))
    return result


def tanh(builder: Builder, x: Value) -> Value:
    """Eigen's hyperbolic tangent."""
    x = clip(builder, x, _of(-TANH_CLIP), _of(TANH_CLIP))
    square = builder.fmul(x, x)
    odd = builder.fmul(builder.fmul(square, x), _polynomial(builder, square, TANH_NUMERATOR))
    return builder.fdiv(builder.fadd(odd, x), _polynomial(builder, square, TANH_DENOMINATOR))


def logistic(builder: Builder, x: Value, alone: Value) -> Value:
    """Eigen's logistic function; of the lanes whose bits are set in ``alone`` (an i16), by the C library's exp."""
    place = cgutils.alloca_once_value(builder, _in_lanes(builder, x))
    with builder.if_then(builder.icmp_unsigned("!=", alone, constant(I16, 0)), likely=False):
        mask = builder.bitcast(alone, vector(I1))
        builder.store(builder.select(mask, _by_itself(builder, x), builder.load(place)), place)
    return builder.load(place)


def _by_itself(builder: Builder, x: Value) -> Value:
    e = functions.exp(builder, least(builder, x, _of(LOGISTIC_IS_ONE)))
    return builder.fdiv(e, builder.fadd(_of(1.0), e))


def _in_lanes(builder: Builder, x: Value) -> Value:
    """What is below the least exponent has its exponential, too, and 0 is taken in its place."""
    half = builder.fmul(clip(builder, x, _of(2 * LOGISTIC_IS_ZERO), _of(LOGISTIC_IS_ONE)), _of(0.5))
    shifted = builder.fadd(builder.fmul(half, _of(LOG2_E)), _of(0.5))
    m = call(builder, "llvm.floor.v16f32", FLOATS, shifted)
    r = builder.fadd(builder.fmul(m, _of(-LN2_HIGH)), half)
    r = builder.fadd(r, builder.fmul(m, _of(-LN2_LOW)))
    square = builder.fmul(r, r)
    p5, p4, p3, p2 = map(_of, EXP_OF_HALF)
    inner = builder.fmul(r, builder.fadd(builder.fmul(square, p5), p3))
    inner = builder.fadd(inner, builder.fadd(builder.fmul(square, p4), p2))
    e = builder.fadd(builder.fmul(square, inner), builder.fadd(r, _of(1.0)))
    e = builder.fmul(e, _power_of_two(builder, m))
    e = builder.fmul(e, e)
    y = builder.fdiv(e, builder.fadd(_of(1.0), e))
    return builder.select(builder.fcmp_ordered("<", x, _of(LOGISTIC_IS_ZERO)), _of(0.0), y)


def _power_of_two(builder: Builder, m: Value) -> Value:
    """``2**m`` of whole numbers; 1 of NaN."""
    m = builder.select(builder.fcmp_ordered("==", m, m), m, _of(0.0))
    exponent = builder.add(builder.fptosi(m, vector(I32)), constant(vector(I32), 127))
    return builder.bitcast(builder.shl(exponent, constant(vector(I32), 23)), FLOATS)
