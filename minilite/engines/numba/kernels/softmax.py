"""SOFTMAX of floats along the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.functions import FLOATS, exp, fast_exp
from minilite.engines.numba.kernels.vectors import (
    F32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    constant,
    get_f32,
    get_i64,
    lanes_below,
    least,
    load,
    masked_store,
    put_f32,
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


def kernel(kind: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``float32`` or ``fast``."""
    return {"float32": _float, "fast": _fast}[kind]()
