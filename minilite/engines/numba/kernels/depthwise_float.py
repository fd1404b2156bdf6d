"""Depthwise convolutions of float32: every channel with filters of its own, 16 channels at a time.

Outputs beside each other are computed together, so that a column of the image is loaded once for all of them. Rows
that are missing above or below are left out; columns that are missing are read from a pixel of zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.functions import activated
from minilite.engines.numba.kernels.sums import MULTIPLY_ADD
from minilite.engines.numba.kernels.vectors import (
    F32,
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
from minilite.engines.numba.packing import few

TOGETHER = (7, 5)
"""How many outputs are computed together where a row has as many. (Halving 224 five times leaves 7, 320 six times 5; 8
of 256 are two fives.) Shorter rows are computed by fours, or one by one."""


class Block(NamedTuple):
    """What outputs beside each other are told. ``image`` is the address of the first one's first column in the first
    row that is there; ``column`` its number, of ``width``; columns lie ``pixel`` bytes apart, the filter's rows
    ``line``."""

    image: Value
    column: Value
    width: Value
    pixel: Value
    line: Value
    rows: Value
    taps: Value
    step: Value
    dilation: Value
    filters: Value
    filter_line: Value
    bias: Value
    out: Value
    out_step: Value
    left: Value
    constants: Value
    outside: Value


def _columns(builder: Builder, block: Block, line: Value, checked: bool, floats: Any) -> Callable[[Value], Value]:
    """What loads a column of a row by its number from the block's first one."""

    def column(number: Value) -> Value:
        here = builder.add(line, builder.mul(number, block.pixel))
        if checked:
            inside = builder.icmp_unsigned("<", builder.add(block.column, number), block.width)
            here = builder.select(inside, here, block.outside)
        return load(builder, floats, here)

    return column


