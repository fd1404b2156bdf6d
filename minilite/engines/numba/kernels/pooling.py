"""One number for every window of every channel: largest, mean, or a sum that is rounded to another scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.conversions import half_away
from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds
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
    clip,
    constant,
    get_i64,
    load,
    quotient,
    remainder,
    splat,
    store_some,
    suffix,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES

Finish = Callable[..., Value]


def extreme(builder: Builder, acc: Value, x: Value, sign: str = "<") -> Value:
    """The larger (``sign`` ``>``: the smaller) of both; keeps the first of equals, and skips NaN."""
    is_float = (acc.type.element if isinstance(acc.type, ir.VectorType) else acc.type) == F32
    compare = builder.fcmp_ordered if is_float else builder.icmp_signed
    return builder.select(compare(sign, acc, x), x, acc)


def _replacing(builder: Builder, acc: Value, x: Value, sign: str) -> Value:
    """The larger (``sign`` ``>``) or smaller of both, the second where one is NaN."""
    return builder.select(builder.fcmp_ordered(sign, acc, x), acc, x)


def _plus(builder: Builder, acc: Value, x: Value) -> Value:
    return builder.fadd(acc, x) if acc.type.element == F32 else builder.add(acc, x)


def _clipped(builder: Builder, acc: Value, channels: Value, constants: Value, count: Value) -> Value:
    """Constants: low and high."""
    element = acc.type.element
    low, high = (splat(builder, load(builder, element, constants, 4 * i)) for i in range(2))
    return clip(builder, acc, low, high)


def _mean(builder: Builder, acc: Value, channels: Value, constants: Value, count: Value) -> Value:
    """Of int32, rounded half away from zero: in float64, in which the quotient of integers cannot miss its floor."""
    if acc.type.element == F32:
        mean = builder.fdiv(acc, splat(builder, builder.sitofp(count, F32)))
        return _clipped(builder, mean, channels, constants, count)
    doubles = vector(F64)
    negative = builder.icmp_signed("<", acc, constant(acc.type, 0))
    size = builder.select(negative, builder.sub(constant(acc.type, 0), acc), acc)
    half = splat(builder, builder.trunc(builder.sdiv(count, constant(I64, 2)), I32))
    x = builder.fadd(builder.sitofp(builder.add(size, half), doubles), constant(doubles, 0.5))
    x = builder.fdiv(x, splat(builder, builder.sitofp(count, F64)))
    steps = builder.fptosi(x, acc.type)
    steps = builder.select(negative, builder.sub(constant(acc.type, 0), steps), steps)
    return _clipped(builder, steps, channels, constants, count)


def _rounded(rounding: str) -> Finish:
    """``fixed``: constants are zero point, low and high (int64). ``bias``: ``rint(acc * m + b)``, constants are low and
    high (int32), m and b (float32)."""

    def finish(builder: Builder, acc: Value, channels: Value, constants: Value, count: Value) -> Value:
        if rounding == "bias":
            m, b = (splat(builder, load(builder, F32, constants, 8 + 4 * i)) for i in range(2))
            x = builder.fadd(builder.fmul(builder.sitofp(acc, m.type), m), b)
            bounds = (splat(builder, load(builder, I32, constants, 4 * i)) for i in range(2))
            low, high = (builder.sitofp(bound, m.type) for bound in bounds)
            x = clip(builder, x, low, high)
            return builder.fptosi(call(builder, f"llvm.rint.{suffix(x.type)}", x.type, x), acc.type)
        block = ROUNDINGS[rounding](builder, channels, 0)
        return block(builder, builder.add(acc, block.bias), Bounds(builder, constants))

    return finish


def _biased(builder: Builder, acc: Value, channels: Value, constants: Value, count: Value) -> Value:
    """``round(acc * m + b) + zero_point``, half away from zero; constants are low and high (less the zero point,
    int32), m and b (float32), and the zero point (int32)."""
    low, high, zero_point = (splat(builder, load(builder, I32, constants, offset)) for offset in (0, 4, 16))
    m, b = (splat(builder, load(builder, F32, constants, offset)) for offset in (8, 12))
    x = half_away(builder, builder.fadd(builder.fmul(builder.sitofp(acc, m.type), m), b))
    x = clip(builder, x, *(builder.sitofp(bound, m.type) for bound in (low, high)))
    return builder.add(builder.fptosi(x, acc.type), zero_point)


EXTREMES: dict[str, Callable[..., Value]] = {
    "max": extreme,
    "min": partial(extreme, sign=">"),
    "max replacing": partial(_replacing, sign=">"),
    "min replacing": partial(_replacing, sign="<"),
}


def finish_of(what: str) -> Finish:
    """What a window ends in: an extreme, ``sum``, ``mean``, or a sum's rounding."""
    if what in EXTREMES or what == "sum":
        return _clipped
    return {"mean": _mean, "away": _biased}.get(what) or _rounded(what)


