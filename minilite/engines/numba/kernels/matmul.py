"""Convolutions and fully connected layers: rows gathered from the image, times packed filters.

A kernel takes blocks of output pixels. The windows of a block are laid side by side in scratch memory, a row each (a
1 x 1 filter's rows are the image's own, copied all the same: the copy is read many times and stays in the cache), then
multiplied with one panel of up to 64 output channels after the other, a tile at a time: ``height`` rows times
``width`` vectors of 16 channels, whose sums stay in registers until they are rounded and stored.

Integers  Rows are stored xor 128, as unsigned numbers ``a + 128``: the dot products of x86 take unsigned times signed
          numbers. Filters are packed ``[panel, terms / 4, channels, 4]`` with zeros in what is added; what the 128 and
          the zero point add to every sum is part of the channels' biases.
Floats    Rows as they are; filters packed ``[panel, terms, channels]``; fused or separate multiply and add.

Tiles at the lower edge overlap the ones above rather than being smaller; blocks of fewer rows than a tile go row by
row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.rounding import bias, requantized
from minilite.engines.numba.kernels.vectors import (
    CHUNK,
    F32,
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
    copy_chunk,
    fill_chunk,
    get_i64,
    lanes_below,
    load,
    masked_store,
    quotient,
    remainder,
    splat,
    store,
    suffix,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES, PANEL, TILE_SUMS

# ---- one step of a sum -----------------------------------------------------------------------------------------------


def dot4_vnni(builder: Builder, acc: Value, unsigned: Value, signed: Value) -> Value:
    """Every lane plus the dot product of its four unsigned and four signed bytes (AVX-512 VNNI)."""
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", vector(I32), acc, unsigned, signed)


def dot4_portable(builder: Builder, acc: Value, unsigned: Value, signed: Value) -> Value:
    """The same in shifts and products that any target has."""
    u, s = (builder.bitcast(v, vector(I32)) for v in (unsigned, signed))
    for byte in range(4):
        up = constant(vector(I32), 24 - 8 * byte)
        down = constant(vector(I32), 24)
        product = builder.mul(builder.lshr(builder.shl(u, up), down), builder.ashr(builder.shl(s, up), down))
        acc = builder.add(acc, product)
    return acc


DOTS = {"vnni": dot4_vnni, "portable": dot4_portable}


def fused(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded once."""
    return call(builder, f"llvm.fma.{suffix(acc.type)}", acc.type, a, b, acc)


