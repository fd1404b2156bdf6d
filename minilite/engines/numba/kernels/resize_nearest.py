"""RESIZE_NEAREST_NEIGHBOR: each pixel a copy of another image's."""

from __future__ import annotations

from collections.abc import Callable

from minilite.engines.numba.kernels.moving import move
from minilite.engines.numba.kernels.vectors import get_i64, quotient, remainder


def kernel() -> Callable[[int, int, int, int], None]:
    """A unit is an output row. Its row: image, output, rows, columns (addresses); bytes of a pixel; output rows and
    columns; bytes of an image. For every output row and column there is one number, int64: where the row or the pixel
    begins that it is a copy of, in bytes."""

    def resize_nearest(row: int, first: int, last: int, scratch: int) -> None:
        image, out, rows, columns = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        pixel, height, width, whole = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48), get_i64(row + 56)
        line, before = width * pixel, -1
        for unit in range(first, last):
            start = quotient(unit, height) * whole + get_i64(rows + 8 * remainder(unit, height))
            to = out + unit * line
            if start == before:
                move(to, to - line, line)
            else:
                for x in range(width):
                    move(to + x * pixel, image + start + get_i64(columns + 8 * x), pixel)
            before = start

    return resize_nearest
