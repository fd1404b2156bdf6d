"""gemmlowp's functions of fixed-point numbers, each written once.

A number of format ``Qm`` is an integer of ``bits`` bits (16 or 32) that stands for ``raw / 2**(bits - m - 1)``; ``m``
is called ``integer_bits``. Products are rounded and keep the number of bits: ``Qa * Qb -> Q(a + b)``. Arguments and
results are raw int64 arrays whose values fit the documented format.

Sources: gemmlowp, fixedpoint/fixedpoint.h (exp, logistic, tanh and Newton-Raphson division); TensorFlow Lite,
kernels/internal/common.h (reciprocal, inverse square root, logarithm).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.fixed_point import Multiplier, rounding_divide_by_pot, wrap32

Array = np.ndarray


def raw(real: float, integer_bits: int = 0, bits: int = 32) -> int:
    """A constant as a raw number of the format."""
    return math.floor(real * 2.0 ** (bits - 1 - integer_bits) + 0.5)


def largest(bits: int) -> int:
    """The largest raw number; it stands for 1 where there are no integer bits."""
    return (1 << (bits - 1)) - 1


def multiply(a: Any, b: Any, bits: int = 32) -> Any:
    """SaturatingRoundingDoublingHighMul: the product's upper half, ties up. Its integer bits are the factors' added."""
    product = (np.asarray(a, np.int64) * b + (1 << (bits - 2))) >> (bits - 1)
    return np.minimum(product, largest(bits))


def multiply_by_pot(x: Any, exponent: Any, bits: int = 32) -> Any:
    """SaturatingRoundingMultiplyByPOT for exponents of 0 or more: ``x * 2**exponent``, saturated."""
    return np.clip(np.asarray(x, np.int64) << exponent, -largest(bits) - 1, largest(bits))


def rounding_half_sum(a: Any, b: Any) -> Any:
    """``(a + b) / 2``, ties away from zero."""
    total = np.asarray(a, np.int64) + b
    return (total + (total >= 0)) >> 1


def bit_length(x: Any) -> Any:
    """How many bits integers in [0, 2**53) need."""
    return np.frexp(np.asarray(x, np.float64))[1].astype(np.int64)


# ---- exp -------------------------------------------------------------------------------------------------------------


def _exp_of_last_quarter(a: Array, bits: int) -> Array:
    """exp(a) for a in [-1/4, 0) of format Q0: four terms of the Taylor series around -1/8."""
    third, around = raw(1 / 3, 0, bits), raw(math.exp(-1 / 8), 0, bits)
    x = a + raw(1 / 8, 0, bits)
    x2 = multiply(x, x, bits)
    x3, x4 = multiply(x2, x, bits), multiply(x2, x2, bits)
    cubic = multiply(rounding_divide_by_pot(x4, 2) + x3, third, bits)
    rest = rounding_divide_by_pot(cubic + x2, 1)
    return np.minimum(around + multiply(around, x + rest, bits), largest(bits))


def exp_on_negative_values(a: Any, integer_bits: int, bits: int = 32) -> Array:
    """exp(a) in Q0 for a <= 0 with ``integer_bits``: a Taylor series for ``a`` modulo 1/4, times exp(-2**k) for every
    bit k of the rest."""
    a = np.asarray(a, np.int64)
    fraction_bits = bits - 1 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (a & (quarter - 1)) - quarter
    result = _exp_of_last_quarter(multiply_by_pot(within, integer_bits, bits), bits)
    rest = within - a
    for k in range(-2, min(integer_bits, 5)):
        factor = raw(math.exp(-(2.0**k)), 0, bits)
        result = np.where(rest & (1 << (fraction_bits + k)), multiply(result, factor, bits), result)
    if integer_bits > 5:
        result = np.where(a < -(32 << fraction_bits), 0, result)
    return np.where(a == 0, largest(bits), result)


# ---- division --------------------------------------------------------------------------------------------------------


def _newton_raphson(a: Array, bits: int) -> Array:
    """2 / (1 + a) in Q2 for a in [0, 1] of format Q0: three steps from 48/17 - 32/17 * (1 + a) / 2."""
    half = rounding_half_sum(a, largest(bits))
    x = raw(48 / 17, 2, bits) + multiply(half, raw(-32 / 17, 2, bits), bits)
    for _ in range(3):
        missing = raw(1, 2, bits) - multiply(half, x, bits)
        x = x + multiply_by_pot(multiply(x, missing, bits), 2, bits)
    return x


def one_over_one_plus_x_for_x_in_0_1(a: Any, bits: int = 32) -> Array:
    """1 / (1 + a), all in Q0."""
    return multiply_by_pot(_newton_raphson(np.asarray(a, np.int64), bits), 1, bits)


def one_minus_x_over_one_plus_x_for_x_in_0_1(a: Any, bits: int = 32) -> Array:
    """(1 - a) / (1 + a), all in Q0."""
    return multiply_by_pot(_newton_raphson(np.asarray(a, np.int64), bits) - raw(1, 2, bits), 2, bits)


def reciprocal(x: Any, integer_bits: int) -> tuple[Array, Array]:
    """GetReciprocal: 1 / x of positive numbers with ``integer_bits``, as ``r * 2**-over``: r in Q0, and ``over``.

    gemmlowp's is of int32s; here larger sums have a reciprocal, too."""
    x = np.asarray(x, np.int64)
    headroom_plus_one = 32 - bit_length(x)
    above_one = (x << np.maximum(headroom_plus_one, 0) >> np.maximum(-headroom_plus_one, 0)) - (np.int64(1) << 31)
    return one_over_one_plus_x_for_x_in_0_1(above_one), integer_bits - headroom_plus_one