def _block(how: str, activation: str, count: int, taps: int, step: int, checked: bool, lanes: int) -> Any:
    """``count`` outputs of 16 or 8 channels. ``taps`` columns of the filter and ``step`` columns from output to output,
    with no dilation, or 0 where they are told."""
    multiply_add, floats = MULTIPLY_ADD[how], vector(F32, lanes)

    def row(builder: Builder, block: Block, line: Value, filters: Value, sums: list[Value]) -> None:
        column = _columns(builder, block, line, checked, floats)
        found = [column(constant(I64, c)) for c in range((count - 1) * step + taps)]
        for tap in range(taps):
            filter_ = load(builder, floats, filters, 64 * tap, 64)
            for i, place in enumerate(sums):
                builder.store(multiply_add(builder, builder.load(place), found[i * step + tap], filter_), place)

    def any_row(builder: Builder, block: Block, line: Value, filters: Value, sums: list[Value]) -> None:
        column = _columns(builder, block, line, checked, floats)
        with cgutils.for_range(builder, block.taps, intp=I64) as tap:
            filter_ = load(builder, floats, builder.add(filters, builder.mul(tap.index, constant(I64, 64))), 0, 64)
            first = builder.mul(tap.index, block.dilation)
            for i, place in enumerate(sums):
                found = column(builder.add(first, builder.mul(block.step, constant(I64, i))))
                builder.store(multiply_add(builder, builder.load(place), found, filter_), place)

    @intrinsic
    def run(typing: Any, image: Any, column: Any, width: Any, pixel: Any, line: Any, rows: Any, taps_: Any, step_: Any,
            dilation: Any, filters: Any, filter_line: Any, bias: Any, out: Any, out_step: Any, left: Any,
            constants: Any, outside: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            block = Block(*arguments)
            start = load(builder, floats, block.bias)
            sums = [cgutils.alloca_once(builder, floats) for _ in range(count)]
            for place in sums:
                builder.store(start if how == "fused" else constant(floats, 0.0), place)
            with cgutils.for_range(builder, block.rows, intp=I64) as fy:
                here = builder.add(block.image, builder.mul(fy.index, block.line))
                filters = builder.add(block.filters, builder.mul(fy.index, block.filter_line))
                (row if taps else any_row)(builder, block, here, filters, sums)
            low, high = (splat(builder, load(builder, F32, block.constants, 4 * i), lanes) for i in range(2))
            for i, place in enumerate(sums):
                total = builder.load(place)
                total = total if how == "fused" else builder.fadd(total, start)
                at = builder.add(block.out, builder.mul(block.out_step, constant(I64, i)))
                store_some(builder, activated(builder, activation, total, low, high), at, block.left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 17), generate

    return run


_few = register_jitable(few)


def _line(how: str, activation: str, taps: int, step: int, lanes: int = LANES) -> Any:
    """A row of outputs of 16 channels or 8, of which smaller tiles compute the first ``fives``."""
    large, small = (_some(how, activation, count, taps, step, lanes) for count in TOGETHER)
    four, one = (_some(how, activation, count, taps, step, lanes) for count in (4, 1))

    @register_jitable(forceinline=True)
    def line(out_width: int, fives: int, given: tuple[int, ...]) -> None:
        if out_width > 4:
            if fives > 0:
                small(0, fives, out_width, *given)
            if fives < out_width:
                large(fives, out_width, out_width, *given)
        elif out_width == 4:
            four(0, 4, 4, *given)
        else:
            one(0, out_width, out_width, *given)

    return line


def _some(how: str, activation: str, count: int, taps: int, step: int, lanes: int) -> Any:
    """Outputs ``first`` to ``last`` of a row, ``count`` at a time; the last ones overlap those before, of which there
    are as many at least."""
    inside, edge = (_block(how, activation, count, taps, step, checked, lanes) for checked in (False, True))

    @register_jitable
    def some(first: int, last: int, out_width: int, image: int, left: int, width: int, pixel: int, dilated_line: int,
             rows: int, taps_: int, step_: int, dilation: int, filters: int, filter_line: int, bias: int, out: int,
             channels: int, constants: int, outside: int) -> None:  # fmt: skip
        x = first
        while x < last:
            x = min(x, out_width - count)
            column = x * step_ - left
            here, to = image + column * pixel, out + x * pixel
            if column >= 0 and column + (count - 1) * step_ + (taps_ - 1) * dilation < width:
                inside(here, column, width, pixel, dilated_line, rows, taps_, step_, dilation, filters, filter_line,
                       bias, to, pixel, channels, constants, outside)  # fmt: skip
            else:
                edge(here, column, width, pixel, dilated_line, rows, taps_, step_, dilation, filters, filter_line,
                     bias, to, pixel, channels, constants, outside)  # fmt: skip
            x += count

    return some


def kernel(how: str, activation: str, taps: str, step: str) -> Callable[[int, int, int, int], None]:
    """``taps`` and ``step``: columns of the filter and from output to output where columns are not dilated; "0": any. A
    unit is an output row. Its row: image, output, weights, biases, constants, a pixel of zeros (addresses); channels;
    input rows and columns; output rows and columns; filter rows and columns; strides, dilations, padding above and
    left."""
    line_of = _line(how, activation, int(taps), int(step))
    half_line = _line(how, activation, int(taps), int(step), LANES // 2)

    def depthwise(row: int, first: int, last: int, scratch: int) -> None:
        image, out, weights = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        biases, constants, outside = get_i64(row + 24), get_i64(row + 32), get_i64(row + 40)
        depth, height, width = get_i64(row + 48), get_i64(row + 56), get_i64(row + 64)
        out_height, out_width = get_i64(row + 72), get_i64(row + 80)
        filter_height, filter_width = get_i64(row + 88), get_i64(row + 96)
        stride_y, stride_x = get_i64(row + 104), get_i64(row + 112)
        dilation_y, dilation_x = get_i64(row + 120), get_i64(row + 128)
        above, left = get_i64(row + 136), get_i64(row + 144)
        pixel, filter_line = depth * 4, filter_width * 64
        fives = min(_few(out_width, *TOGETHER) * TOGETHER[1], out_width) if out_width >= TOGETHER[0] else out_width
        for unit in range(first, last):
            top = remainder(unit, out_height) * stride_y - above
            begin, end = 0, filter_height
            while begin < end and top + begin * dilation_y < 0:
                begin += 1
            while begin < end and top + (end - 1) * dilation_y >= height:
                end -= 1
            here = image + (quotient(unit, out_height) * height + top + begin * dilation_y) * width * pixel
            to, line = out + unit * out_width * pixel, dilation_y * width * pixel
            for channel in range(0, depth, LANES):
                filters = weights + channel * filter_height * filter_width * 4 + begin * filter_line
                at, bias, on = here + channel * 4, biases + channel * 4, to + channel * 4
                rest = depth - channel
                given = (at, left, width, pixel, line, end - begin, filter_width, stride_x, dilation_x, filters,
                         filter_line, bias, on, rest, constants, outside)  # fmt: skip
                if rest <= LANES // 2:
                    half_line(out_width, fives, given)
                else:
                    line_of(out_width, fives, given)

    return depthwise
