"""Convolutions and fully connected layers: rows gathered from the image, times packed filters.

A kernel takes blocks of output pixels, multiplied with one panel of up to 64 output channels after the other, a tile at
a time: ``height`` rows times ``width`` vectors of 16 channels, whose sums stay in registers until they are rounded and
stored. Where the rows come from is the layout (:mod:`minilite.engines.numba.packing`): a block's windows laid side by
side in scratch memory; a band of the image with its padding, in which a window is a piece of each of some lines; or the
image itself.

Integers  Rows of int8 are stored xor 128, as unsigned numbers ``a + 128``: the dot products of x86 take unsigned times
          signed numbers. Filters are packed ``[panel, terms / 4, channels, 4]`` with zeros in what is added; what the
          128 and the zero point add to every sum is part of the channels' biases. The channels of a panel of 64 are in
          the order in which packing four vectors to bytes takes them. Rows of uint8 are unsigned already; their filters
          are packed less 128, and what the filters' zero point then takes of a row's sums is the same for all channels:
          a multiple of the sum of the row.
Floats    Rows as they are; filters packed ``[panel, terms, channels]``; fused or separate multiply and add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.extending import register_jitable

from minilite.engines.numba.kernels.rows import band, copy, gather
from minilite.engines.numba.kernels.sums import byte_sum
from minilite.engines.numba.kernels.tiles import float_tile, hybrid_tile, integer_tile, sweep
from minilite.engines.numba.kernels.vectors import LANES, get_i32, get_i64, put_i32, quotient, remainder
from minilite.engines.numba.packing import BAND, CHANNEL_BYTES, IN_PLACE, NUMBERS, ROWS, TO_FLOATS


def _by_width(one: Any, two: Any, three: Any, four: Any) -> Any:
    """A panel of so many vectors."""

    @register_jitable
    def panel(width: int, given: tuple[int, ...]) -> None:
        if width == 4:
            four(*given)
        elif width == 3:
            three(*given)
        elif width == 2:
            two(*given)
        else:
            one(*given)

    return panel


def _by_halves(one: Any, two: Any, three: Any, four: Any, half: Any, one_half: Any, two_half: Any) -> Any:
    """A panel of so many vectors, of which the last is a half one where that is enough. (Of 64 channels, 8 are not
    worth compiling that.)"""

    @register_jitable
    def panel(width: int, given: tuple[int, ...]) -> None:
        is_half = given[10] <= width * LANES - LANES // 2
        if width == 4:
            four(*given)
        elif width == 3:
            if is_half:
                two_half(*given)
            else:
                three(*given)
        elif width == 2:
            if is_half:
                one_half(*given)
            else:
                two(*given)
        elif is_half:
            half(*given)
        else:
            one(*given)

    return panel


def kernel(kind: str, how: str, rounding: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``int8`` or ``uint8`` (how: vnni or portable) or ``float32`` (how: fused or separate; in
    the place of a rounding the activation). Of hybrid layers, whose rounding is one to floats, the padding is the zero
    point.

    Its row: image, output, weights, channels, constants (addresses); output rows of the product; output channels; bytes
    of a segment's terms (whole steps), segments; bytes from row to row and from segment to segment; rows of a block,
    bytes between output rows; flip, padding; the layout; units that share a block's panels, panels of each; of
    uint8, bytes of a segment that are terms, and where in scratch memory what rows add begins; then the numbers of
    :func:`gather` and, for bands, output rows of the image in a block and bytes of a line."""
    is_float, is_hybrid, unsigned = kind == "float32", rounding in TO_FLOATS, kind == "uint8"
    size = 4 if is_float or is_hybrid else 1
    channel_bytes = 64 if is_float else CHANNEL_BYTES[rounding]

    def tile(height: int, width: int) -> Any:
        if is_float:
            return float_tile(how, rounding, height, width, halved=False)
        if is_hybrid:
            return hybrid_tile(how, rounding, height, width)
        return integer_tile(how, rounding, height, width, unsigned)

    def halved(height: int, width: int) -> Any:
        return float_tile(how, rounding, height, width, halved=True)

    one, two, three, four = (sweep(tile, width, how == "portable") for width in (1, 2, 3, 4))
    times = _by_width(one, two, three, four)
    if is_float:
        times = _by_halves(one, two, three, four, *(sweep(halved, width, False) for width in (1, 2, 3)))

    row_sum = byte_sum(how)

    @register_jitable
    def panels(count: int, lines: int, out: int, row: int, skipped: int, wanted: int, extra: int) -> None:
        """So many rows times ``wanted`` panels, or those there are, after the first ``skipped``."""
        panel, channels, constants = get_i64(row + 16), get_i64(row + 24), get_i64(row + 32)
        columns, segment, segments = get_i64(row + 48), get_i64(row + 56), get_i64(row + 64)
        stride, segment_stride, out_stride = get_i64(row + 72), get_i64(row + 80), get_i64(row + 96)
        steps = segment // 4
        if unsigned:
            for i in range(count):
                total = 0
                for part in range(segments):
                    total += row_sum(lines + i * stride + part * segment_stride, get_i64(row + 144))
                put_i32(extra + 4 * i, total * get_i64(constants + 24))
        column, index = 0, 0
        while column < columns and index < skipped + wanted:
            left = columns - column
            vectors = (left + LANES - 1) // LANES
            width = min(vectors, 4)
            if is_float:
                cuts = (vectors + 3) // 4
                width = quotient(vectors + cuts - 1, cuts)
            table, to = channels + column // LANES * channel_bytes, out + column * size
            if index >= skipped:
                given = (count, lines, stride, segments, segment_stride, steps, panel, table, to, out_stride, left,
                         constants, extra)  # fmt: skip
                times(width, given)
            panel += width * LANES * segments * segment
            column += width * LANES
            index += 1

    def matmul(row: int, first: int, last: int, scratch: int) -> None:
        image, out, rows = get_i64(row), get_i64(row + 8), get_i64(row + 40)
        stride, block, out_stride = get_i64(row + 72), get_i64(row + 88), get_i64(row + 96)
        flip, padding, layout, window = get_i64(row + 104), get_i64(row + 112), get_i64(row + 120), row + 160
        parts, wanted, extra = get_i64(row + 128), get_i64(row + 136), scratch + get_i64(row + 152)
        if is_hybrid:
            padding = get_i32(get_i64(row + 32) + NUMBERS)
        for unit in range(first, last):
            place, skipped = quotient(unit, parts), remainder(unit, parts) * wanted
            if layout == BAND:
                height, width, pixel = get_i64(window), get_i64(window + 8), get_i64(window + 16)
                out_height, out_width = get_i64(window + 32), get_i64(window + 40)
                some, line = get_i64(window + 112), get_i64(window + 120)
                bands = quotient(out_height + some - 1, some)
                top, batch = remainder(place, bands) * some, quotient(place, bands)
                many = min(some, out_height - top)
                step, reach = get_i64(window + 64), (get_i64(window + 48) - 1) * get_i64(window + 80)
                band(scratch, top * step - get_i64(window + 96), (many - 1) * step + reach + 1, line,
                     image + batch * height * width * pixel, window, flip, padding)  # fmt: skip
                for y in range(many):
                    to = out + (batch * out_height + top + y) * out_width * out_stride
                    panels(out_width, scratch + y * step * line, to, row, skipped, wanted, extra)
                continue
            start = place * block
            stop = min(start + block, rows)
            lines = scratch
            if layout == IN_PLACE:
                lines = image + start * stride
            elif layout == ROWS:
                copy(scratch, image + start * stride, (stop - start) * stride, flip)
            else:
                gather(scratch, stride, start, stop, image, window, flip, padding)
            panels(stop - start, lines, out + start * out_stride, row, skipped, wanted, extra)

    return matmul
