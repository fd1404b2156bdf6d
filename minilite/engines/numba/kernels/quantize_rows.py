"""Rows of float32 quantized for hybrid layers, each by its own range (:mod:`minilite.ops.hybrid` has the formulas).

Of a row ``q + 128`` is stored, a byte each, and its numbers: ``z + 128`` as int32 and the scale as float32. What is no
number becomes 0; with NaN in a row its scale is NaN, and so are all outputs. A row without any zero point (its range is
none, or infinite) is all zeros, with ``z + 128 = 0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.rounding import MAGIC
from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I1,
    I8,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    clip,
    constant,
    get_i64,
    lanes_below,
    least,
    load,
    splat,
    store,
    store_some,
    suffix,
    vector,
)

FLOATS = vector(F32)
BELOW_HALF = {F32: 0.5 - 2.0**-25, F64: 0.5 - 2.0**-54}
"""The numbers just below a half: a sum with them is at most rounded to the whole number that half away gives."""


class Row(NamedTuple):
    """What elements are multiplied with, the zero point (both float32), and the scale."""

    inverse: Value
    zero_point: Value
    scale: Value


def _range(builder: Builder, source: Value, count: Value) -> tuple[Value, Value]:
    """The least and the greatest of a row and 0; NaN where the row has one."""
    zeros = constant(FLOATS, 0.0)
    low, high = (cgutils.alloca_once_value(builder, zeros) for _ in range(2))
    strange = cgutils.alloca_once_value(builder, constant(vector(I1), 0))

    def add(done: Value, x: Value) -> None:
        x = builder.select(lanes_below(builder, builder.sub(count, done)), x, zeros)
        builder.store(least(builder, builder.load(low), x), low)
        builder.store(least(builder, builder.load(high), x, most=True), high)
        builder.store(builder.or_(builder.load(strange), builder.fcmp_unordered("uno", x, x)), strange)

    _each(builder, source, count, add)
    is_strange = call(builder, "llvm.vector.reduce.or.v16i1", I1, builder.load(strange))
    found = (_end(builder, builder.load(place), most) for place, most in ((low, False), (high, True)))
    least_, greatest = (builder.select(is_strange, constant(F32, float("nan")), x) for x in found)
    return least_, greatest


def _end(builder: Builder, x: Value, most: bool) -> Value:
    """The least (``most``: the greatest) lane of numbers."""
    lanes = LANES
    while lanes > 1:
        lanes //= 2
        orders = (constant(vector(I32, lanes), list(range(first, first + lanes))) for first in (0, lanes))
        lower, upper = (builder.shuffle_vector(x, x, order) for order in orders)
        x = least(builder, lower, upper, most)
    return builder.extract_element(x, constant(I32, 0))


def _each(builder: Builder, source: Value, count: Value, body: Callable[[Value, Value], None]) -> None:
    """``body(done, x)`` for each vector of a row: how many elements come before, and the elements."""
    vectors = builder.ashr(builder.add(count, constant(I64, LANES - 1)), constant(I64, 4))
    with cgutils.for_range(builder, vectors, intp=I64) as loop:
        done = builder.mul(loop.index, constant(I64, LANES))
        body(done, load(builder, FLOATS, builder.add(source, builder.mul(done, constant(I64, 4)))))


def _half_away(builder: Builder, x: Value, half: Value) -> Value:
    """``trunc(x + copysign(half, x))``."""
    name = suffix(x.type)
    moved = builder.fadd(x, call(builder, f"llvm.copysign.{name}", x.type, half, x))
    return call(builder, f"llvm.trunc.{name}", x.type, moved)


def _even(builder: Builder, x: Value) -> Value:
    """The nearest whole number of one that is far below 2**22, ties to even."""
    magic = constant(x.type, MAGIC)
    return builder.fsub(builder.fadd(x, magic), magic)


def _symmetric(builder: Builder, low: Value, high: Value) -> Row:
    reach = least(builder, high, builder.fneg(low), most=True)
    is_zero, top = builder.fcmp_ordered("==", reach, constant(F32, 0.0)), constant(F32, 127.0)
    inverse = builder.select(is_zero, constant(F32, 0.0), builder.fdiv(top, reach))
    scale = builder.select(is_zero, constant(F32, 1.0), builder.fdiv(reach, top))
    return Row(inverse, constant(F32, 0.0), scale)


def _asymmetric(builder: Builder, low: Value, high: Value) -> Row:
    def of(value: float) -> Value:
        return constant(F64, value)

    flat = builder.fcmp_ordered("==", low, high)
    real = builder.fdiv(builder.fpext(builder.fsub(high, low), F64), of(255.0))
    real = builder.select(flat, of(1.0), real)
    down, up = (builder.fdiv(builder.fpext(x, F64), real) for x in (low, high))
    sizes = [builder.fadd(of(n), call(builder, "llvm.fabs.f64", F64, x)) for n, x in ((128.0, down), (127.0, up))]
    is_low = builder.fcmp_ordered("<", *sizes)
    z = builder.select(is_low, builder.fsub(of(-128.0), down), builder.fsub(of(127.0), up))
    z = _half_away(builder, clip(builder, z, of(-128.0), of(127.0)), of(BELOW_HALF[F64]))
    scale = builder.fptrunc(real, F32)
    z = builder.select(flat, constant(F32, 0.0), builder.fptrunc(z, F32))
    return Row(builder.fdiv(constant(F32, 1.0), scale), z, scale)


def _xnnpack(builder: Builder, low: Value, high: Value) -> Row:
    def of(value: float) -> Value:
        return constant(F32, value)

    flat = builder.fcmp_ordered("==", low, high)
    inverse = builder.select(flat, of(1.0), builder.fdiv(of(255.0), builder.fsub(high, low)))
    down, up = builder.fmul(low, inverse), builder.fmul(high, inverse)
    sums = builder.fadd(builder.fadd(of(-128.0), down), builder.fadd(of(127.0), up))
    is_low = builder.fcmp_ordered(">", sums, of(0.0))
    z = builder.select(is_low, builder.fsub(of(-128.0), down), builder.fsub(of(127.0), up))
    z = _even(builder, clip(builder, z, of(-128.0), of(127.0)))
    return Row(inverse, z, builder.fdiv(of(1.0), inverse))


WAYS = {"symmetric": _symmetric, "asymmetric": _asymmetric, "xnnpack": _xnnpack}


def row_quantizer(way: str) -> Any:
    """``quantized(x, out, numbers, count)``: one row."""

    def rounded(builder: Builder, x: Value, whole: Value) -> Value:
        if way == "xnnpack":
            return _even(builder, x)
        halves = (constant(FLOATS, half) for half in (0.5, BELOW_HALF[F32]))
        return _half_away(builder, x, builder.select(lanes_below(builder, whole), *halves))

    @intrinsic
    def quantized(typing: Any, x: Any, out: Any, numbers: Any, count: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            source, out, numbers, count = arguments
            bottom = constant(F32, -128.0)
            inverse, z, scale = WAYS[way](builder, *_range(builder, source, count))
            is_none = builder.fcmp_unordered("uno", z, z)
            inverse = builder.select(is_none, constant(F32, float("nan")), inverse)
            z = builder.select(is_none, bottom, z)
            store(builder, builder.fptosi(builder.fsub(z, bottom), I32), numbers)
            store(builder, scale, numbers, 4)
            factor, moved = splat(builder, inverse), splat(builder, z)
            ends = [constant(FLOATS, v) for v in (-127.0 if way == "symmetric" else -128.0, 127.0)]
            blocks = builder.and_(count, constant(I64, -8))

            def write(done: Value, values: Value) -> None:
                q = rounded(builder, builder.fmul(values, factor), builder.sub(blocks, done))
                q = clip(builder, builder.fadd(q, moved), *ends)
                q = builder.select(builder.fcmp_unordered("uno", q, q), splat(builder, bottom), q)
                bytes_ = builder.trunc(builder.fptosi(builder.fsub(q, splat(builder, bottom)), vector(I32)), vector(I8))
                store_some(builder, bytes_, builder.add(out, done), builder.sub(count, done))

            _each(builder, source, count, write)
            return context.get_dummy_value()

        return types.void(*[INT64] * 4), generate

    return quantized


def kernel(way: str) -> Callable[[int, int, int, int], None]:
    """A unit is a row. Its row: input, output, the rows' numbers (addresses); elements of a row; bytes from row to row
    of the output, and of the numbers."""
    quantized = row_quantizer(way)

    def quantize_rows(row: int, first: int, last: int, scratch: int) -> None:
        x, out, numbers, count = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        for unit in range(first, last):
            quantized(x + unit * count * 4, out + unit * get_i64(row + 32), numbers + unit * get_i64(row + 40), count)

    return quantize_rows
