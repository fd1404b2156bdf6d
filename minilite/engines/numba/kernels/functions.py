"""Functions of 16 floats, as their definitions compute them.

Where a definition goes through float64 and rounds once (:mod:`minilite.ops.elementary`), so do these: ``exp`` is good
to about 2**-50 before it is rounded, so that results differ from the definition's in one of ten million numbers at
most, in the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from minilite.engines.numba.kernels.conversions import CONVERSIONS
from minilite.engines.numba.kernels.rounding import MAGIC
from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I32,
    I64,
    Builder,
    Value,
    call,
    clip,
    constant,
    load,
    splat,
    suffix,
    vector,
)

FLOATS, DOUBLES, WIDE = vector(F32), vector(F64), vector(I64)
LOG2E, LN2 = 1.4426950408889634, 0.6931471805599453
TERMS = 13
"""Terms of the series of exp on [-log(2) / 2, log(2) / 2]; the first that is left out is 2e-16."""


def _round(builder: Builder, name: str, x: Value) -> Value:
    return call(builder, f"llvm.{name}.{suffix(x.type)}", x.type, x)


def _fma(builder: Builder, a: Value, b: Value, c: Value) -> Value:
    return call(builder, f"llvm.fma.{suffix(a.type)}", a.type, a, b, c)


def exp64(builder: Builder, x: Value) -> Value:
    """exp of float64s: ``2**n * exp(x - n * log(2))``, for results that a float32 can hold, 0 and infinity beyond."""
    inside = clip(builder, x, constant(DOUBLES, -160.0), constant(DOUBLES, 160.0))
    n = _round(builder, "rint", builder.fmul(inside, constant(DOUBLES, LOG2E)))
    rest = _fma(builder, n, constant(DOUBLES, -LN2), inside)
    factorial = 1.0
    for i in range(1, TERMS):
        factorial *= i
    series = constant(DOUBLES, 1.0 / factorial)
    for i in range(TERMS - 1, 0, -1):
        factorial /= i
        series = _fma(builder, series, rest, constant(DOUBLES, 1.0 / factorial))
    exponent = builder.add(builder.fptosi(n, WIDE), constant(WIDE, 1023))
    return builder.fmul(series, builder.bitcast(builder.shl(exponent, constant(WIDE, 52)), DOUBLES))


def _wide(builder: Builder, x: Value) -> Value:
    return builder.fpext(x, DOUBLES)


def _narrow(builder: Builder, x: Value) -> Value:
    return builder.fptrunc(x, FLOATS)


def exp(builder: Builder, x: Value, constants: Value | None = None) -> Value:
    """exp, rounded once."""
    return _narrow(builder, exp64(builder, _wide(builder, x)))


def _one(value: float = 1.0) -> Value:
    return constant(FLOATS, value)


def sigmoid(builder: Builder, x: Value, constants: Value) -> Value:
    """``1 / (1 + exp(-x))``, every step in float32."""
    return builder.fdiv(_one(), builder.fadd(_one(), exp(builder, builder.fneg(x))))


FAST_EXP = (0.00832708973274527, 0.04187728976902046, 0.16666906511955354, 0.4999930836736847, 1.0, 1.0)
"""exp on [-log(2) / 2, log(2) / 2] to 2.2e-7, the last two given."""


def _like(x: Value, number: float) -> Value:
    return constant(x.type, number)


def fast_exp(builder: Builder, x: Value) -> Value:
    """exp in float32, to about 3 units in the last place; between exp(-87) and exp(88)."""
    inside = clip(builder, x, _like(x, -87.0), _like(x, 88.0))
    shifted = _fma(builder, inside, _like(x, LOG2E), _like(x, MAGIC))  # its last bits are the exponent
    n = builder.fsub(shifted, _like(x, MAGIC))
    rest = _fma(builder, n, _like(x, -LN2), inside)
    series = _like(x, FAST_EXP[0])
    for term in FAST_EXP[1:]:
        series = _fma(builder, series, rest, _like(x, term))
    integers = vector(I32, x.type.count)
    exponent = builder.shl(builder.bitcast(shifted, integers), constant(integers, 23))
    return builder.bitcast(builder.add(builder.bitcast(series, integers), exponent), x.type)


def fast_sigmoid(builder: Builder, x: Value, constants: Value) -> Value:
    """:func:`sigmoid` by :func:`fast_exp`."""
    return builder.fdiv(_one(), builder.fadd(_one(), fast_exp(builder, builder.fneg(x))))


def fast_swish(builder: Builder, x: Value) -> Value:
    """``x * sigmoid(x)`` by :func:`fast_exp`."""
    return builder.fdiv(x, builder.fadd(_like(x, 1.0), fast_exp(builder, builder.fneg(x))))


def fast_hard_swish(builder: Builder, x: Value) -> Value:
    """:func:`hard_swish` with a product for its quotient."""
    gate = clip(builder, _fma(builder, x, _like(x, 1 / 6), _like(x, 0.5)), _like(x, 0.0), _like(x, 1.0))
    return builder.fmul(x, gate)


def sigmoid_cut(builder: Builder, x: Value, constants: Value) -> Value:
    """The reference kernel's: 1 beyond 16.619047, the exponential alone below -9."""
    low = builder.fcmp_ordered("<", x, _one(-9.0))
    inner = builder.select(low, exp(builder, x), sigmoid(builder, x, constants))
    return builder.select(builder.fcmp_ordered(">", x, _one(16.619047164916992)), _one(), inner)


