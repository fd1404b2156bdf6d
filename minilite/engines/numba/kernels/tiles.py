"""Tiles of a matrix product, and sweeps of them over the rows of a block.

A tile is ``height`` rows times ``width`` vectors of 16 channels, whose sums stay in registers until they are rounded,
or become floats, and are stored. Tiles come in two heights that cover most blocks without rest; else the fewest rows
are computed twice, in a tile that overlaps the one above. Blocks of fewer rows than a tile go row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.functions import activated
from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds, Hybrid
from minilite.engines.numba.kernels.sums import MULTIPLY_ADD, dot4
from minilite.engines.numba.kernels.vectors import (
    F32,
    I8,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    clip,
    constant,
    flipped,
    load,
    splat,
    store_some,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES, HEIGHTS, NUMBERS, few

# ---- tiles -----------------------------------------------------------------------------------------------------------


class Tile(NamedTuple):
    """What a tile is told. A row's terms lie in ``segments`` pieces of ``steps`` times 4 bytes."""

    rows: Value
    stride: Value
    segments: Value
    segment_stride: Value
    steps: Value
    weights: Value
    channels: Value
    out: Value
    out_stride: Value
    columns: Value
    constants: Value
    extra: Value


def one_row(rows: Value, steps: Value, weights: Value) -> Tile:
    """A tile whose only row lies in one piece, for :func:`integer_sums`."""
    none = constant(I64, 0)
    return Tile(*[none] * len(Tile._fields))._replace(
        rows=rows, segments=constant(I64, 1), steps=steps, weights=weights
    )


def _sums(
    builder: Builder, tile: Tile, height: int, width: int, start: list[Value], body: Callable[..., None]
) -> list[list[Value]]:
    """``height`` times ``width`` sums over all steps of all segments; ``body(rows, taps, sums)`` adds one step."""
    places = [[cgutils.alloca_once_value(builder, start[v]) for v in range(width)] for _ in range(height)]
    bytes_ = constant(I64, 4 * LANES * width)
    with cgutils.for_range(builder, tile.segments, intp=I64) as segment:
        rows = builder.add(tile.rows, builder.mul(segment.index, tile.segment_stride))
        taps = builder.add(tile.weights, builder.mul(builder.mul(segment.index, tile.steps), bytes_))
        with cgutils.for_range(builder, tile.steps, intp=I64) as step:
            here = builder.add(rows, builder.mul(step.index, constant(I64, 4)))
            body(here, builder.add(taps, builder.mul(step.index, bytes_)), places)
    return [[builder.load(place) for place in row] for row in places]


def _stored(builder: Builder, values: list[Value], address: Value, columns: Value, size: int) -> None:
    """Store a row of vectors, of which ``columns`` lanes are wanted."""
    lanes = values[0].type.count
    for v, value in enumerate(values):
        left = builder.sub(columns, constant(I64, v * lanes))
        store_some(builder, value, builder.add(address, constant(I64, v * lanes * size)), left)


