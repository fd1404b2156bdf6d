"""The roundings against their published formulas, in exact integers and fractions, value by value."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from minilite.errors import OperatorError
from minilite.fixed_point import (
    ROUNDINGS,
    Multiplier,
    Requantizer,
    activation_range,
    multiply_double_rounding,
    multiply_half_up,
    multiply_int64,
    round_half_away,
    rounding_divide_by_any_pot,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    xnnpack_activation_range,
)
from minilite.spec import INTEGER_RANGE, TensorInfo

int32 = st.integers(-(2**31), 2**31 - 1)
multipliers = st.floats(2.0**-31, 2.0**10, exclude_min=True) | st.sampled_from([2.0**-k for k in range(31)])


def half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


@given(int32, int32)
@example(3 << 15, 5 << 15)  # ties
@example(-3 << 15, 5 << 15)
@example(-(2**31), -(2**31))
def test_high_product_is_the_rounded_double_product(a: int, b: int) -> None:
    expected = min(half_up(Fraction(2 * a * b, 2**32)), 2**31 - 1)
    assert saturating_rounding_doubling_high_mul(a, b) == expected


@given(int32, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_ties_away_from_zero(x: int, exponent: int) -> None:
    assert rounding_divide_by_pot(x, exponent) == half_away(Fraction(x, 2**exponent))


def in_registers(x: int, exponent: int, bits: int) -> int:
    """gemmlowp's lines on a processor that takes shift counts modulo the register's size, bit by bit."""

    def signed(value: int, width: int) -> int:
        value &= (1 << width) - 1
        return value - (1 << width) if value >> (width - 1) else value

    mask = signed((1 << (exponent % 64)) - 1, bits)
    remainder, threshold = x & mask, (mask >> 1) + (x < 0)
    return (x >> (exponent % 32)) + (remainder > threshold)


@given(int32, st.integers(-64, 127))
@example(0, 32)
def test_division_by_any_power_of_two_is_what_registers_make_of_it(x: int, exponent: int) -> None:
    assert rounding_divide_by_any_pot(x, exponent) == in_registers(x, exponent, 32)
    short = x >> 16
    assert rounding_divide_by_any_pot(short, exponent, 16) == in_registers(short, exponent, 16)
    if 0 <= exponent <= 31:
        assert rounding_divide_by_any_pot(x, exponent) == rounding_divide_by_pot(x, exponent)


@given(multipliers)
def test_a_multiplier_is_as_near_as_31_bits_allow(real: float) -> None:
    m = Multiplier.of(real)
    assert 2**30 <= m.q < 2**31
    assert abs(Fraction(int(m.q)) * Fraction(2) ** (int(m.e) - 31) - Fraction(real)) <= Fraction(real) / 2**31


@pytest.mark.parametrize("real", [0.0, 2.0**-33, 1e-300])
def test_multipliers_below_the_smallest_are_zero(real: float) -> None:
    m = Multiplier.of(real)
    assert (m.q, m.e) == (0, 0)


@given(int32, multipliers)
def test_two_roundings(x: int, real: float) -> None:
    m = Multiplier.of(real)
    q, e = int(m.q), int(m.e)
    assume(abs(x) << max(e, 0) < 2**31)
    high = half_up(Fraction((x << max(e, 0)) * q, 2**31))
    assert multiply_double_rounding(x, m) == half_away(Fraction(high, 2 ** max(-e, 0)))
    assert multiply_half_up(x, m) == half_up(Fraction(high, 2 ** max(-e, 0)))


@given(st.integers(-(2**40), 2**40), st.floats(2.0**-30, 2.0**-12))
def test_one_rounding_of_a_wide_product(x: int, real: float) -> None:
    m = Multiplier.of(real)
    reduced = min(half_up(Fraction(int(m.q), 2**16)), 2**15 - 1)
    expected = half_up(Fraction(x * reduced) * Fraction(2) ** (int(m.e) - 15))
    assume(abs(expected) < 2**31)
    assert multiply_int64(x, m) == expected


@given(st.floats(-(2.0**30), 2.0**30, width=32))
def test_ties_away_from_zero_in_any_precision(x: float) -> None:
    for dtype in (np.float32, np.float64):
        assert round_half_away(dtype(x)) == half_away(Fraction(x))


def test_roundings_differ_on_ties_as_their_names_say() -> None:
    ties = np.array([[-6, -2, 2, 6]] * 20)
    of = {name: rounding(ties, 0.25)[-1].tolist() for name, rounding in ROUNDINGS.items()}
    assert of["double rounding"] == of["float64"] == [-2, -1, 1, 2]
    assert of["half up"] == of["half up by sixteens"] == of["int64"] == [-1, 0, 1, 2]
    assert of["half up by eights"] == [-2, -1, 1, 2]  # four channels do not fill a vector
    assert of["float32"] == [-2, 0, 0, 2]


def test_vectors_are_counted_over_the_whole_output() -> None:
    """8 of 11 channels, and 32 of 44 elements: what is left over is rounded another way."""
    ties = np.full((4, 11), -2)
    by_eights = ROUNDINGS["half up by eights"](ties, np.full(11, 0.25))
    assert (by_eights == np.where(np.arange(11) < 8, 0, -1)).all()
    by_sixteens = ROUNDINGS["half up by sixteens"](ties, 0.25)
    assert by_sixteens.reshape(-1).tolist() == [0] * 32 + [-1] * 12


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_blocks_do_not_show(rounding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    acc = np.random.default_rng(0).integers(-(2**13), 2**13, (3, 5, 7, 19)) * 8 + 4
    real = np.linspace(0.001, 0.5, 19) if rounding != "half up by sixteens" else 0.125
    requantize = Requantizer(rounding, real, 3, *INTEGER_RANGE["int16"], "int16")
    whole = requantize(acc)
    monkeypatch.setattr("minilite.fixed_point.BLOCK", 1)
    assert np.array_equal(requantize(acc), whole)


def tensor(scale: float, zero_point: int) -> TensorInfo:
    return TensorInfo(0, "y", "int8", (1,), np.array([scale], np.float32), np.array([zero_point]))


def test_activation_bounds_in_steps() -> None:
    output = tensor(0.05, -28)
    assert activation_range("NONE", output) == (-128, 127)
    assert activation_range("RELU", output) == (-28, 127)
    assert activation_range("RELU6", output) == (-28, 92)
    assert activation_range("RELU_N1_TO_1", output) == (-48, -8)
    assert activation_range("RELU6", tensor(0.001, 0)) == (0, 127)


def test_xnnpack_rounds_bounds_to_even() -> None:
    assert activation_range("RELU_N1_TO_1", tensor(0.4, 0)) == (-3, 3)
    assert xnnpack_activation_range("RELU_N1_TO_1", tensor(0.4, 0)) == (-2, 2)


def test_a_bound_beyond_int32_is_an_error() -> None:
    with pytest.raises(OperatorError, match=r"tensor 0 'y'.*scale"):
        activation_range("RELU6", tensor(1e-10, 0))
