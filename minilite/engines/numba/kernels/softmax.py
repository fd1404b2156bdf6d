"""SOFTMAX along the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.functions import FLOATS, exp, fast_exp
from minilite.engines.numba.kernels.scalars import INT32_MAX, divide_by_pot, high_product, times_pot
from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    constant,
    get_f32,
    get_i8,
    get_i64,
    lanes_below,
    least,
    load,
    masked_store,
    put_f32,
    put_u8,
    splat,
    store,
    sum_of_lanes,
)

# ---- float32 ---------------------------------------------------------------------------------------------------------


@intrinsic
def _exponentials(typing: Any, source: Any, target: Any, count: Any, largest: Any, beta: Any) -> Any:
    """``exp((x - largest) * beta)`` of floats, up to 15 too many."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        source, target, count, largest, beta = arguments
        largest, beta = splat(builder, largest), splat(builder, beta)
        with cgutils.for_range(builder, builder.ashr(builder.add(count, constant(I64, 15)), constant(I64, 4))) as loop:
            offset = builder.mul(loop.index, constant(I64, 4 * LANES))
            x = load(builder, FLOATS, builder.add(source, offset))
            y = exp(builder, builder.fmul(builder.fsub(x, largest), beta))
            store(builder, y, builder.add(target, offset))
        return context.get_dummy_value()

    return types.void(INT64, INT64, INT64, types.float32, types.float32), generate


@intrinsic
def _to_float(typing: Any, x: Any) -> Any:
    """An int64, or a float64, as float32."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        return builder.sitofp(arguments[0], F32)

    return types.float32(INT64), generate


def _float() -> Callable[[int, int, int, int], None]:
    """Its row: input, output (addresses); elements of a row; the address of beta, float32. A unit is a row."""

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target, count = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        beta = get_f32(get_i64(row + 24))
        lowest = get_f32(get_i64(row + 24) + 4)
        for unit in range(first, last):
            x, y = source + unit * count * 4, target + unit * count * 4
            largest = lowest
            for i in range(count):
                value = get_f32(x + 4 * i)
                if largest < value:
                    largest = value
            _exponentials(x, scratch, count, largest, beta)
            total = get_f32(scratch)
            for i in range(1, count):
                total += get_f32(scratch + 4 * i)
            for i in range(count):
                put_f32(y + 4 * i, get_f32(scratch + 4 * i) / total)

    return softmax


# ---- float32 that is added in any order ------------------------------------------------------------------------------


@intrinsic
def _fast_row(typing: Any, source: Any, target: Any, count: Any, constants: Any) -> Any:
    """A row, 16 elements at a time; ``constants`` is the address of beta and, 8 bytes behind it, of what elements are
    multiplied with before all else."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        source, target, count, constants = arguments
        beta, scale = (splat(builder, load(builder, F32, constants, offset)) for offset in (0, 8))
        lowest, none = constant(FLOATS, -float("inf")), constant(FLOATS, 0.0)
        whole = builder.ashr(count, constant(I64, 4))
        rest = builder.sub(count, builder.mul(whole, constant(I64, LANES)))

        def each(body: Callable[[Value, Value, Value | None], Value], start: Value) -> Value:
            """Over vectors: what there was so far, the vector's offset, and its lanes if not all count."""
            place = cgutils.alloca_once_value(builder, start)
            builder.store(start, place)
            with cgutils.for_range(builder, whole, intp=I64) as loop:
                offset = builder.mul(loop.index, constant(I64, 4 * LANES))
                builder.store(body(builder.load(place), offset, None), place)
            with builder.if_then(builder.icmp_signed(">", rest, constant(I64, 0))):
                offset = builder.mul(whole, constant(I64, 4 * LANES))
                builder.store(body(builder.load(place), offset, lanes_below(builder, rest)), place)
            return builder.load(place)

        def put(value: Value, offset: Value, lanes: Value | None) -> None:
            address = builder.add(target, offset)
            store(builder, value, address) if lanes is None else masked_store(builder, value, address, lanes)

        def only(lanes: Value | None, value: Value, otherwise: Value) -> Value:
            return value if lanes is None else builder.select(lanes, value, otherwise)

        def scaled(offset: Value) -> Value:
            return builder.fmul(load(builder, FLOATS, builder.add(source, offset)), scale)

        def largest(so_far: Value, offset: Value, lanes: Value | None) -> Value:
            x = scaled(offset)
            return least(builder, so_far, only(lanes, x, lowest), most=True)

        top = splat(builder, call(builder, "llvm.vector.reduce.fmax.v16f32", F32, each(largest, lowest)))

        def exponentials(total: Value, offset: Value, lanes: Value | None) -> Value:
            y = fast_exp(builder, builder.fmul(builder.fsub(scaled(offset), top), beta))
            put(y, offset, lanes)
            return builder.fadd(total, only(lanes, y, none))

        total = each(exponentials, none)
        factor = splat(builder, builder.fdiv(constant(F32, 1.0), sum_of_lanes(builder, total)))

        def divided(unused: Value, offset: Value, lanes: Value | None) -> Value:
            put(builder.fmul(load(builder, FLOATS, builder.add(target, offset)), factor), offset, lanes)
            return unused

        each(divided, factor)
        return context.get_dummy_value()

    return types.void(*[INT64] * 4), generate