TANH = (1.0, -1 / 3, 2 / 15, -17 / 315, 62 / 2835)


def tanh(builder: Builder, x: Value, constants: Value) -> Value:
    """``(exp(2 x) - 1) / (exp(2 x) + 1)`` in float64; near 0, where that would cancel, five terms of the series."""
    wide = _wide(builder, x)
    bounded = clip(builder, wide, constant(DOUBLES, -20.0), constant(DOUBLES, 20.0))
    e, one = exp64(builder, builder.fadd(bounded, bounded)), constant(DOUBLES, 1.0)
    far = builder.fdiv(builder.fsub(e, one), builder.fadd(e, one))
    squared, series = builder.fmul(wide, wide), constant(DOUBLES, TANH[-1])
    for term in reversed(TANH[:-1]):
        series = _fma(builder, series, squared, constant(DOUBLES, term))
    is_near = builder.fcmp_ordered("<", _round(builder, "fabs", wide), constant(DOUBLES, 0.05))
    return _narrow(builder, builder.select(is_near, builder.fmul(series, wide), far))


def hard_swish(builder: Builder, x: Value, constants: Value) -> Value:
    """``x * clip(x + 3, 0, 6) / 6``."""
    gate = clip(builder, builder.fadd(x, _one(3.0)), _one(0.0), _one(6.0))
    return builder.fdiv(builder.fmul(x, gate), _one(6.0))


def clipped(builder: Builder, x: Value, constants: Value) -> Value:
    """Between two constants."""
    low, high = (splat(builder, load(builder, F32, constants, 4 * i)) for i in range(2))
    return clip(builder, x, low, high)


def leaky_relu(builder: Builder, x: Value, constants: Value) -> Value:
    """``x`` above 0, else ``x`` times a constant."""
    slope = splat(builder, load(builder, F32, constants))
    return builder.select(builder.fcmp_ordered(">", x, _one(0.0)), x, builder.fmul(x, slope))


def square(builder: Builder, x: Value, constants: Value) -> Value:
    """``x * x``."""
    return builder.fmul(x, x)


def sqrt(builder: Builder, x: Value, constants: Value) -> Value:
    """The square root, rounded once."""
    return _round(builder, "sqrt", x)


def rsqrt(builder: Builder, x: Value, constants: Value) -> Value:
    """``1 / sqrt(x)``, rounded twice."""
    return builder.fdiv(_one(), sqrt(builder, x, constants))


def negative(builder: Builder, x: Value, constants: Value) -> Value:
    """``-x``."""
    return builder.fneg(x)


def floor(builder: Builder, x: Value, constants: Value) -> Value:
    """The whole number below."""
    return _round(builder, "floor", x)


def ceil(builder: Builder, x: Value, constants: Value) -> Value:
    """The whole number above."""
    return _round(builder, "ceil", x)


def nearest(builder: Builder, x: Value, constants: Value) -> Value:
    """The nearest whole number, ties to even; what is not zero never becomes -0.0."""
    is_zero = builder.fcmp_ordered("==", x, _like(x, 0.0))
    return builder.select(is_zero, x, builder.fadd(_round(builder, "rint", x), _like(x, 0.0)))


def magnitude(builder: Builder, x: Value, constants: Value) -> Value:
    """``abs(x)``."""
    return _round(builder, "fabs", x)


