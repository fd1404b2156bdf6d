"""The largest or smallest number of every row of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.pooling import EXTREMES
from minilite.engines.numba.kernels.vectors import (
    F32,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    constant,
    get_i64,
    lanes_below,
    load,
    pointer,
    store,
    vector,
)


def _vectors(type_: str, what: str) -> Any:
    """``vectors(row, count, target)``: of a row, in any order and without NaN; whether it had any."""
    element, combine = ELEMENTS[type_], EXTREMES[what]
    nothing = constant(element.lanes, element.lowest if what == "max" else element.highest)

    @intrinsic
    def run(typing: Any, row: Any, count: Any, target: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            row, count, target = arguments
            found = cgutils.alloca_once_value(builder, nothing)
            strange = cgutils.alloca_once_value(builder, constant(vector(I32), 0))
            builder.store(nothing, found)
            builder.store(constant(vector(I32), 0), strange)
            vectors = builder.ashr(builder.add(count, constant(I64, LANES - 1)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                done = builder.mul(loop.index, constant(I64, LANES))
                x = element.load(builder, builder.add(row, builder.mul(done, constant(I64, element.size))))
                x = builder.select(lanes_below(builder, builder.sub(count, done)), x, nothing)
                builder.store(combine(builder, builder.load(found), x), found)
                if element.lane == F32:
                    nan = builder.sext(builder.fcmp_unordered("uno", x, x), vector(I32))
                    builder.store(builder.or_(builder.load(strange), nan), strange)
            halves, lanes = builder.load(found), LANES
            while lanes > 1:
                lanes //= 2
                orders = (constant(vector(I32, lanes), list(range(first, first + lanes))) for first in (0, lanes))
                halves = combine(builder, *(builder.shuffle_vector(halves, halves, order) for order in orders))
            last = builder.extract_element(halves, constant(I32, 0))
            store(builder, last if element.stored == element.lane else builder.trunc(last, element.stored), target)
            mask = builder.bitcast(builder.load(strange), ir.IntType(LANES * 32))
            return builder.zext(builder.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0)), I64)

        return types.int64(INT64, INT64, INT64), generate

    return run


def _in_order(type_: str, what: str) -> Any:
    """``in_order(row, count, target)``: one after the other, the next one where one is NaN."""
    element, combine = ELEMENTS[type_], EXTREMES[f"{what} replacing"]

    @intrinsic
    def run(typing: Any, row: Any, count: Any, target: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            row, count, target = arguments
            store(builder, load(builder, element.stored, row), target)
            with cgutils.for_range(builder, count, intp=I64) as loop:
                x = load(builder, element.stored, builder.add(row, builder.mul(loop.index, constant(I64, 4))))
                so_far = builder.load(pointer(builder, element.stored, target), align=1)
                store(builder, combine(builder, so_far, x), target)
            return context.get_dummy_value()

        return types.void(INT64, INT64, INT64), generate

    return run


def kernel(type_: str, what: str) -> Callable[[int, int, int, int], None]:
    """``what``: max or min. A unit is a row. Its row: input, output (addresses); elements of a row; whether NaN is
    replaced by the next number instead of skipped. Without any number there is infinity."""
    size, is_float = ELEMENTS[type_].size, type_ == "float32"
    vectors, in_order = _vectors(type_, what), _in_order("float32", what)

    def row_extreme(row: int, first: int, last: int, scratch: int) -> None:
        source, target, count, replaces = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        for unit in range(first, last):
            x, y = source + unit * count * size, target + unit * size
            strange = vectors(x, count, y)
            if is_float and strange != 0 and replaces != 0:
                in_order(x, count, y)

    return row_extreme
