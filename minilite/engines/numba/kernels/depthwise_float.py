"""Depthwise convolutions of float32: every channel with filters of its own, 16 channels at a time.

Image rows that are missing above or below are a row of zeros. In each row of outputs those whose window is inside of
the image from left to right go through code that has the filter in registers; the others add what is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.sums import MULTIPLY_ADD
from minilite.engines.numba.kernels.vectors import (
    F32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    clip,
    constant,
    get_i64,
    load,
    put_i64,
    quotient,
    remainder,
    splat,
    store_some,
    vector,
)

FLOATS = vector(F32)


def outputs(how: str, size: int) -> Any:
    """``outputs(rows, count, step, tap, filter_rows, filter_columns, filter_width, weights, bias, out, out_step, left,
    constants)``: so many outputs of 16 channels, beside each other. ``rows`` is the address of each image row's
    address, then of each row's bytes from column to column; ``step`` and ``tap`` count columns. ``size`` is that of a
    square filter, 0 for any."""
    multiply_add = MULTIPLY_ADD[how]

    @intrinsic
    def run(typing: Any, rows: Any, count: Any, step: Any, tap: Any, filter_rows: Any, filter_columns: Any,
            filter_width: Any, weights: Any, bias: Any, out: Any, out_step: Any, left: Any,
            constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            rows, count, step, tap, filter_rows, filter_columns, filter_width = arguments[:7]
            weights, bias, out, out_step, left, constants = arguments[7:]
            first = load(builder, FLOATS, bias)
            low, high = (splat(builder, load(builder, F32, constants, 4 * i)) for i in range(2))
            filters = [load(builder, FLOATS, weights, 64 * i, 64) for i in range(size * size)]
            pixels = builder.mul(filter_rows, constant(I64, 8))
            with cgutils.for_range(builder, count, intp=I64) as x:
                acc = first if how == "fused" else constant(FLOATS, 0.0)
                if size:
                    for fy in range(size):
                        start = load(builder, I64, rows, 8 * fy)
                        pixel = load(builder, I64, rows, 8 * size + 8 * fy)
                        at = builder.add(start, builder.mul(builder.mul(x.index, step), pixel))
                        for fx in range(size):
                            here = builder.add(at, builder.mul(builder.mul(tap, constant(I64, fx)), pixel))
                            acc = multiply_add(builder, acc, load(builder, FLOATS, here), filters[fy * size + fx])
                else:
                    place = cgutils.alloca_once_value(builder, acc)
                    builder.store(acc, place)
                    with cgutils.for_range(builder, filter_rows, intp=I64) as fy:
                        entry = builder.add(rows, builder.mul(fy.index, constant(I64, 8)))
                        pixel = load(builder, I64, builder.add(entry, pixels))
                        at = builder.add(load(builder, I64, entry), builder.mul(builder.mul(x.index, step), pixel))
                        line = builder.mul(fy.index, filter_width)
                        with cgutils.for_range(builder, filter_columns, intp=I64) as fx:
                            here = builder.add(at, builder.mul(builder.mul(tap, fx.index), pixel))
                            number = builder.add(line, fx.index)
                            filter_ = load(
                                builder, FLOATS, builder.add(weights, builder.mul(number, constant(I64, 64)))
                            )
                            column = load(builder, FLOATS, here)
                            builder.store(multiply_add(builder, builder.load(place), column, filter_), place)
                    acc = builder.load(place)
                result = clip(builder, acc if how == "fused" else builder.fadd(acc, first), low, high)
                store_some(builder, result, builder.add(out, builder.mul(x.index, out_step)), left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 13), generate

    return run


def kernel(how: str, size: str) -> Callable[[int, int, int, int], None]:
    """A unit is an output row. Its row: image, output, weights, biases, constants, a pixel of zeros (addresses);
    channels; input rows and columns; output rows and columns; filter rows and columns; strides, dilations, padding
    above and left. Scratch holds two numbers for each row of the filter."""
    inner, edge = outputs(how, int(size)), outputs(how, 0)

    def depthwise(row: int, first: int, last: int, scratch: int) -> None:
        image, out, weights = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        biases, constants, outside = get_i64(row + 24), get_i64(row + 32), get_i64(row + 40)
        depth, height, width = get_i64(row + 48), get_i64(row + 56), get_i64(row + 64)
        out_height, out_width = get_i64(row + 72), get_i64(row + 80)
        filter_height, filter_width = get_i64(row + 88), get_i64(row + 96)
        stride_y, stride_x = get_i64(row + 104), get_i64(row + 112)
        dilation_y, dilation_x = get_i64(row + 120), get_i64(row + 128)
        above, left = get_i64(row + 136), get_i64(row + 144)
        pixel = depth * 4
        begin = min(quotient(left + stride_x - 1, stride_x), out_width)
        end = quotient(max(width - (filter_width - 1) * dilation_x + left - 1 + stride_x, 0), stride_x)
        end = max(min(end, out_width), begin)
        for unit in range(first, last):
            top = remainder(unit, out_height) * stride_y - above
            base = image + quotient(unit, out_height) * height * width * pixel
            here = out + unit * out_width * pixel
            for channel in range(0, depth, LANES):
                filters = weights + channel * filter_height * filter_width * 4
                bias = biases + channel * 4
                x = 0
                while x < out_width:
                    if begin <= x < end:
                        count, fx, taps = end - x, 0, filter_width
                    else:
                        count, fx = 1, 0
                        while x * stride_x - left + fx * dilation_x < 0 and fx < filter_width:
                            fx += 1
                        taps = filter_width - fx
                        while taps > 0 and x * stride_x - left + (fx + taps - 1) * dilation_x >= width:
                            taps -= 1
                    column = x * stride_x - left + fx * dilation_x
                    for fy in range(filter_height):
                        y = top + fy * dilation_y
                        missing = y < 0 or y >= height
                        place = base + (y * width + column) * pixel + channel * 4
                        put_i64(scratch + 8 * fy, outside if missing else place)
                        put_i64(scratch + 8 * (filter_height + fy), 0 if missing else pixel)
                    to = here + x * pixel + channel * 4
                    if taps == filter_width:
                        inner(scratch, count, stride_x, dilation_x, filter_height, filter_width, filter_width, filters,
                              bias, to, pixel, depth - channel, constants)  # fmt: skip
                    else:
                        edge(scratch, count, stride_x, dilation_x, filter_height, taps, filter_width,
                             filters + fx * 64, bias, to, pixel, depth - channel, constants)  # fmt: skip
                    x += count

    return depthwise