def _tile(generate_: Callable[[Builder, Tile], None]) -> Any:
    """An intrinsic from what emits it."""

    @intrinsic
    def tile(typing: Any, rows: Any, stride: Any, segments: Any, segment_stride: Any, steps: Any, weights: Any,
             channels: Any, out: Any, out_stride: Any, columns: Any, constants: Any, extra: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            generate_(builder, Tile(*arguments))
            return context.get_dummy_value()

        return types.void(*[INT64] * 12), generate

    return tile


def integer_tile(dot: str, rounding: str, height: int, width: int, unsigned: bool) -> Any:
    """A tile of bytes, steps of four terms. ``constants`` is the address of zero point, low and high (less the zero
    point), int64 each. ``unsigned``: outputs are stored xor 128, and to all sums of a row a number of its own is added:
    the int32 at ``extra`` and behind."""
    block = CHANNEL_BYTES[rounding]

    def generate(builder: Builder, tile: Tile) -> None:
        start = [load(builder, vector(I32), tile.channels, v * block, 64) for v in range(width)]
        sums = integer_sums(builder, tile, dot, height, start)
        rounded = [ROUNDINGS[rounding](builder, tile.channels, v * block) for v in range(width)]
        bounds = Bounds(builder, tile.constants)
        for row in range(height):
            at = builder.add(tile.out, builder.mul(tile.out_stride, constant(I64, row)))
            if unsigned:
                more = splat(builder, load(builder, I32, tile.extra, 4 * row))
                sums[row] = [builder.add(acc, more) for acc in sums[row]]
            if width == 4:
                steps = [rounded[v].steps(builder, acc, bounds) for v, acc in enumerate(sums[row])]
                found = [bounds.packed(builder, steps, packs=dot == "vnni")]
            else:
                values = [rounded[v](builder, acc, bounds) for v, acc in enumerate(sums[row])]
                found = [builder.trunc(x, vector(I8)) for x in values]
            _stored(builder, [flipped(builder, x) for x in found] if unsigned else found, at, tile.columns, 1)

    return _tile(generate)


def integer_sums(builder: Builder, tile: Tile, dot: str, height: int, start: list[Value]) -> list[list[Value]]:
    """The sums of a tile of int8."""
    bytes_, width = vector(I8, 4 * LANES), len(start)

    def body(rows: Value, taps: Value, sums: list[list[Value]]) -> None:
        filters = [load(builder, bytes_, taps, 64 * v, 64) for v in range(width)]
        for row in range(height):
            at = builder.add(rows, builder.mul(tile.stride, constant(I64, row)))
            four = builder.bitcast(splat(builder, load(builder, I32, at)), bytes_)
            for v in range(width):
                builder.store(dot4(builder, dot, builder.load(sums[row][v]), four, filters[v]), sums[row][v])

    return _sums(builder, tile, height, width, start, body)


def hybrid_tile(dot: str, rounding: str, height: int, width: int) -> Any:
    """A tile of int8 that ends in floats. ``constants`` is the address of low and high, float32 each; of int64 1 if
    each row has its zero point and scale behind it; and, if not, of those of all rows."""

    def generate(builder: Builder, tile: Tile) -> None:
        sums = integer_sums(builder, tile, dot, height, [constant(vector(I32), 0)] * width)
        channels = [Hybrid(builder, tile.channels, v * CHANNEL_BYTES[rounding], rounding) for v in range(width)]
        low, high = (splat(builder, load(builder, F32, tile.constants, 4 * i, 4)) for i in range(2))
        each = builder.icmp_signed("==", load(builder, I64, tile.constants, 8), constant(I64, 1))
        behind = builder.add(tile.rows, builder.mul(tile.steps, constant(I64, 4)))
        numbers = builder.select(each, behind, builder.add(tile.constants, constant(I64, NUMBERS)))
        step = builder.select(each, tile.stride, constant(I64, 0))
        for row in range(height):
            of_row = builder.add(numbers, builder.mul(step, constant(I64, row)))
            at = builder.add(tile.out, builder.mul(tile.out_stride, constant(I64, row)))
            values = [channel(builder, acc, of_row) for channel, acc in zip(channels, sums[row], strict=True)]
            _stored(builder, [clip(builder, x, low, high) for x in values], at, tile.columns, 4)

    return _tile(generate)


def float_tile(step_of: str, activation: str, height: int, width: int, halved: bool) -> Any:
    """A tile of float32; ``constants`` is the address of low and high, float32 each. With fused sums the bias comes
    first, with separate ones last, as in the kernels that have them. If it is ``halved``, the last vector has 8 lanes:
    the rest of the panel is left alone."""
    lanes = [*[LANES] * (width - 1), LANES // 2 if halved else LANES]
    types_ = [vector(F32, n) for n in lanes]
    multiply_add = MULTIPLY_ADD[step_of]

    def generate(builder: Builder, tile: Tile) -> None:
        def body(rows: Value, taps: Value, sums: list[list[Value]]) -> None:
            filters = [load(builder, floats, taps, 64 * v, 64) for v, floats in enumerate(types_)]
            for row in range(height):
                at = builder.add(rows, builder.mul(tile.stride, constant(I64, row)))
                one = load(builder, F32, at, 0, 4)
                for v in range(width):
                    acc = builder.load(sums[row][v])
                    builder.store(multiply_add(builder, acc, splat(builder, one, lanes[v]), filters[v]), sums[row][v])

        biases = [load(builder, floats, tile.channels, 64 * v, 4) for v, floats in enumerate(types_)]
        zeros = [constant(floats, 0.0) for floats in types_]
        sums = _sums(builder, tile, height, width, biases if step_of == "fused" else zeros, body)
        limits = [load(builder, F32, tile.constants, 4 * i, 4) for i in range(2)]
        for row in range(height):
            values = sums[row]
            if step_of == "separate":
                values = [builder.fadd(acc, b) for acc, b in zip(values, biases, strict=True)]
            ends = [
                activated(builder, activation, x, *(splat(builder, limit, n) for limit in limits))
                for x, n in zip(values, lanes, strict=True)
            ]
            at = builder.add(tile.out, builder.mul(tile.out_stride, constant(I64, row)))
            _stored(builder, ends, at, tile.columns, 4)

    return _tile(generate)


# ---- sweeps ----------------------------------------------------------------------------------------------------------


_few = register_jitable(few)


def sweep(tile: Callable[[int, int], Any], width: int, portable: bool) -> Any:
    """All rows of a block times one panel that is ``width`` vectors wide, by the tiles of ``tile(height, width)``."""
    tall, low = (max(2, 8 // width), 1) if portable else HEIGHTS[width]
    large, small, single = tile(tall, width), tile(low, width), tile(1, width)

    @register_jitable
    def rows_of(count: int, rows: int, stride: int, segments: int, segment_stride: int, steps: int, weights: int,
                channels: int, out: int, out_stride: int, columns: int, constants: int,
                extra: int) -> None:  # fmt: skip
        i = 0
        if count < low:
            while i < count:
                single(rows + i * stride, stride, segments, segment_stride, steps, weights, channels,
                       out + i * out_stride, out_stride, columns, constants, extra + i * 4)  # fmt: skip
                i += 1
            return
        first = min(_few(count, tall, low) * low, count)
        if count < tall:
            first = count
        while i < first:
            i = min(i, count - low)
            small(rows + i * stride, stride, segments, segment_stride, steps, weights, channels,
                  out + i * out_stride, out_stride, columns, constants, extra + i * 4)  # fmt: skip
            i += low
        while i < count:
            i = min(i, count - tall)
            large(rows + i * stride, stride, segments, segment_stride, steps, weights, channels,
                  out + i * out_stride, out_stride, columns, constants, extra + i * 4)  # fmt: skip
            i += tall

    return rows_of
