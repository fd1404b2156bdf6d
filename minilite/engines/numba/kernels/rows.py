"""The rows of a matrix product, laid out in scratch memory: windows side by side, or lines of an image with padding."""

from __future__ import annotations

from numba.extending import register_jitable

from minilite.engines.numba.kernels.vectors import CHUNK, copy_chunk, fill_chunk, get_i64, quotient, remainder


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


@register_jitable
def band(target: int, top: int, count: int, line: int, image: int, window: int, flip: int, padding: int) -> None:
    """``count`` rows of an image with its padding, ``line`` bytes each, from row ``top`` on."""
    height, width, pixel = get_i64(window), get_i64(window + 8), get_i64(window + 16)
    before = min(get_i64(window + 104) * pixel, line)
    inside = max(min(width * pixel, line - before), 0)
    for row in range(count):
        y, at = top + row, target + row * line
        if y < 0 or y >= height:
            fill(at, line, padding)
        else:
            fill(at, before, padding)
            copy(at + before, image + y * width * pixel, inside, flip)
            fill(at + before + inside, line - before - inside, padding)
