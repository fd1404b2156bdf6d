"""RESIZE_BILINEAR: each pixel between four of another image, 16 channels at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.vectors import (
    F32,
    I32,
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

Values = list[Value]
Between = Callable[[Builder, Values, Values], Value]
"""From the corners (upper left, lower left, upper right, lower right) and the weights (of the upper and the lower row,
of the left and the right column) to what lies between them."""


def _terms(builder: Builder, corners: Values, weights: Values) -> Value:
    """The definition's four products, added up in its order."""
    top, bottom, left, right = weights
    pairs = ((top, left), (bottom, left), (top, right), (bottom, right))
    products = [builder.fmul(builder.fmul(c, row), column) for c, (row, column) in zip(corners, pairs, strict=True)]
    total = products[0]
    for product in products[1:]:
        total = builder.fadd(total, product)
    return total


def _cut_terms(builder: Builder, corners: Values, weights: Values) -> Value:
    """Of bytes: the same, rounded half up."""
    total = _terms(builder, [builder.sitofp(corner, vector(F32)) for corner in corners], weights)
    return builder.fptosi(builder.fadd(total, constant(total.type, 0.5)), vector(I32))


def _cut_weights(builder: Builder, corners: Values, weights: Values) -> Value:
    """Of bytes: the weights' products first; upper left, upper right, lower left, lower right; rounded half up."""
    top, bottom, left, right = weights
    a, b, c, d = (builder.sitofp(corner, vector(F32)) for corner in corners)
    total = builder.fmul(a, builder.fmul(top, left))
    for corner, row, column in ((c, top, right), (b, bottom, left), (d, bottom, right)):
        total = builder.fadd(total, builder.fmul(corner, builder.fmul(row, column)))
    return builder.fptosi(builder.fadd(total, constant(total.type, 0.5)), vector(I32))


def _half_away(builder: Builder, corners: Values, weights: Values) -> Value:
    """Weights in 1/1024; rounded half away from zero. What int32 holds has been proved of the whole sum."""
    top, bottom, left, right = weights
    pairs = ((top, left), (bottom, left), (top, right), (bottom, right))
    products = [builder.mul(c, builder.mul(row, column)) for c, (row, column) in zip(corners, pairs, strict=True)]
    total = builder.add(builder.add(products[0], products[1]), builder.add(products[2], products[3]))
    zero, half, bits = (constant(total.type, n) for n in (0, 1 << 19, 20))
    negative = builder.icmp_signed("<", total, zero)
    size = builder.select(negative, builder.sub(zero, total), total)
    size = builder.ashr(builder.add(size, half), bits)
    return builder.select(negative, builder.sub(zero, size), size)


def _half_up(builder: Builder, corners: Values, weights: Values) -> Value:
    """Weights in 1/2048, columns first; rounded half up."""
    _, far, left, right = weights
    lines = [builder.add(builder.mul(corners[i], left), builder.mul(corners[i + 2], right)) for i in range(2)]
    eleven, half, bits = (constant(far.type, n) for n in (11, 1 << 21, 22))
    total = builder.add(builder.shl(lines[0], eleven), builder.mul(builder.sub(lines[1], lines[0]), far))
    return builder.ashr(builder.add(total, half), bits)


def _half_away_wide(builder: Builder, corners: Values, weights: Values) -> Value:
    """Of 16 bits, in int64."""
    corners = [builder.sext(corner, vector(I64)) for corner in corners]
    return builder.trunc(_half_away(builder, corners, weights), vector(I32))


BETWEEN: dict[str, Between] = {
    "terms": _terms,
    "cut terms": _cut_terms,
    "cut weights": _cut_weights,
    "half away": _half_away,
    "half away wide": _half_away_wide,
    "half up": _half_up,
}
WEIGHTS = {"terms": F32, "cut terms": F32, "cut weights": F32, "half away wide": I64}
"""The types of weights; int32 in all other ways."""


def _pixel(type_: str, how: str) -> Any:
    """``pixel(upper left, lower left, upper right, lower right, row, column, out, left)``: 16 channels. ``row`` and
    ``column`` are addresses of two weights, 8 bytes apart."""
    element, weight = ELEMENTS[type_], WEIGHTS.get(how, I32)

    @intrinsic
    def pixel(typing: Any, a: Any, b: Any, c: Any, d: Any, row: Any, column: Any, out: Any, left: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            *places, row, column, out, left = arguments
            weights = [splat(builder, load(builder, weight, at, offset)) for at in (row, column) for offset in (0, 8)]
            result = BETWEEN[how](builder, [element.load(builder, place) for place in places], weights)
            store_some(builder, element.narrowed(builder, result), out, left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 8), generate

    return pixel


def kernel(type_: str, how: str) -> Callable[[int, int, int, int], None]:
    """``how``: a way of :data:`BETWEEN`. A unit is an output row. Its row: image, output, rows,
    columns (addresses); channels; output rows and columns; bytes of an image.

    For every output row and column there are four numbers of 8 bytes: where the pixels before and behind it begin, in
    bytes, and the weights of both (float32, in the first half of their 8 bytes, or integers)."""
    pixel, size = _pixel(type_, how), ELEMENTS[type_].size

    def resize_bilinear(row: int, first: int, last: int, scratch: int) -> None:
        image, out, rows, columns = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        depth, height, width, whole = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48), get_i64(row + 56)
        for unit in range(first, last):
            y = rows + 32 * remainder(unit, height)
            base = image + quotient(unit, height) * whole
            upper, lower = base + get_i64(y), base + get_i64(y + 8)
            for position in range(width):
                x = columns + 32 * position
                left, right = get_i64(x), get_i64(x + 8)
                to = out + (unit * width + position) * depth * size
                channel = 0
                while channel < depth:
                    at = channel * size
                    pixel(upper + left + at, lower + left + at, upper + right + at, lower + right + at,
                          y + 16, x + 16, to + at, depth - channel)  # fmt: skip
                    channel += LANES

    return resize_bilinear
