"""3 x 3 convolutions of float32 by Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks", 2015): F(2 x 2, 3 x 3) and F(4 x 4, 3 x 3), which multiply 2.25 and 4 times less.

An image is cut into tiles of ``size`` x ``size`` outputs. Of each tile ``size + 2`` squared pixels are transformed, in
each channel by itself; every one of the transformed pixels is a matrix product of its own, tiles times channels by
filters; and the products are transformed back. Filters are transformed once (:func:`minilite.engines.numba.packing`).

Sums come in another order than in other kernels, and with other terms; an infinity reaches the whole of its tile. The
larger transform evaluates polynomials at 0, +-5/8, +-3/2 and infinity: with the usual 0, +-1, +-2 rounding errors are
four to six times larger (of 256 channels 6e-6 of the outputs' range, so 2e-6; adding products one by one: 1e-6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.functions import activated
from minilite.engines.numba.kernels.tiles import float_tile, sweep
from minilite.engines.numba.kernels.vectors import (
    F32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    constant,
    get_i64,
    load,
    quotient,
    remainder,
    splat,
    store,
    suffix,
    vector,
)
from minilite.engines.numba.packing import POINTS

FLOATS = vector(F32)
Line = list[Value]


def _times(builder: Builder, factor: float, x: Value, y: Value) -> Value:
    """``factor * x + y``."""
    return call(builder, f"llvm.fma.{suffix(FLOATS)}", FLOATS, constant(FLOATS, factor), x, y)


def _input2(b: Builder, d: Line) -> Line:
    return [b.fsub(d[2], d[0]), b.fadd(d[2], d[1]), b.fsub(d[2], d[1]), b.fsub(d[3], d[1])]


def _output2(b: Builder, m: Line) -> Line:
    return [b.fadd(m[0], b.fadd(m[1], m[2])), b.fadd(b.fsub(m[1], m[2]), m[3])]


A, B = POINTS


def _input4(b: Builder, d: Line) -> Line:
    even_a, odd_a = _times(b, -B * B, d[2], d[4]), _times(b, -B * B, d[1], d[3])
    even_b, odd_b = _times(b, -A * A, d[2], d[4]), _times(b, -A * A, d[1], d[3])
    return [
        _times(b, A * A * B * B, d[0], _times(b, -(A * A + B * B), d[2], d[4])),
        _times(b, A, odd_a, even_a),
        _times(b, -A, odd_a, even_a),
        _times(b, B, odd_b, even_b),
        _times(b, -B, odd_b, even_b),
        _times(b, A * A * B * B, d[1], _times(b, -(A * A + B * B), d[3], d[5])),
    ]


def _output4(b: Builder, m: Line) -> Line:
    even_a, odd_a = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
    even_b, odd_b = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
    return [
        b.fadd(m[0], b.fadd(even_a, even_b)),
        _times(b, B, odd_b, b.fmul(constant(FLOATS, A), odd_a)),
        _times(b, B * B, even_b, b.fmul(constant(FLOATS, A * A), even_a)),
        _times(b, B**3, odd_b, _times(b, A**3, odd_a, m[5])),
    ]


TRANSFORMS = {2: (_input2, _output2), 4: (_input4, _output4)}


def _both_ways(builder: Builder, transform: Callable[[Builder, Line], Line], square: list[Line]) -> list[Line]:
    """A transform of the columns, then of the rows."""
    columns = [transform(builder, [row[j] for row in square]) for j in range(len(square[0]))]
    return [transform(builder, [column[i] for column in columns]) for i in range(len(columns[0]))]


def _forth(size: int) -> Any:
    """``forth(image, line, pixel, top, left, height, width, outside, target, step)``: 16 channels of a tile, whose
    first pixel is at ``image``, row ``top`` and column ``left``; what is not in the image is read from ``outside``.
    Transformed pixels are ``step`` bytes apart."""
    transform, side = TRANSFORMS[size][0], size + 2

    @intrinsic
    def forth(typing: Any, image: Any, line: Any, pixel: Any, top: Any, left: Any, height: Any, width: Any,
              outside: Any, target: Any, step: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            image, line, pixel, top, left, height, width, outside, target, step = arguments

            def beyond(first: Value, limit: Value) -> list[Value]:
                numbers = [builder.add(first, constant(I64, i)) for i in range(side)]
                return [builder.icmp_unsigned(">=", number, limit) for number in numbers]

            no_row, no_column, square = beyond(top, height), beyond(left, width), list[Line]()
            for i in range(side):
                at = builder.add(image, builder.mul(line, constant(I64, i)))
                places = [builder.add(at, builder.mul(pixel, constant(I64, j))) for j in range(side)]
                missing = [builder.or_(no_row[i], no) for no in no_column]
                places = [builder.select(no, outside, place) for no, place in zip(missing, places, strict=True)]
                square.append([load(builder, FLOATS, place) for place in places])
            for i, row in enumerate(_both_ways(builder, transform, square)):
                for j, value in enumerate(row):
                    store(builder, value, builder.add(target, builder.mul(step, constant(I64, side * i + j))))
            return context.get_dummy_value()

        return types.void(*[INT64] * 10), generate

    return forth


def _back(size: int, activation: str) -> Any:
    """``back(products, step, bias, constants, out, line, pixel, rows, columns)``: 16 channels of a tile, of which so
    many rows and columns of outputs are wanted."""
    transform, side = TRANSFORMS[size][1], size + 2

    @intrinsic
    def back(typing: Any, products: Any, step: Any, bias: Any, constants: Any, out: Any, line: Any, pixel: Any,
             rows: Any, columns: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            products, step, bias, constants, out, line, pixel, rows, columns = arguments
            first = load(builder, FLOATS, bias)
            low, high = (splat(builder, load(builder, F32, constants, 4 * i)) for i in range(2))
            places = [builder.add(products, builder.mul(step, constant(I64, i))) for i in range(side * side)]
            values = [load(builder, FLOATS, place) for place in places]
            square = [values[side * i :][:side] for i in range(side)]
            for i, row in enumerate(_both_ways(builder, transform, square)):
                here = builder.add(out, builder.mul(line, constant(I64, i)))
                wanted_row = builder.icmp_signed("<", constant(I64, i), rows)
                for j, value in enumerate(row):
                    wanted = builder.and_(wanted_row, builder.icmp_signed("<", constant(I64, j), columns))
                    result = activated(builder, activation, builder.fadd(value, first), low, high)
                    with builder.if_then(wanted, likely=True):
                        store(builder, result, builder.add(here, builder.mul(pixel, constant(I64, j))))
            return context.get_dummy_value()

        return types.void(*[INT64] * 9), generate

    return back


def kernel(size: str, activation: str) -> Callable[[int, int, int, int], None]:
    """``size``: of a tile, 2 or 4. Its row: image, output, filters, biases, constants, a pixel of zeros, two infinities
    (addresses); input and output channels, multiples of 16; input rows and columns; output rows and columns; padding
    above and left; tiles in a row, in an image, in all and in a block; parts.

    A unit is a part of the panels of output channels, of a block of tiles. Filters are packed ``[panel][pixel, input
    channel, output channel]``. Scratch holds the transformed tiles of a block, and a panel of its products."""
    side = (int(size) + 2) ** 2
    output = int(size)
    forth, back = _forth(output), _back(output, activation)

    def tile(height: int, width: int) -> Any:
        return float_tile("fused", "none", height, width, halved=False)

    one, two, three, four = (sweep(tile, width, False) for width in (1, 2, 3, 4))

    @register_jitable
    def transform(row: int, start: int, stop: int, scratch: int) -> None:
        """The tiles of a block."""
        image, outside, depth = get_i64(row), get_i64(row + 40), get_i64(row + 56)
        height, width, above, left = get_i64(row + 72), get_i64(row + 80), get_i64(row + 104), get_i64(row + 112)
        across, each = get_i64(row + 120), get_i64(row + 128)
        pixel = depth * 4
        for number in range(start, stop):
            inside = remainder(number, each)
            top = quotient(inside, across) * output - above
            column = remainder(inside, across) * output - left
            at = image + ((quotient(number, each) * height + top) * width + column) * pixel
            to = scratch + (number - start) * pixel
            for channel in range(0, pixel, 4 * LANES):
                forth(at + channel, width * pixel, pixel, top, column, height, width, outside, to + channel,
                      (stop - start) * pixel)  # fmt: skip

    @register_jitable
    def finish(row: int, start: int, stop: int, products: int, column: int, wide: int) -> None:
        """A panel of outputs, ``wide`` channels from ``column`` on."""
        out, biases, constants = get_i64(row + 8), get_i64(row + 24), get_i64(row + 32)
        units, height, width = get_i64(row + 64), get_i64(row + 88), get_i64(row + 96)
        across, each = get_i64(row + 120), get_i64(row + 128)
        step = (stop - start) * wide * 4
        for number in range(start, stop):
            inside = remainder(number, each)
            y, x = quotient(inside, across) * output, remainder(inside, across) * output
            to = out + (((quotient(number, each) * height + y) * width + x) * units + column) * 4
            at = products + (number - start) * wide * 4
            for channel in range(0, wide * 4, 4 * LANES):
                back(at + channel, step, biases + column * 4 + channel, constants, to + channel, width * units * 4,
                     units * 4, height - y, width - x)  # fmt: skip

    @register_jitable
    def multiply(count: int, width: int, tiles: int, filters: int, products: int, row: int) -> None:
        """All pixels of a block's tiles with a panel of filters."""
        depth, zeros, bounds, wide = get_i64(row + 56), get_i64(row + 40), get_i64(row + 48), width * LANES * 4
        for _ in range(side):
            if width == 4:
                four(count, tiles, depth * 4, 1, 0, depth, filters, zeros, products, wide, 64, bounds, 0)
            elif width == 3:
                three(count, tiles, depth * 4, 1, 0, depth, filters, zeros, products, wide, 48, bounds, 0)
            elif width == 2:
                two(count, tiles, depth * 4, 1, 0, depth, filters, zeros, products, wide, 32, bounds, 0)
            else:
                one(count, tiles, depth * 4, 1, 0, depth, filters, zeros, products, wide, 16, bounds, 0)
            tiles, filters, products = tiles + count * depth * 4, filters + depth * wide, products + count * wide

    def winograd(row: int, first: int, last: int, scratch: int) -> None:
        depth, units = get_i64(row + 56), get_i64(row + 64)
        tiles, block, parts = get_i64(row + 136), get_i64(row + 144), get_i64(row + 152)
        products = scratch + side * block * depth * 4
        panels = quotient(units + 4 * LANES - 1, 4 * LANES)
        ready = -1
        for unit in range(first, last):
            start = quotient(unit, parts) * block
            stop = min(start + block, tiles)
            if start != ready:
                transform(row, start, stop, scratch)
                ready = start
            filters, column = get_i64(row + 16), 0
            for panel in range(panels):
                width = quotient(quotient(units - column, LANES) + panels - panel - 1, panels - panel)
                if quotient(panel * parts, panels) == remainder(unit, parts):
                    multiply(stop - start, width, scratch, filters, products, row)
                    finish(row, start, stop, products, column, width * LANES)
                filters += side * depth * width * LANES * 4
                column += width * LANES

    return winograd
