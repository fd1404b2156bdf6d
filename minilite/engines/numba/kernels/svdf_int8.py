"""SVDF of int8 activations, whose state and weights over time are int16, or int8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.lstm_int8 import BLOCK, rounded
from minilite.engines.numba.kernels.normalizing import wrapped
from minilite.engines.numba.kernels.rows import copy
from minilite.engines.numba.kernels.scalars import saturated, scaled
from minilite.engines.numba.kernels.svdf import forget
from minilite.engines.numba.kernels.vectors import (
    I8,
    I16,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    constant,
    get_i32,
    get_i64,
    load,
    put_i16,
    put_u8,
    store,
    sum_of_lanes,
    vector,
)

# The row. Addresses: input, output, state; weights and channels of the features; weights over time, whole vectors for
# each filter; biases, int64, less what the state's zero point adds; multiplier of the output. Then terms, filters,
# entries of a filter, filters of an output, outputs; the ends of a new entry and what is added to it; the output's zero
# point.
X, OUT, STATE, WEIGHTS, TABLE, TIMES, BIASES, TO_OUTPUT = range(0, 64, 8)
TERMS, FILTERS, MEMORY, RANK, UNITS, LOW, HIGH, STATE_ZERO, ZERO = range(64, 136, 8)


def _features(dot: str) -> Any:
    """``features(out, x, steps, weights, table)``: new entries of 64 filters, int32, not clipped yet."""

    @intrinsic
    def features(typing: Any, out: Any, x: Any, steps: Any, weights: Any, table: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            out, *given = arguments
            for i, acc in enumerate(rounded(builder, dot, *given)):
                store(builder, acc, out, 64 * i)
            return context.get_dummy_value()

        return types.void(*[INT64] * 5), generate

    return features


def _sum_over_time(size: int) -> Any:
    """``sum_over_time(entries, weights, count)``: of so many bytes each, modulo 2**32. Behind ``count`` weights are
    zeros."""
    type_ = vector({1: I8, 2: I16}[size])

    @intrinsic
    def sum_over_time(typing: Any, entries: Any, weights: Any, count: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            entries, weights, count = arguments
            place = cgutils.alloca_once_value(builder, constant(vector(I32), 0))
            vectors = builder.ashr(builder.add(count, constant(I64, LANES - 1)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                offset = builder.mul(loop.index, constant(I64, LANES * size))
                a, b = (
                    builder.sext(load(builder, type_, builder.add(x, offset)), vector(I32)) for x in (entries, weights)
                )
                builder.store(builder.add(builder.load(place), builder.mul(a, b)), place)
            return builder.sext(sum_of_lanes(builder, builder.load(place)), I64)

        return types.int64(*[INT64] * 3), generate

    return sum_over_time


def kernel(dot: str, state_type: str) -> Callable[[int, int, int, int], None]:
    """A unit is a row of the batch. Scratch memory has features of whole panels, then the input and 64 bytes more."""
    size = {"int8": 1, "int16": 2}[state_type]
    features_of, sum_over_time, put = _features(dot), _sum_over_time(size), {1: put_u8, 2: put_i16}[size]

    @register_jitable
    def remember(row: int, state: int, features: int) -> None:
        memory, filters, zero = get_i64(row + MEMORY), get_i64(row + FILTERS), get_i64(row + STATE_ZERO)
        forget(state, size * (memory * filters - 1), size)
        for i in range(filters):
            new = saturated(get_i32(features + 4 * i), get_i64(row + LOW), get_i64(row + HIGH))
            put(state + size * (memory * (i + 1) - 1), new + zero)

    @register_jitable
    def output(row: int, state: int, unit: int) -> int:
        memory, rank, total = get_i64(row + MEMORY), get_i64(row + RANK), get_i64(get_i64(row + BIASES) + 8 * unit)
        stride = size * ((memory + 15) & ~15)
        for i in range(rank * unit, rank * (unit + 1)):
            total += sum_over_time(state + size * memory * i, get_i64(row + TIMES) + stride * i, memory)
        return saturated(scaled(wrapped(total), get_i64(row + TO_OUTPUT)) + get_i64(row + ZERO), -128, 127)

    def svdf_int8(row: int, first: int, last: int, scratch: int) -> None:
        terms, filters, units = get_i64(row + TERMS), get_i64(row + FILTERS), get_i64(row + UNITS)
        panels, steps = (filters + 63) >> 6, (terms + 3) >> 2
        x = scratch + 256 * panels
        for row_of_batch in range(first, last):
            copy(x, get_i64(row + X) + terms * row_of_batch, terms, 128)
            for panel in range(panels):
                features_of(scratch + 256 * panel, x, steps, get_i64(row + WEIGHTS) + 256 * steps * panel,
                            get_i64(row + TABLE) + BLOCK * panel)  # fmt: skip
            state = get_i64(row + STATE) + size * get_i64(row + MEMORY) * filters * row_of_batch
            remember(row, state, scratch)
            for unit in range(units):
                put_u8(get_i64(row + OUT) + units * row_of_batch + unit, output(row, state, unit))

    return svdf_int8
