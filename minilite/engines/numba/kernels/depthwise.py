"""Depthwise convolutions of bytes: every channel with filters of its own.

For each output row the image rows under it are interleaved four by four, ``[column, group of 4 rows, channel, 4]``, so
that a dot product of four bytes takes four rows of one column at once; neighbouring outputs share columns. Channels go
in blocks of 64, the last one of 16 or 32 where that is enough.

Interleaving stays within 16 bytes (what ``punpck`` does on x86): of a block's four vectors, vector ``v`` holds channels
``16 l + 4 v .. 16 l + 4 v + 3`` for every ``l``. Channel tables and filters are packed in that order; packing sums to
bytes takes it back.

Filters of uint8 are packed less 128; what their zero point takes of a sum is a multiple of the sum of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds
from minilite.engines.numba.kernels.sums import dot4
from minilite.engines.numba.kernels.vectors import (
    I8,
    I16,
    I32,
    I64,
    INT64,
    Builder,
    Value,
    constant,
    flipped,
    get_i64,
    load,
    put_i64,
    quotient,
    remainder,
    splat,
    store,
    store_some,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES

BLOCKS = (16, 32, 64)


def _unpacked(builder: Builder, a: Value, b: Value, half: int) -> Value:
    """Elements of ``a`` and ``b`` in turn, the lower or upper half of every 16 bytes."""
    count = a.type.count
    lane = 16 * 8 // a.type.element.width
    order = []
    for start in range(0, count, lane):
        for i in range(lane // 2):
            order += [start + half * lane // 2 + i, count + start + half * lane // 2 + i]
    return builder.shuffle_vector(a, b, constant(vector(I32, count), order))


def _interleaved(builder: Builder, rows: list[Value]) -> list[Value]:
    """Four rows of bytes as four vectors of byte quadruples."""
    width = rows[0].type.count
    words = vector(I16, width // 2)
    result = []
    pairs = [[builder.bitcast(_unpacked(builder, a, b, h), words) for h in range(2)] for a, b in (rows[:2], rows[2:])]
    for half in range(2):
        for part in range(2):
            quad = _unpacked(builder, pairs[0][half], pairs[1][half], part)
            result.append(builder.bitcast(quad, vector(I8, width)))
    return result


def interleave(width: int) -> Any:
    """``interleave(target, rows, count, step, flip)``: ``count`` columns of four rows; ``rows`` is the address of four
    addresses and four steps from column to column; target columns are ``step`` bytes apart."""

    @intrinsic
    def columns(typing: Any, target: Any, rows: Any, count: Any, step: Any, flip: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            target, rows, count, step, flip = arguments
            bytes_ = vector(I8, width)
            mask = splat(builder, builder.trunc(flip, I8), width)
            starts = [load(builder, I64, rows, 8 * i) for i in range(4)]
            steps = [load(builder, I64, rows, 32 + 8 * i) for i in range(4)]
            with cgutils.for_range(builder, count, intp=I64) as loop:
                places = [builder.add(a, builder.mul(loop.index, s)) for a, s in zip(starts, steps, strict=True)]
                four = [builder.xor(load(builder, bytes_, place), mask) for place in places]
                at = builder.add(target, builder.mul(loop.index, step))
                for v, quads in enumerate(_interleaved(builder, four)):
                    store(builder, quads, at, v * width)
            return context.get_dummy_value()

        return types.void(*[INT64] * 5), generate

    return columns


def outputs(dot: str, rounding: str, width: int, taps: int, unsigned: bool) -> Any:
    """``outputs(columns, count, step, tap, taps, weights, channels, out, out_step, left, constants)``: the outputs of a
    row. ``taps`` 0 leaves their number to the argument; else filters stay in registers. ``unsigned``: windows are
    summed, too, and their sums times the number at ``constants + 24`` added; outputs are stored xor 128."""

    @intrinsic
    def row(typing: Any, columns: Any, count: Any, step: Any, tap: Any, number: Any, weights: Any, channels: Any,
            out: Any, out_step: Any, left: Any, constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            columns, count, step, tap, number, weights, channels, out, out_step, left, constants = arguments
            lanes = width // 4
            bytes_ = vector(I8, width)
            block = CHANNEL_BYTES[rounding] * lanes // 16
            bounds, ones = Bounds(builder, constants, lanes), constant(bytes_, 1)
            if unsigned:
                factor = splat(builder, builder.trunc(load(builder, I64, constants, 24), I32), lanes)
            rounded = [ROUNDINGS[rounding](builder, channels, v * block, lanes) for v in range(4)]
            filters = [[load(builder, bytes_, weights, (4 * t + v) * width, 1) for v in range(4)] for t in range(taps)]
            with cgutils.for_range(builder, count, intp=I64) as loop:
                here = builder.add(columns, builder.mul(loop.index, step))
                sums = [r.bias for r in rounded]
                windows = [constant(s.type, 0) for s in sums] if unsigned else []
                for t in range(taps):
                    at = builder.add(here, builder.mul(tap, constant(I64, t)))
                    for v in range(4):
                        column = load(builder, bytes_, at, v * width)
                        sums[v] = dot4(builder, dot, sums[v], column, filters[t][v])
                        if unsigned:
                            windows[v] = dot4(builder, dot, windows[v], column, ones)
                if not taps:
                    places = [cgutils.alloca_once_value(builder, s) for s in (*sums, *windows)]
                    with cgutils.for_range(builder, number, intp=I64) as inner:
                        at = builder.add(here, builder.mul(tap, inner.index))
                        filter_ = builder.add(weights, builder.mul(inner.index, constant(I64, 4 * width)))
                        for v in range(4):
                            column, values = (load(builder, bytes_, p, v * width) for p in (at, filter_))
                            for place, factors in zip(places[v::4], (values, ones), strict=False):
                                builder.store(dot4(builder, dot, builder.load(place), column, factors), place)
                    sums, windows = ([builder.load(place) for place in some] for some in (places[:4], places[4:]))
                if unsigned:
                    sums = [builder.add(s, builder.mul(w, factor)) for s, w in zip(sums, windows, strict=True)]
                steps = [r.steps(builder, s, bounds) for r, s in zip(rounded, sums, strict=True)]
                result = bounds.packed(builder, steps, packs=dot == "vnni")
                result = flipped(builder, result) if unsigned else result
                store_some(builder, result, builder.add(out, builder.mul(loop.index, out_step)), left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 11), generate

    return row


def kernel(type_: str, dot: str, rounding: str, taps: str) -> Callable[[int, int, int, int], None]:
    """Of int8 or uint8. A unit is an output row. Its row: image, output, weights, channels, constants, a pixel of
    padding, one of zeros (addresses); channels; input rows and columns; output rows and columns; filter rows and
    columns; strides, dilations, padding above and left; flip. Scratch holds 64 bytes for addresses, then the
    interleaved columns of a block.

    ``taps``: columns of the filter if it has at most 4 rows, else "0". Filters are packed ``[block, column, group of 4
    rows, vector, 4 lanes..]``; with more than 4 rows the groups of a column are taps of their own."""
    interleave16, interleave32, interleave64 = (interleave(width) for width in BLOCKS)
    row16, row32, row64 = (outputs(dot, rounding, width, int(taps), type_ == "uint8") for width in BLOCKS)
    channel_bytes = CHANNEL_BYTES[rounding] // 16

    def depthwise(row: int, first: int, last: int, scratch: int) -> None:
        image, out, weights = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        channels, constants, outside, zeros = get_i64(row + 24), get_i64(row + 32), get_i64(row + 40), get_i64(row + 48)
        depth, height, width = get_i64(row + 56), get_i64(row + 64), get_i64(row + 72)
        out_height, out_width = get_i64(row + 80), get_i64(row + 88)
        filter_height, filter_width = get_i64(row + 96), get_i64(row + 104)
        stride_y, stride_x = get_i64(row + 112), get_i64(row + 120)
        dilation_y, dilation_x = get_i64(row + 128), get_i64(row + 136)
        above, left, flip = get_i64(row + 144), get_i64(row + 152), get_i64(row + 160)
        groups = (filter_height + 3) // 4
        columns = (out_width - 1) * stride_x + (filter_width - 1) * dilation_x + 1
        before = min(left, columns)
        inside = max(min(width, columns - before), 0)
        after = columns - before - inside
        band = scratch + 64
        for unit in range(first, last):
            top = remainder(unit, out_height) * stride_y - above
            base = image + quotient(unit, out_height) * height * width * depth
            here = out + unit * out_width * depth
            channel = 0
            filters, table = weights, channels
            while channel < depth:
                rest = depth - channel
                block = 64 if rest > 32 else 32 if rest > 16 else 16
                step = groups * 4 * block
                for group in range(groups):
                    for i in range(4):
                        fy = group * 4 + i
                        y = top + fy * dilation_y
                        missing = y < 0 or y >= height or fy >= filter_height
                        nothing = outside if fy < filter_height else zeros
                        put_i64(scratch + 8 * i, nothing if missing else base + y * width * depth + channel)
                        put_i64(scratch + 32 + 8 * i, 0 if missing else depth)
                    at = band + group * 4 * block
                    for part in range(3):
                        if part == 0:
                            count, to = inside, at + before * step
                        elif part == 1:
                            count, to = before, at
                        else:
                            count, to = after, at + (before + inside) * step
                        if part == 1:
                            for i in range(4):
                                put_i64(scratch + 8 * i, outside if group * 4 + i < filter_height else zeros)
                                put_i64(scratch + 32 + 8 * i, 0)
                        if block == 64:
                            interleave64(to, scratch, count, step, flip)
                        elif block == 32:
                            interleave32(to, scratch, count, step, flip)
                        else:
                            interleave16(to, scratch, count, step, flip)
                tap, number = dilation_x * step, filter_width
                if groups > 1:  # dilation is 1 then
                    tap, number = 4 * block, filter_width * groups
                if block == 64:
                    row64(band, out_width, stride_x * step, tap, number, filters, table, here + channel, depth,
                          rest, constants)  # fmt: skip
                elif block == 32:
                    row32(band, out_width, stride_x * step, tap, number, filters, table, here + channel, depth,
                          rest, constants)  # fmt: skip
                else:
                    row16(band, out_width, stride_x * step, tap, number, filters, table, here + channel, depth,
                          rest, constants)  # fmt: skip
                filters += filter_width * groups * 4 * block
                table += channel_bytes * block
                channel += block

    return depthwise
