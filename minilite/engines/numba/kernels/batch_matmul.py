"""Products of matrices that both are computed: no packing, 16 columns at a time."""

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


def _row(type_: str, how: str) -> Any:
    """``row(lhs, rhs, out, terms, columns, lhs_step, rhs_stride, constants)``: a row of the product. ``lhs_step`` is
    the bytes from term to term, ``rhs_stride`` those from row to row of the rhs. Constants, of int8: zero points of
    both operands, int32; the bounds; at byte 64 a block of 16 equal channels."""
    is_float = type_ == "float32"
    size, element, lanes = (4, F32, vector(F32)) if is_float else (1, I8, vector(I32))

    @intrinsic
    def row(typing: Any, lhs: Any, rhs: Any, out: Any, terms: Any, columns: Any, lhs_step: Any, rhs_stride: Any,
            constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            lhs, rhs, out, terms, columns, lhs_step, rhs_stride, constants = arguments
            if not is_float:
                zeros = [splat(builder, load(builder, I32, constants, 4 * i)) for i in range(2)]
                bounds = Bounds(builder, builder.add(constants, constant(I64, 8)))
                rounded = ROUNDINGS[how](builder, constants, 64)
            blocks = builder.ashr(builder.add(columns, constant(I64, 15)), constant(I64, 4))
            with cgutils.for_range(builder, blocks, intp=I64) as block:
                first = builder.mul(block.index, constant(I64, LANES))
                beside = builder.mul(first, constant(I64, size))
                place = cgutils.alloca_once_value(builder, constant(lanes, 0.0 if is_float else 0))
                builder.store(constant(lanes, 0.0 if is_float else 0), place)
                with cgutils.for_range(builder, terms, intp=I64) as term:
                    one = load(builder, element, builder.add(lhs, builder.mul(term.index, lhs_step)))
                    at = builder.add(builder.add(rhs, beside), builder.mul(term.index, rhs_stride))
                    many, acc = load(builder, vector(element), at), builder.load(place)
                    if is_float:
                        builder.store(MULTIPLY_ADD[how](builder, acc, splat(builder, one), many), place)
                    else:
                        a = builder.sub(splat(builder, builder.sext(one, I32)), zeros[0])
                        b = builder.sub(builder.sext(many, lanes), zeros[1])
                        builder.store(builder.add(acc, builder.mul(a, b)), place)
                result = builder.load(place)
                if not is_float:
                    result = builder.trunc(rounded(builder, result, bounds), vector(I8))
                store_some(builder, result, builder.add(out, beside), builder.sub(columns, first))
            return context.get_dummy_value()

        return types.void(*[INT64] * 8), generate

    return row


def kernel(type_: str, how: str) -> Callable[[int, int, int, int], None]:
    """``how``: fused or separate sums of floats, or the rounding of integers. A unit is a row of a product. Its row:
    both operands, output, constants, offsets of each product's matrices (addresses; lhs and rhs, int64 each); rows,
    terms, columns; bytes from row to row and from term to term of the lhs, and from row to row of the rhs."""
    size = 4 if type_ == "float32" else 1
    row_of = _row(type_, how)

    def batch_matmul(row: int, first: int, last: int, scratch: int) -> None:
        lhs, rhs, out, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        offsets, rows, terms, columns = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48), get_i64(row + 56)
        lhs_stride, lhs_step, rhs_stride = get_i64(row + 64), get_i64(row + 72), get_i64(row + 80)
        for unit in range(first, last):
            product, m = quotient(unit, rows), remainder(unit, rows)
            a = lhs + get_i64(offsets + 16 * product) + m * lhs_stride
            b = rhs + get_i64(offsets + 16 * product + 8)
            row_of(a, b, out + unit * columns * size, terms, columns, lhs_step, rhs_stride, constants)

    return batch_matmul