# ---- S-shaped functions ----------------------------------------------------------------------------------------------


def logistic(a: Any, integer_bits: int, bits: int = 16) -> Array:
    """1 / (1 + exp(-a)) in Q0 of numbers with ``integer_bits``."""
    a = np.asarray(a, np.int64)
    upper = one_over_one_plus_x_for_x_in_0_1(exp_on_negative_values(-np.abs(a), integer_bits, bits), bits)
    return np.where(a == 0, raw(0.5, 0, bits), np.where(a > 0, upper, largest(bits) - upper))


def tanh(a: Any, integer_bits: int, bits: int = 16) -> Array:
    """tanh(a) in Q0 of numbers with ``integer_bits``, from exp(-2 * abs(a))."""
    a = np.asarray(a, np.int64)
    exp = exp_on_negative_values(-np.abs(a), integer_bits + 1, bits)
    return np.sign(a) * one_minus_x_over_one_plus_x_for_x_in_0_1(exp, bits)


# ---- inverse square root ---------------------------------------------------------------------------------------------


def inverse_square_root(x: Any) -> Multiplier:
    """GetInvSqrtQuantizedMultiplierExp: 1 / sqrt(x) of int32 integers, as a multiplier. What is below 2 counts as 1.

    The exponent is 0 or less. Five Newton-Raphson steps in Q3 from 1, on ``x`` scaled into [1/2, 2) by a power of 4."""
    x = np.asarray(x, np.int64)
    scaled, right = np.where(x >= 1 << 29, x >> 2, x), np.where(x >= 1 << 29, 12, 11)
    pairs = (31 - bit_length(np.maximum(scaled, 2))) // 2 - 1
    scaled, right = np.maximum(scaled, 2) << (2 * pairs), right - pairs
    y = _inverse_square_root_q3(scaled >> 1)
    q = multiply(y, raw(math.sqrt(0.5))) << np.maximum(-right, 0)
    return Multiplier(np.where(x > 1, wrap32(q), largest(32)), np.where(x > 1, -np.maximum(right, 0), 0))


def _inverse_square_root_q3(x: Array) -> Array:
    half, y = rounding_divide_by_pot(x, 1), np.full_like(x, raw(1, 3))
    for _ in range(5):
        cube = multiply_by_pot(multiply(multiply(y, y), y), 6)
        y = multiply_by_pot(multiply(raw(1.5, 3), y) - multiply(half, cube), 3)
    return y


# ---- logarithm -------------------------------------------------------------------------------------------------------


def log_x_for_x_greater_than_or_equal_to_1(x: Any, input_integer_bits: int, output_integer_bits: int) -> Array:
    """log(x) of int32s with ``input_integer_bits`` and x >= 1, with ``output_integer_bits``.

    ``x = r * 2**k`` with ``r`` near 2**(-1/4); log(r) is a rational approximation there; ``k * log(2)`` is added."""
    r, power = _near_fourth_root_of_half(np.asarray(x, np.int64), input_integer_bits, output_integer_bits + 1)
    numerator, denominator = _log_fraction(r)
    scaled = rounding_divide_by_pot(numerator, output_integer_bits + 1)
    total = multiply(power, raw(math.log(2))) + multiply(scaled, one_over_one_plus_x_for_x_in_0_1(denominator))
    return multiply_by_pot(total, 1)


def _near_fourth_root_of_half(z: Array, integer_bits: int, accumulator_bits: int) -> tuple[Array, Array]:
    """r in Q0 and k with ``accumulator_bits``, such that ``z = r * 2**k``; two candidates, the smaller r."""
    root, quarter = raw(math.sqrt(0.5)), raw(1 / 4, accumulator_bits)

    def power(exponent: Array) -> Array:
        return multiply_by_pot(exponent, 31 - accumulator_bits)

    headroom_plus_one = 32 - bit_length(z)
    first = multiply_by_pot(multiply(multiply_by_pot(z, headroom_plus_one - 1), root), 1)
    headroom = 31 - bit_length(multiply(z, root))
    second = multiply_by_pot(z, headroom)
    k = np.maximum(power(integer_bits - headroom_plus_one) + quarter, power(integer_bits - headroom) - quarter)
    return np.minimum(first, second), k


def _log_fraction(r: Array) -> tuple[Array, Array]:
    """Numerator and (denominator - 1) of log(r / 2**(-1/4)), a Pade approximation in Q0."""
    root = 2.0**0.25
    p = rounding_half_sum(r, raw(1 / root))
    q = 2 * (r - raw(1 / root))
    square = multiply(q, q)
    numerator = multiply(q, r) + multiply(multiply(q, square), raw(11 / 240 * root))
    inner = raw(2 / root - root) + q + multiply(raw(root / 20), square)
    return numerator, multiply(p, inner) + multiply(raw(root / 4), q)