def _window(type_: str, vectors: int, combine: Callable[..., Value], start: float, what: str) -> Any:
    """``window(at, rows, columns, row_step, column_step, channels, constants, count, out, left)``: so many vectors of
    16 channels, which do not wait for each other's sums."""
    finish, element, block = finish_of(what), ELEMENTS[type_], CHANNEL_BYTES.get(what, 0)
    size, lanes = element.size, element.lanes

    @intrinsic
    def window(typing: Any, at: Any, rows: Any, columns: Any, row_step: Any, column_step: Any, channels: Any,
               constants: Any, count: Any, out: Any, left: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            at, rows, columns, row_step, column_step, channels, constants, count, out, left = arguments
            first = ir.Constant(lanes, [start] * LANES)
            places = [cgutils.alloca_once_value(builder, first) for _ in range(vectors)]
            for place in places:
                builder.store(first, place)
            with cgutils.for_range(builder, rows, intp=I64) as row:
                line = builder.add(at, builder.mul(row.index, row_step))
                with cgutils.for_range(builder, columns, intp=I64) as column:
                    here = builder.add(line, builder.mul(column.index, column_step))
                    for v, place in enumerate(places):
                        x = element.load(builder, here, LANES * size * v)
                        builder.store(combine(builder, builder.load(place), x), place)
            for v, place in enumerate(places):
                table = builder.add(channels, constant(I64, block * v))
                result = element.narrowed(builder, finish(builder, builder.load(place), table, constants, count))
                to, rest = (
                    builder.add(out, constant(I64, LANES * size * v)),
                    builder.sub(left, constant(I64, LANES * v)),
                )
                store_some(builder, result, to, rest)
            return context.get_dummy_value()

        return types.void(*[INT64] * 10), generate

    return window


def kernel(type_: str, what: str) -> Callable[[int, int, int, int], None]:
    """``what``: an extreme, sum, mean, or a sum's rounding. A unit is an output row. Its row: image, output, channels,
    constants (addresses); channels; input rows and columns; output rows and columns; filter rows and columns; strides;
    padding above and left."""
    combine, start = EXTREMES.get(what, _plus), 0
    if what in EXTREMES:
        start = ELEMENTS[type_].lowest if what.startswith("max") else ELEMENTS[type_].highest
    four, one = (_window(type_, vectors, combine, start, what) for vectors in (4, 1))
    size = ELEMENTS[type_].size
    channel_bytes = CHANNEL_BYTES.get(what, 0)

    def pooling(row: int, first: int, last: int, scratch: int) -> None:
        image, out, channels, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        depth, height, width = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48)
        out_height, out_width = get_i64(row + 56), get_i64(row + 64)
        filter_height, filter_width = get_i64(row + 72), get_i64(row + 80)
        stride_y, stride_x = get_i64(row + 88), get_i64(row + 96)
        above, left = get_i64(row + 104), get_i64(row + 112)
        pixel = depth * size
        for unit in range(first, last):
            from_y = remainder(unit, out_height) * stride_y - above
            top, bottom = max(from_y, 0), min(from_y + filter_height, height)
            base = image + (quotient(unit, out_height) * height + top) * width * pixel
            for x in range(out_width):
                from_x = x * stride_x - left
                start, stop = max(from_x, 0), min(from_x + filter_width, width)
                count = (bottom - top) * (stop - start)
                to = out + (unit * out_width + x) * pixel
                channel = 0
                while channel < depth:
                    at, table = base + start * pixel + channel * size, channels + channel // LANES * channel_bytes
                    if depth - channel > 3 * LANES:
                        four(at, bottom - top, stop - start, width * pixel, pixel, table, constants, count,
                             to + channel * size, depth - channel)  # fmt: skip
                        channel += 4 * LANES
                    else:
                        one(at, bottom - top, stop - start, width * pixel, pixel, table, constants, count,
                            to + channel * size, depth - channel)  # fmt: skip
                        channel += LANES

    return pooling
