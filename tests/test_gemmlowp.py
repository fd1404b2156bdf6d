"""gemmlowp's fixed-point functions against the functions they stand for, and their arithmetic against exact fractions.

How close they must be was measured over the whole range of 16 bits and millions of 32-bit arguments. Some answers of
the originals stand at the end.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minilite import gemmlowp

int32 = st.integers(-(2**31), 2**31 - 1)
RANDOM = np.random.default_rng(7)


def spread(low: int, high: int, count: int = 20_000) -> np.ndarray:
    """Numbers all over a range, and of every magnitude."""
    even = RANDOM.integers(low, high, count, endpoint=True)
    magnitudes = np.clip(np.sign(low + high) * 2.0 ** RANDOM.uniform(0, 31, count), low, high).astype(np.int64)
    return np.concatenate([even, magnitudes, [low, high]])


def real(raw: np.ndarray, integer_bits: int = 0, bits: int = 32) -> np.ndarray:
    return raw / 2.0 ** (bits - 1 - integer_bits)


@given(int32, int32, st.sampled_from([16, 32]))
@example(-(2**31), -(2**31), 32)
@example(-(2**15), -(2**15), 16)
def test_products_keep_the_upper_half(a: int, b: int, bits: int) -> None:
    a, b = a >> (32 - bits), b >> (32 - bits)
    exact = floor(Fraction(a * b, 2 ** (bits - 1)) + Fraction(1, 2))
    assert gemmlowp.multiply(a, b, bits) == min(exact, 2 ** (bits - 1) - 1)


@given(int32, int32)
def test_half_sums_round_away_from_zero(a: int, b: int) -> None:
    half = abs(Fraction(a + b, 2))
    assert gemmlowp.rounding_half_sum(a, b) == floor(half + Fraction(1, 2)) * (1 if a + b > 0 else -1)


@given(int32, st.integers(0, 31))
def test_powers_of_two_saturate(x: int, exponent: int) -> None:
    assert gemmlowp.multiply_by_pot(x, exponent) == min(max(x << exponent, -(2**31)), 2**31 - 1)


@given(st.integers(0, 2**53 - 1))
@example(2**31 - 1)
@example(2**52)
def test_bit_length(x: int) -> None:
    assert gemmlowp.bit_length(x) == x.bit_length()


@pytest.mark.parametrize("integer_bits, bits, close", [(5, 32, 500), (8, 32, 500), (4, 16, 2), (3, 16, 2)])
def test_exp(integer_bits: int, bits: int, close: int) -> None:
    a = np.arange(-(2**15), 1) if bits == 16 else spread(-(2**31), 0)
    found = gemmlowp.exp_on_negative_values(a, integer_bits, bits)
    assert np.abs(real(found, 0, bits) - np.exp(real(a, integer_bits, bits))).max() * 2 ** (bits - 1) <= close


@pytest.mark.parametrize("bits, close", [(32, 7), (16, 6)])
def test_division(bits: int, close: int) -> None:
    a = np.arange(2**15) if bits == 16 else spread(0, 2**31 - 1)
    x = real(a, 0, bits)
    found = gemmlowp.one_over_one_plus_x_for_x_in_0_1(a, bits)
    assert np.abs(real(found, 0, bits) - 1 / (1 + x)).max() * 2 ** (bits - 1) <= close
    found = gemmlowp.one_minus_x_over_one_plus_x_for_x_in_0_1(a, bits)
    assert np.abs(real(found, 0, bits) - (1 - x) / (1 + x)).max() * 2 ** (bits - 1) <= 2 * close


def test_logistic_and_tanh() -> None:
    a = np.arange(-(2**15), 2**15)
    x = real(a, 3, 16)
    assert np.abs(real(gemmlowp.logistic(a, 3), 0, 16) - 1 / (1 + np.exp(-x))).max() * 2**15 <= 7
    assert np.abs(real(gemmlowp.tanh(a, 3), 0, 16) - np.tanh(x)).max() * 2**15 <= 12


def test_reciprocal() -> None:
    x = np.concatenate([spread(1, 2**31 - 1), 2**31 + spread(1, 2**40)])  # sums that no longer fit int32, too
    found, over = gemmlowp.reciprocal(x, 12)
    assert np.abs(real(found) * 2.0**-over * real(x, 12) - 1).max() <= 6e-9


def test_inverse_square_root() -> None:
    x = spread(2, 2**31 - 1)
    m = gemmlowp.inverse_square_root(x)
    assert (m.e <= 0).all()
    assert np.abs(m.q * 2.0 ** (m.e - 31.0) * np.sqrt(x) - 1).max() <= 1.3e-6
    assert gemmlowp.inverse_square_root(np.array([-5, 0, 1])).q.tolist() == [2**31 - 1] * 3


def test_logarithm() -> None:
    x = spread(2**19, 2**31 - 1)
    found = gemmlowp.log_x_for_x_greater_than_or_equal_to_1(x, 12, 5)
    assert np.abs(real(found, 5) - np.log(real(x, 12))).max() <= 5e-8


# ---- bit for bit -----------------------------------------------------------------------------------------------------

GEMMLOWP = {
    "exp, 5 integer bits": (
        lambda a: gemmlowp.exp_on_negative_values(a, 5),
        [0, -1, -339477, -834997, -994105, -23572676, -59215792, -1124583234, -2147483647],
        [2147483647, 2147483124, 2136647414, 2120928996, 2115906484, 1511400215, 888618472, 113, 0],
    ),
    "exp, 8 integer bits": (
        lambda a: gemmlowp.exp_on_negative_values(a, 8),
        [0, -1, -339477, -834997, -994105, -23572676, -59215792, -1124583234],
        [2147483647, 2147482900, 2062312477, 1944018770, 1907493754, 129278640, 1845923, 0],
    ),
    "exp, 16 bits": (
        lambda a: gemmlowp.exp_on_negative_values(a, 4, 16),
        [-4775, -12091, -16757, -20377, -24721],
        [3184, 89, 9, 2, 0],
    ),
    "1 / (1 + x)": (
        gemmlowp.one_over_one_plus_x_for_x_in_0_1,
        [0, 2147483647, 952911210, 1423444401, 2135758729, 591221179, 1837640959, 296284180],
        [2147483647, 1073741820, 1487451188, 1291453076, 1076681078, 1683893046, 1157225048, 1887121174],
    ),
    "logistic, 16 bits": (
        lambda a: gemmlowp.logistic(a, 3),
        [-32768, -1, 0, 1, 32767, -8076, 5452, -1312, 396, 14121, 10136],
        [11, 16383, 16384, 16384, 32756, 4001, 25918, 13785, 17178, 31758, 30222],
    ),
    "tanh, 16 bits": (
        lambda a: gemmlowp.tanh(a, 3),
        [-32768, -1, 0, 1, 32767, 11575, 11542, -8757, -7092, -4599, 1290],
        [-32767, -8, 0, 8, 32767, 32532, 32532, -31876, -30780, -26496, 9988],
    ),
    "log": (
        lambda a: gemmlowp.log_x_for_x_greater_than_or_equal_to_1(a, 12, 5),
        [524288, 2147483647, 9902066, 71882818, 3711612, 414395244, 712345855, 1530016],
        [0, 558195838, 197196548, 330226038, 131344154, 447786200, 484141978, 71873078],
    ),
    "1 / x": (
        lambda a: gemmlowp.reciprocal(a, 12)[0],
        [524288, 2147483647, 3433, 472202511, 534904, 8789, 18494712, 19437],
        [2147483647, 1073741820, 1281108796, 1220791378, 2104863500, 2001614068, 1948059372, 1810175030],
    ),
    "1 / x, bits over the unit": (
        lambda a: gemmlowp.reciprocal(a, 12)[1],
        [524288, 2147483647, 3433, 472202511, 534904, 8789, 18494712, 19437],
        [0, 11, -8, 9, 0, -6, 5, -5],
    ),
    "1 / sqrt(x)": (
        lambda a: gemmlowp.inverse_square_root(a).q,
        [0, 1, 2, 3, 4, 2147483647, 314, 7, 226, 4172],
        [
            2147483647,
            2147483647,
            1518498372,
            1239850284,
            1073741828,
            189812531,
            242379030,
            811672556,
            285696974,
            265979217,
        ],
    ),
    "1 / sqrt(x), exponent": (
        lambda a: gemmlowp.inverse_square_root(a).e,
        [0, 1, 2, 3, 4, 2147483647, 314, 7, 226, 4172],
        [0, 0, 0, 0, 0, -12, -1, 0, -1, -3],
    ),
}
"""Function, arguments, and what gemmlowp's (TensorFlow Lite's) own C++ answers, compiled with GCC."""


@pytest.mark.parametrize("name", GEMMLOWP)
def test_equal_to_the_originals(name: str) -> None:
    function, arguments, answers = GEMMLOWP[name]
    assert function(np.array(arguments)).tolist() == answers
