"""Products of matrices that both are computed: no packing, four rows and 32 columns at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds
from minilite.engines.numba.kernels.sums import MULTIPLY_ADD
from minilite.engines.numba.kernels.vectors import (
    F32,
    I8,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    constant,
    get_i64,
    load,
    quotient,
    remainder,
    splat,
    store_some,
    vector,
)

TILES = ((4, 2), (4, 1), (1, 2), (1, 1))
"""Rows and vectors of columns that are computed together."""


def _tile(type_: str, how: str, height: int, width: int) -> Any:
    """``tile(lhs, rhs, out, terms, columns, lhs_stride, lhs_step, rhs_stride, out_stride, constants)``: ``height`` rows
    of the product, ``columns`` of them or 16 times ``width``. ``lhs_step`` is the bytes from term to term, the strides
    those from row to row. Constants, of int8: zero points of both operands, int32; the bounds; at byte 64 a block of 16
    equal channels."""
    is_float = type_ == "float32"
    size, element, lanes = (4, F32, vector(F32)) if is_float else (1, I8, vector(I32))

    @intrinsic
    def tile(typing: Any, lhs: Any, rhs: Any, out: Any, terms: Any, columns: Any, lhs_stride: Any, lhs_step: Any,
             rhs_stride: Any, out_stride: Any, constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            lhs, rhs, out, terms, columns, lhs_stride, lhs_step, rhs_stride, out_stride, constants = arguments
            if not is_float:
                zeros = [splat(builder, load(builder, I32, constants, 4 * i)) for i in range(2)]
                bounds = Bounds(builder, builder.add(constants, constant(I64, 8)))
                rounded = ROUNDINGS[how](builder, constants, 64)
            start = constant(lanes, 0.0 if is_float else 0)
            sums = [[cgutils.alloca_once_value(builder, start) for _ in range(width)] for _ in range(height)]
            for place in (place for row in sums for place in row):
                builder.store(start, place)
            with cgutils.for_range(builder, terms, intp=I64) as term:
                at, step = builder.add(rhs, builder.mul(term.index, rhs_stride)), builder.mul(term.index, lhs_step)
                many = [load(builder, vector(element), at, LANES * size * v) for v in range(width)]
                if not is_float:
                    many = [builder.sub(builder.sext(b, lanes), zeros[1]) for b in many]
                for row in range(height):
                    here = builder.add(lhs, builder.add(step, builder.mul(lhs_stride, constant(I64, row))))
                    one = load(builder, element, here)
                    a = splat(builder, one if is_float else builder.sext(one, I32))
                    a = a if is_float else builder.sub(a, zeros[0])
                    for place, b in zip(sums[row], many, strict=True):
                        acc = builder.load(place)
                        if is_float:
                            builder.store(MULTIPLY_ADD[how](builder, acc, a, b), place)
                        else:
                            builder.store(builder.add(acc, builder.mul(a, b)), place)
            for row in range(height):
                to = builder.add(out, builder.mul(out_stride, constant(I64, row)))
                for v, place in enumerate(sums[row]):
                    result = builder.load(place)
                    if not is_float:
                        result = builder.trunc(rounded(builder, result, bounds), vector(I8))
                    left = builder.sub(columns, constant(I64, LANES * v))
                    store_some(builder, result, builder.add(to, constant(I64, LANES * size * v)), left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 10), generate

    return tile


def kernel(type_: str, how: str) -> Callable[[int, int, int, int], None]:
    """``how``: fused or separate sums of floats, or the rounding of integers. A unit is four rows of a product, or what
    is left of them. Its row: both operands, output, constants, offsets of each product's matrices (addresses; lhs and
    rhs, int64 each); rows, terms, columns; bytes from row to row and from term to term of the lhs, and from row to row
    of the rhs."""
    size = 4 if type_ == "float32" else 1
    large, high, wide, small = (_tile(type_, how, height, width) for height, width in TILES)

    def batch_matmul(row: int, first: int, last: int, scratch: int) -> None:
        lhs, rhs, out, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        offsets, rows, terms, columns = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48), get_i64(row + 56)
        lhs_stride, lhs_step, rhs_stride = get_i64(row + 64), get_i64(row + 72), get_i64(row + 80)
        line, blocks = columns * size, quotient(rows + 3, 4)
        for unit in range(first, last):
            product, m = quotient(unit, blocks), remainder(unit, blocks) * 4
            stop = min(m + 4, rows)
            column = 0
            while column < columns:
                left = columns - column
                b = rhs + get_i64(offsets + 16 * product + 8) + column * size
                i = m
                while i < stop:
                    a = lhs + get_i64(offsets + 16 * product) + i * lhs_stride
                    to = out + (product * rows + i) * line + column * size
                    if stop - i == 4 and left > LANES:
                        large(a, b, to, terms, left, lhs_stride, lhs_step, rhs_stride, line, constants)
                        i += 4
                    elif stop - i == 4:
                        high(a, b, to, terms, left, lhs_stride, lhs_step, rhs_stride, line, constants)
                        i += 4
                    elif left > LANES:
                        wide(a, b, to, terms, left, lhs_stride, lhs_step, rhs_stride, line, constants)
                        i += 1
                    else:
                        small(a, b, to, terms, left, lhs_stride, lhs_step, rhs_stride, line, constants)
                        i += 1
                column += 2 * LANES

    return batch_matmul