def _fast() -> Callable[[int, int, int, int], None]:
    """The row of :func:`_float`."""

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target, count, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        for unit in range(first, last):
            _fast_row(source + unit * count * 4, target + unit * count * 4, count, constants)

    return softmax


# ---- int8 ------------------------------------------------------------------------------------------------------------


@intrinsic
def _steps(typing: Any, probability: Any) -> Any:
    """A float32 of 0 or more, rounded half up to an int64 that fits an int32."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        wide = builder.fadd(builder.fpext(arguments[0], F64), constant(F64, 0.5))
        most = constant(F64, 2.0**31 - 1)
        fits = builder.fcmp_ordered("<", wide, most)
        return builder.sext(builder.fptosi(builder.select(fits, wide, most), I32), I64)

    return types.int64(types.float32), generate


@register_jitable
def _largest(x: int, count: int) -> int:
    largest = -128
    for i in range(count):
        largest = max(largest, get_i8(x + i))
    return largest


def _table() -> Callable[[int, int, int, int], None]:
    """Its row: input, output, table of 256 exponentials, the output's scale (addresses); elements of a row. A unit is a
    row. ``round(exp / (sum * scale)) - 128``, the quotient by a reciprocal, all in float32."""

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target, table = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        scale, count = get_f32(get_i64(row + 24)), get_i64(row + 32)
        for unit in range(first, last):
            x, y = source + unit * count, target + unit * count
            largest = _largest(x, count)
            total = _to_float(0)
            for i in range(count):
                total += get_f32(table + 4 * (largest - get_i8(x + i)))
            factor = _to_float(1) / (total * scale)
            for i in range(count):
                steps = _steps(get_f32(table + 4 * (largest - get_i8(x + i))) * factor)
                put_u8(y + i, min(steps - 128, 127))

    return softmax


@register_jitable
def _reciprocal(a: int) -> int:
    """``1 / (1 + a)`` of a in [0, 1), both in 31 bits: gemmlowp's three steps of Newton and Raphson."""
    total = a + INT32_MAX
    half = (total + 1) >> 1
    x = 1515870810 + high_product(half, -1010580540)
    for _ in range(3):
        x += times_pot(high_product(x, (1 << 29) - high_product(half, x)), 2)
    return min(max(x << 1, -INT32_MAX - 1), INT32_MAX)


def _gemmlowp() -> Callable[[int, int, int, int], None]:
    """Its row: input, output, table of 256 exponentials in 31 bits, int64, and the same in 19 bits (addresses);
    elements of a row. A unit is a row."""

    def softmax(row: int, first: int, last: int, scratch: int) -> None:
        source, target = get_i64(row), get_i64(row + 8)
        exponentials, terms, count = get_i64(row + 16), get_i64(row + 24), get_i64(row + 32)
        for unit in range(first, last):
            x, y = source + unit * count, target + unit * count
            largest = _largest(x, count)
            total = 0
            for i in range(count):
                total += get_i64(terms + 8 * (largest - get_i8(x + i)))
            length = 0
            while total >> length != 0:
                length += 1
            up = 32 - length
            above_one = (total << up if up > 0 else total >> -up) - (1 << 31)
            factor = _reciprocal(above_one)
            shift = 12 - up + 31 - 8
            for i in range(count):
                product = high_product(factor, get_i64(exponentials + 8 * (largest - get_i8(x + i))))
                put_u8(y + i, min(divide_by_pot(product, shift) - 128, 127))

    return softmax


def kernel(kind: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``float32`` or ``fast``, or of int8 ``table`` or ``gemmlowp``."""
    return {"float32": _float, "fast": _fast, "table": _table, "gemmlowp": _gemmlowp}[kind]()
