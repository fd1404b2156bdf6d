"""gemmlowp's roundings of one number (:mod:`minilite.fixed_point` and :mod:`minilite.gemmlowp` have the formulas)."""

from __future__ import annotations

from numba.extending import register_jitable

from minilite.engines.numba.kernels.vectors import get_i64

INT32_MAX = (1 << 31) - 1


@register_jitable
def high_product(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul of numbers that are not both INT32_MIN."""
    return (a * b + (1 << 30)) >> 31


@register_jitable
def divide_by_pot(x: int, exponent: int) -> int:
    """``x / 2**exponent``, ties away from zero."""
    mask = (1 << exponent) - 1
    rest = x & mask
    return (x >> exponent) + (1 if rest > (mask >> 1) + (1 if x < 0 else 0) else 0)


@register_jitable
def times_pot(x: int, exponent: int) -> int:
    """``x * 2**exponent`` as an int32, saturated."""
    return min(max(x << exponent, -INT32_MAX - 1), INT32_MAX)


@register_jitable
def scaled(x: int, multiplier: int) -> int:
    """``x`` times a multiplier of 1 at most, rounded twice. ``multiplier`` is the address of q and of how far is
    shifted to the right, int64; with ``q = 2**31`` only the shift rounds."""
    return divide_by_pot(high_product(x, get_i64(multiplier)), get_i64(multiplier + 8))


@register_jitable
def saturated(x: int, low: int, high: int) -> int:
    """``x`` in [low, high]."""
    return min(max(x, low), high)