def separate(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded twice: the reference kernels' arithmetic."""
    return builder.fadd(acc, builder.fmul(a, b))


# ---- tiles -----------------------------------------------------------------------------------------------------------


def _sums(
    builder: Builder, height: int, width: int, start: list[Value], steps: Value, body: Callable[..., None]
) -> list[list[Value]]:
    """``height`` times ``width`` sums after ``steps`` rounds of ``body(step, sums)``."""
    places = [[cgutils.alloca_once_value(builder, start[v]) for v in range(width)] for _ in range(height)]
    with cgutils.for_range(builder, steps, intp=I64) as loop:
        body(loop.index, places)
    return [[builder.load(place) for place in row] for row in places]


def _stored(builder: Builder, values: list[Value], address: Value, columns: Value, size: int) -> None:
    """Store a row of vectors, of which ``columns`` lanes are wanted."""
    everything = builder.icmp_signed(">=", columns, constant(I64, len(values) * LANES))
    with builder.if_else(everything) as (whole, part):
        with whole:
            for v, value in enumerate(values):
                store(builder, value, address, v * LANES * size)
        with part:
            for v, value in enumerate(values):
                mask = lanes_below(builder, columns, v * LANES)
                masked_store(builder, value, builder.add(address, constant(I64, v * LANES * size)), mask)


def integer_tile(dot: str, rounding: str, height: int, width: int) -> Any:
    """A tile of int8: ``tile(rows, stride, steps, weights, channels, out, out_stride, columns, constants)``, steps of
    four terms. ``constants`` is the address of zero point, low and high (less the zero point), int64 each."""

    @intrinsic
    def tile(typing: Any, rows: Any, stride: Any, steps: Any, weights: Any, channels: Any, out: Any, out_stride: Any,
             columns: Any, constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            rows, stride, steps, weights, channels, out, out_stride, columns, constants = arguments
            block = CHANNEL_BYTES[rounding]
            bytes_ = vector(I8, 4 * LANES)

            def body(step: Value, sums: list[list[Value]]) -> None:
                place = builder.add(weights, builder.mul(step, constant(I64, 64 * width)))
                taps = [load(builder, bytes_, place, 64 * v, 64) for v in range(width)]
                here = builder.add(rows, builder.mul(step, constant(I64, 4)))
                for row in range(height):
                    at = builder.add(here, builder.mul(stride, constant(I64, row)))
                    four = builder.bitcast(splat(builder, load(builder, I32, at)), bytes_)
                    for v in range(width):
                        builder.store(DOTS[dot](builder, builder.load(sums[row][v]), four, taps[v]), sums[row][v])

            start = [bias(builder, channels, v * block) for v in range(width)]
            sums = _sums(builder, height, width, start, steps, body)
            parts = (load(builder, I64, constants, 8 * i) for i in range(3))
            zero_point, low, high = (splat(builder, builder.trunc(p, I32)) for p in parts)
            for row in range(height):
                values = [
                    requantized(builder, rounding, acc, channels, v * block, zero_point, low, high)
                    for v, acc in enumerate(sums[row])
                ]
                narrow = [builder.trunc(x, vector(I8)) for x in values]
                at = builder.add(out, builder.mul(out_stride, constant(I64, row)))
                _stored(builder, narrow, at, columns, 1)
            return context.get_dummy_value()

        return types.void(*[INT64] * 9), generate

    return tile


def float_tile(step_of: str, height: int, width: int) -> Any:
    """A tile of float32, with the same arguments; ``constants`` is the address of low and high, float32 each. With
    fused sums the bias comes first, with separate ones last, as in the kernels that have them."""

    @intrinsic
    def tile(typing: Any, rows: Any, stride: Any, steps: Any, weights: Any, channels: Any, out: Any, out_stride: Any,
             columns: Any, constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            rows, stride, steps, weights, channels, out, out_stride, columns, constants = arguments
            floats = vector(F32)
            multiply_add = {"fused": fused, "separate": separate}[step_of]

            def body(step: Value, sums: list[list[Value]]) -> None:
                place = builder.add(weights, builder.mul(step, constant(I64, 64 * width)))
                taps = [load(builder, floats, place, 64 * v, 64) for v in range(width)]
                here = builder.add(rows, builder.mul(step, constant(I64, 4)))
                for row in range(height):
                    at = builder.add(here, builder.mul(stride, constant(I64, row)))
                    one = splat(builder, load(builder, F32, at, 0, 4))
                    for v in range(width):
                        acc = builder.load(sums[row][v])
                        builder.store(multiply_add(builder, acc, one, taps[v]), sums[row][v])

            biases = [load(builder, floats, channels, 64 * v, 4) for v in range(width)]
            zeros = [constant(floats, 0.0)] * width
            sums = _sums(builder, height, width, biases if step_of == "fused" else zeros, steps, body)
            low, high = (splat(builder, load(builder, F32, constants, 4 * i, 4)) for i in range(2))
            for row in range(height):
                values = sums[row]
                if step_of == "separate":
                    values = [builder.fadd(acc, b) for acc, b in zip(values, biases, strict=True)]
                values = [clip(builder, x, low, high) for x in values]
                at = builder.add(out, builder.mul(out_stride, constant(I64, row)))
                _stored(builder, values, at, columns, 4)
            return context.get_dummy_value()

        return types.void(*[INT64] * 9), generate

    return tile


# ---- rows ------------------------------------------------------------------------------------------------------------


@register_jitable
def copy(target: int, source: int, size: int, flip: int) -> None:
    """Copy ``size`` bytes, each xor ``flip``; up to 63 bytes behind them are read and written, too."""
    at = 0
    while at < size:
        copy_chunk(target + at, source + at, flip)
        at += CHUNK


@register_jitable
def fill(target: int, size: int, value: int) -> None:
    """Set ``size`` bytes, and up to 63 behind them."""
    at = 0
    while at < size:
        fill_chunk(target + at, value)
        at += CHUNK


@register_jitable
def gather(target: int, stride: int, first: int, last: int, image: int, window: int, flip: int, padding: int) -> None:
    """Windows ``first`` to ``last`` of an image, a row of scratch each. ``window`` is the address of its numbers:

    input rows and columns, bytes of a pixel and of its part; output rows and columns; filter rows and columns; strides,
    dilations, padding above and left. Every byte is xor ``flip``; outside of the image they are ``padding``."""
    height, width = get_i64(window), get_i64(window + 8)
    pixel, part = get_i64(window + 16), get_i64(window + 24)
    out_height, out_width = get_i64(window + 32), get_i64(window + 40)
    filter_height, filter_width = get_i64(window + 48), get_i64(window + 56)
    stride_y, stride_x = get_i64(window + 64), get_i64(window + 72)
    dilation_y, dilation_x = get_i64(window + 80), get_i64(window + 88)
    above, left = get_i64(window + 96), get_i64(window + 104)
    together = dilation_x == 1 and pixel == part
    line = quotient(first, out_width)
    x, y = remainder(first, out_width), remainder(line, out_height)
    base = image + quotient(line, out_height) * height * width * pixel
    for row in range(first, last):
        at = target + (row - first) * stride
        from_x = x * stride_x - left
        for fy in range(filter_height):
            iy = y * stride_y - above + fy * dilation_y
            if iy < 0 or iy >= height:
                fill(at, filter_width * part, padding)
                at += filter_width * part
            elif together and from_x >= 0 and from_x + filter_width <= width:
                copy(at, base + (iy * width + from_x) * pixel, filter_width * part, flip)
                at += filter_width * part
            else:
                for fx in range(filter_width):
                    ix = from_x + fx * dilation_x
                    if ix < 0 or ix >= width:
                        fill(at, part, padding)
                    else:
                        copy(at, base + (iy * width + ix) * pixel, part, flip)
                    at += part
        x += 1
        if x == out_width:
            x, y = 0, y + 1
            if y == out_height:
                y, base = 0, base + height * width * pixel


# ---- kernels ---------------------------------------------------------------------------------------------------------


def kernel(kind: str, how: str, rounding: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``int8`` (how: a name of :data:`DOTS`) or ``float32`` (how: fused or separate).

    Its row: image, output, weights, channels, constants (addresses); rows, columns, terms in all (padded to whole
    steps), bytes of a weight step for 16 channels; bytes of a scratch row, rows of a block, bytes between output
    rows; flip, padding; one when rows are the image's own; then the numbers of :func:`gather`."""
    is_float = kind == "float32"
    size = 4 if is_float else 1
    per_step = 1 if is_float else 4
    channel_bytes = 64 if is_float else CHANNEL_BYTES[rounding]

    def tile(height: int, width: int) -> Any:
        return float_tile(how, height, width) if is_float else integer_tile(how, rounding, height, width)

    def sweep(width: int) -> Any:
        """All rows of a block times one panel that is ``width`` vectors wide."""
        height = TILE_SUMS // width
        many, single = tile(height, width), tile(1, width)

        @register_jitable
        def rows_of(count: int, rows: int, stride: int, steps: int, weights: int, channels: int, out: int,
                    out_stride: int, columns: int, constants: int) -> None:  # fmt: skip
            if count < height:
                for i in range(count):
                    single(rows + i * stride, stride, steps, weights, channels, out + i * out_stride, out_stride,
                           columns, constants)  # fmt: skip
                return
            i = 0
            while i < count:
                i = min(i, count - height)
                many(rows + i * stride, stride, steps, weights, channels, out + i * out_stride, out_stride, columns,
                     constants)  # fmt: skip
                i += height

        return rows_of

    one, two, three, four = (sweep(width) for width in (1, 2, 3, 4))

    def matmul(row: int, first: int, last: int, scratch: int) -> None:
        image, out, weights = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        channels, constants = get_i64(row + 24), get_i64(row + 32)
        rows, columns, terms, _ = get_i64(row + 40), get_i64(row + 48), get_i64(row + 56), get_i64(row + 64)
        stride, block, out_stride = get_i64(row + 72), get_i64(row + 80), get_i64(row + 88)
        flip, padding, whole = get_i64(row + 96), get_i64(row + 104), get_i64(row + 112)
        steps = terms // per_step
        for unit in range(first, last):
            start = unit * block
            stop = min(start + block, rows)
            lines = scratch
            if whole == 2:
                lines = image + start * stride
            elif whole == 1:
                copy(scratch, image + start * stride, (stop - start) * stride, flip)
            else:
                gather(scratch, stride, start, stop, image, row + 120, flip, padding)
            column = 0
            while column < columns:
                left = columns - column
                panel = weights + column * terms * size
                here = channels + column // LANES * channel_bytes
                to = out + start * out_stride + column * size
                count = stop - start
                if left > 3 * LANES:
                    four(count, lines, stride, steps, panel, here, to, out_stride, left, constants)
                elif left > 2 * LANES:
                    three(count, lines, stride, steps, panel, here, to, out_stride, left, constants)
                elif left > LANES:
                    two(count, lines, stride, steps, panel, here, to, out_stride, left, constants)
                else:
                    one(count, lines, stride, steps, panel, here, to, out_stride, left, constants)
                column += PANEL

    return matmul
