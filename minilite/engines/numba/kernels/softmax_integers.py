"""SOFTMAX of integers along the last axis: exponentials by how far numbers are below their row's largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.scalars import INT32_MAX, divide_by_pot, high_product, saturated, times_pot
from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I32,
    I64,
    INT64,
    Builder,
    Value,
    constant,
    get_f32,
    get_i8,
    get_i16,
    get_i64,
    get_u8,
    put_i16,
    put_u8,
)

READERS = {"int8": (get_i8, 1), "uint8": (get_u8, 1), "int16": (get_i16, 2)}
WRITERS = {"int8": (put_u8, 1), "uint8": (put_u8, 1), "int16": (put_i16, 2)}
"""What reads and writes a number of a type, and its bytes."""


def _largest(get: Any, size: int) -> Any:
    """``largest(row, count)``."""

    @register_jitable
    def largest(x: int, count: int) -> int:
        found = get(x)
        for i in range(1, count):
            found = max(found, get(x + i * size))
        return found

    return largest


# ---- a table of floats -----------------------------------------------------------------------------------------------


@intrinsic
def _to_float(typing: Any, x: Any) -> Any:
    """An int64 as float32."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        return builder.sitofp(arguments[0], F32)

    return types.float32(INT64), generate


def _steps(real: Any) -> Any:
    """``steps(probability)``: of a float32 in [0, 2**31) the whole part of its sum with 1/2 in a type of float. In
    float64, in which the sum is exact, that rounds."""

    @intrinsic
    def steps(typing: Any, probability: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            x = arguments[0] if real == F32 else builder.fpext(arguments[0], real)
            return builder.sext(builder.fptosi(builder.fadd(x, constant(real, 0.5)), I32), I64)

        return types.int64(types.float32), generate

    return steps


def _table(source: str, target: str) -> Callable[[int, int, int, int], None]:
    """Its row: input, output, table of 256 exponentials, the output's scale (addresses); elements of a row; the
    output's zero point, lowest and highest. A unit is a row. ``round(exp / (sum * scale)) + zero_point``, the quotient
    by a reciprocal, all in float32."""
    (get, size), (put, size_out), steps = READERS[source], WRITERS[target], _steps(F32 if target == "uint8" else F64)
    largest_of = _largest(get, size)

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target, table = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        scale, count = get_f32(get_i64(row + 24)), get_i64(row + 32)
        zero_point, low, high = get_i64(row + 40), get_i64(row + 48), get_i64(row + 56)
        for unit in range(first, last):
            x, y = source + unit * count * size, target + unit * count * size_out
            largest = largest_of(x, count)
            total = _to_float(0)
            for i in range(count):
                total += get_f32(table + 4 * (largest - get(x + i * size)))
            factor = _to_float(1) / (total * scale)
            for i in range(count):
                found = steps(get_f32(table + 4 * (largest - get(x + i * size))) * factor)
                put(y + i * size_out, saturated(found + zero_point, low, high))

    return softmax


# ---- gemmlowp's fixed point ------------------------------------------------------------------------------------------


@register_jitable
def _length(total: int) -> int:
    """How many bits a number needs."""
    length = 0
    while total >> length != 0:
        length += 1
    return length


@register_jitable
def _reciprocal(a: int) -> int:
    """``1 / (1 + a)`` of a in [0, 1), both in 31 bits: gemmlowp's three steps of Newton and Raphson."""
    total = a + INT32_MAX
    half = (total + 1) >> 1
    x = 1515870810 + high_product(half, -1010580540)
    for _ in range(3):
        x += times_pot(high_product(x, (1 << 29) - high_product(half, x)), 2)
    return min(max(x << 1, -INT32_MAX - 1), INT32_MAX)


def _gemmlowp(source: str, target: str) -> Callable[[int, int, int, int], None]:
    """Its row: input, output, table of 256 exponentials in 31 bits, int64, and the same in 19 bits (addresses);
    elements of a row; the output's lowest and highest. A unit is a row."""
    (get, size), (put, size_out) = READERS[source], WRITERS[target]
    largest_of, bits = _largest(get, size), 8 * size_out

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target = get_i64(row), get_i64(row + 8)
        exponentials, terms, count = get_i64(row + 16), get_i64(row + 24), get_i64(row + 32)
        low, high = get_i64(row + 40), get_i64(row + 48)
        for unit in range(first, last):
            x, y = source + unit * count * size, target + unit * count * size_out
            largest = largest_of(x, count)
            total = 0
            for i in range(count):
                total += get_i64(terms + 8 * (largest - get(x + i * size)))
            up = 32 - _length(total)
            above_one = (total << up if up > 0 else total >> -up) - (1 << 31)
            factor = _reciprocal(above_one)
            shift = 12 - up + 31 - bits
            for i in range(count):
                product = high_product(factor, get_i64(exponentials + 8 * (largest - get(x + i * size))))
                put(y + i * size_out, min(divide_by_pot(product, shift) + low, high))

    return softmax


# ---- 16 bits ---------------------------------------------------------------------------------------------------------


def _sixteen() -> Callable[[int, int, int, int], None]:
    """Its row: input, output, tables of 65,536 exponentials, by how far numbers are below the largest, and of as many
    ``1 / (1 + x)``, by ``2**16 * x - 2**15`` (addresses of int16); elements of a row. A unit is a row."""
    largest_of = _largest(get_i16, 2)

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target, exponentials = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        reciprocals, count = get_i64(row + 24), get_i64(row + 32)
        for unit in range(first, last):
            x, y = source + unit * count * 2, target + unit * count * 2
            largest = largest_of(x, count)
            total = 0
            for i in range(count):
                total += get_i16(exponentials + 2 * (largest - get_i16(x + 2 * i)))
            length = _length(total)
            above_one = (((total << (31 - length)) + (1 << 13)) >> 14) - (1 << 16)  # 16 bits after the point
            factor = get_i16(reciprocals + 2 * min(above_one, (1 << 16) - 1))
            right = length - 1
            for i in range(count):
                product = get_i16(exponentials + 2 * (largest - get_i16(x + 2 * i))) * factor
                put_i16(y + 2 * i, saturated((product + (1 << (right - 1))) >> right, 0, 32767))

    return softmax


def kernel(kind: str, source: str, target: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind, ``table``, ``gemmlowp`` or, of int16 alone, ``sixteen``, and two types."""
    return _sixteen() if kind == "sixteen" else {"table": _table, "gemmlowp": _gemmlowp}[kind](source, target)