GELU = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""Abramowitz and Stegun, 7.1.26: erf to 1.5e-7."""


def fast_gelu(builder: Builder, x: Value, constants: Value) -> Value:
    """``x / 2 * (1 + erf(x / sqrt(2)))``, within about ``abs(x) * 1e-7``."""
    y = builder.fmul(_round(builder, "fabs", x), _one(0.7071067811865476))
    t = builder.fdiv(_one(), _fma(builder, y, _one(0.3275911), _one()))
    series = _one(GELU[-1])
    for term in reversed(GELU[:-1]):
        series = _fma(builder, series, t, _one(term))
    tail = builder.fmul(builder.fmul(series, t), fast_exp(builder, builder.fneg(builder.fmul(y, y))))
    erf = call(builder, f"llvm.copysign.{suffix(FLOATS)}", FLOATS, builder.fsub(_one(), tail), x)
    return builder.fmul(builder.fmul(_one(0.5), x), builder.fadd(_one(), erf))


ERFC = (
    *(-0.5813805622982645, 0.591662670790531, 0.020841394009051856),
    *(-0.03289627625203591, -0.002095772087447029, 0.00457783107521951),
    *(-0.00016019811854299954, -0.0007767791040066249, 0.00016861012260881842),
    *(0.00011806840849211906, -5.9441461282150595e-05, -1.1619986564308793e-05),
    *(1.342165507260259e-05, 2.498237269862022e-07, -1.5966037754312617e-06),
)
"""``log(erfc(z) * exp(z * z) / t)`` by powers of ``u``, where ``t = 2 / (2 + z)`` and ``u`` goes from -1 to 1 as ``z``
goes from 13 to 0: interpolated at Chebyshev's points, to 3e-11. The variables are those of Press et al., Numerical
Recipes, 6.2.2."""


def erfc64(builder: Builder, x: Value) -> Value:
    """erfc of float64s, to 3e-11 of itself; 0 and 2 where a float32 is."""
    z = call(builder, f"llvm.minnum.{suffix(x.type)}", x.type, _round(builder, "fabs", x), _like(x, 13.0))
    t = builder.fdiv(_like(x, 2.0), builder.fadd(_like(x, 2.0), z))
    u = _fma(builder, t, _like(x, 30 / 13), _like(x, -17 / 13))
    series = _like(x, ERFC[-1])
    for term in reversed(ERFC[:-1]):
        series = _fma(builder, series, u, _like(x, term))
    found = builder.fmul(t, exp64(builder, builder.fsub(series, builder.fmul(z, z))))
    below = builder.fcmp_ordered("<", x, _like(x, 0.0))
    return builder.select(below, builder.fsub(_like(x, 2.0), found), found)


def gelu(builder: Builder, x: Value, constants: Value) -> Value:
    """``x / 2 * erfc(-x / sqrt(2))``, every step in float32."""
    erfc = _narrow(builder, erfc64(builder, _wide(builder, builder.fmul(x, _one(-math.sqrt(0.5))))))
    return builder.fmul(builder.fmul(_one(0.5), x), erfc)


def gelu_by_tanh(builder: Builder, x: Value, constants: Value) -> Value:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``, every step in float32."""
    cube = builder.fmul(builder.fmul(x, x), x)
    inner = builder.fmul(_one(math.sqrt(2 / math.pi)), builder.fadd(x, builder.fmul(_one(0.044715), cube)))
    return builder.fmul(builder.fmul(_one(0.5), x), builder.fadd(_one(), tanh(builder, inner, constants)))


ACTIVATIONS: dict[str, Callable[[Builder, Value], Value]] = {"swish": fast_swish, "hard swish": fast_hard_swish}
"""What layers of floats may end in instead of bounds."""


def activated(builder: Builder, name: str, x: Value, low: Value, high: Value) -> Value:
    """A layer's result after its activation: ``none`` clips it."""
    return clip(builder, x, low, high) if name == "none" else ACTIVATIONS[name](builder, x)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "exp": exp,
    "sigmoid": sigmoid,
    "fast sigmoid": fast_sigmoid,
    "fast gelu": fast_gelu,
    "gelu": gelu,
    "gelu by tanh": gelu_by_tanh,
    **CONVERSIONS,
    "sigmoid cut": sigmoid_cut,
    "tanh": tanh,
    "hard swish": hard_swish,
    "clip": clipped,
    "leaky relu": leaky_relu,
    "square": square,
    "sqrt": sqrt,
    "rsqrt": rsqrt,
    "neg": negative,
    "floor": floor,
    "ceil": ceil,
    "round": nearest,
    "abs": magnitude,
}
