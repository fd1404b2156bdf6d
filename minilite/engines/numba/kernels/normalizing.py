"""Layer normalization of an int8 LSTM's gates in fixed point; :mod:`minilite.ops.lstm_integer` has the formula."""

from __future__ import annotations

from numba.extending import register_jitable

from minilite.engines.numba.kernels.scalars import (
    INT32_MAX,
    divide_by_pot,
    high_product,
    saturated,
    scaled,
    times_pot,
)
from minilite.engines.numba.kernels.vectors import get_i32, get_i64, put_i32, quotient

ONE_AND_A_HALF, HALF_ROOT = 3 << 27, 1518500250
"""1.5 with 3 integer bits, and the square root of 1/2 with none."""


@register_jitable
def _inverse_root_q3(x: int) -> int:
    """Five steps of Newton and Raphson from 1, all with 3 integer bits."""
    half, y = divide_by_pot(x, 1), 1 << 28
    for _ in range(5):
        cube = times_pot(high_product(high_product(y, y), y), 6)
        y = times_pot(high_product(ONE_AND_A_HALF, y) - high_product(half, cube), 3)
    return y


@register_jitable
def _over_root(x: int, variance: int) -> int:
    """``x / sqrt(variance)`` of a variance of 1 or more, rounded twice."""
    if variance < 2:
        return high_product(x, INT32_MAX)
    right = 11
    if variance >= 1 << 29:
        variance >>= 2
        right = 12
    bits = 0
    while variance >> bits != 0:
        bits += 1
    pairs = ((31 - bits) >> 1) - 1
    right -= pairs
    q = high_product(_inverse_root_q3((variance << 2 * pairs) >> 1), HALF_ROOT)
    if right < 0:
        q = wrapped(q << -right)
        right = 0
    return divide_by_pot(high_product(x, q), right)


@register_jitable
def wrapped(x: int) -> int:
    """The low 32 bits, signed."""
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


@register_jitable
def place(sums: int, gate: int, cell: int) -> int:
    """Where a gate's sum is: 16 cells of four gates lie beside each other."""
    return sums + 256 * (cell >> 4) + 64 * gate + 4 * (cell & 15)


@register_jitable
def normalize(sums: int, gate: int, cells: int, weights: int, biases: int, numbers: int) -> None:
    """A gate's sums, replaced. ``weights`` and ``biases`` are addresses of int64; ``numbers`` that of what a variance
    below 1 becomes, and of the multiplier to the result."""
    total, squares = 0, 0
    for cell in range(cells):
        x = get_i32(place(sums, gate, cell))
        total += x
        squares += x * x
    mean = quotient(total * 1024, cells)
    variance = quotient(squares * quotient(1 << 20, cells) - mean * mean, 1 << 20)
    if variance < 1:
        variance = get_i64(numbers)
    for cell in range(cells):
        centred = _over_root(1024 * get_i32(place(sums, gate, cell)) - mean, variance)
        x = wrapped(centred * get_i64(weights + 8 * cell) + get_i64(biases + 8 * cell))
        rounded = quotient(x + (512 if x > 0 else -512), 1024)
        put_i32(place(sums, gate, cell), saturated(scaled(rounded, numbers + 8), -32768, 32767))
