"""The mean of every row of a matrix, its sum rounded as :mod:`minilite.engines.numba.kernels.pooling` rounds; floats in
any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.pooling import finish_of
from minilite.engines.numba.kernels.vectors import (
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    constant,
    get_i64,
    lanes_below,
    load,
    store,
    store_some,
    sum_of_lanes,
)


def _sum(type_: str) -> Any:
    """``sum(row, count, target)``: of a row's elements, to be stored as float32 or int32."""
    element = ELEMENTS[type_]

    @intrinsic
    def total(typing: Any, row: Any, count: Any, target: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            row, count, target = arguments
            zeros = constant(element.lanes, 0.0 if type_ == "float32" else 0)
            place = cgutils.alloca_once_value(builder, zeros)
            vectors = builder.ashr(builder.add(count, constant(I64, 15)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                done = builder.mul(loop.index, constant(I64, LANES))
                x = element.load(builder, builder.add(row, builder.mul(done, constant(I64, element.size))))
                x = builder.select(lanes_below(builder, builder.sub(count, done)), x, zeros)
                so_far = builder.load(place)
                plus = builder.fadd(so_far, x) if type_ == "float32" else builder.add(so_far, x)
                builder.store(plus, place)
            store(builder, sum_of_lanes(builder, builder.load(place)), target)
            return context.get_dummy_value()

        return types.void(*[INT64] * 3), generate

    return total


def _finish(type_: str, what: str) -> Any:
    """``finish(sums, channels, constants, count, out, left)``: of 16 rows."""
    rounded, element = finish_of(what), ELEMENTS[type_]

    @intrinsic
    def finish(typing: Any, sums: Any, channels: Any, constants: Any, count: Any, out: Any, left: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            sums, channels, constants, count, out, left = arguments
            result = rounded(builder, load(builder, element.lanes, sums), channels, constants, count)
            store_some(builder, element.narrowed(builder, result), out, left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 6), generate

    return finish


def kernel(type_: str, what: str) -> Callable[[int, int, int, int], None]:
    """A unit is 16 rows. Its row: input, output, channels (16 alike), constants (addresses); rows, elements of a row.
    Scratch holds 16 sums."""
    size = ELEMENTS[type_].size
    total, finish = _sum(type_), _finish(type_, what)

    def row_mean(row: int, first: int, last: int, scratch: int) -> None:
        source, out, channels, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        rows, count = get_i64(row + 32), get_i64(row + 40)
        for unit in range(first, last):
            start = unit * LANES
            for i in range(LANES):
                total(source + min(start + i, rows - 1) * count * size, count, scratch + 4 * i)
            finish(scratch, channels, constants, count, out + start * size, rows - start)

    return row_mean
