"""SVDF of float activations; the weights are floats, or int8 (hybrid), of which those over time become floats.

New entries of the state are a product of a row with 64 filters at a time. Then the state moves by one entry, in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.cell_sums import HYBRID, both_products, quantizing, table_size
from minilite.engines.numba.kernels.vectors import (
    CHUNK,
    I8,
    I64,
    INT64,
    Builder,
    Value,
    constant,
    get_f32,
    get_i64,
    load,
    put_f32,
    store_some,
    vector,
)

# The row. Addresses: input, output, state; weights and channels of the features; channels of nothing; weights over
# time; biases; numbers. Then terms, filters, entries of a filter, filters of an output, outputs, and whether those are
# clipped.
X, OUT, STATE, WEIGHTS, TABLE, NO_TABLE, TIMES, BIASES, NUMBERS = range(0, 72, 8)
TERMS, FILTERS, MEMORY, RANK, UNITS, CLIPPED = range(72, 120, 8)
# At NUMBERS, float32: infinity, to which features are clipped; the ends of outputs.
LOW, HIGH = 4, 8


@intrinsic
def forget(typing: Any, state: Any, count: Any, size: Any) -> Any:
    """Move ``count`` bytes down by ``size``; what is left at the end stays."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        state, count, size = arguments
        chunks = builder.ashr(builder.add(count, constant(I64, CHUNK - 1)), constant(I64, 6))
        with cgutils.for_range(builder, chunks, intp=I64) as loop:
            done = builder.mul(loop.index, constant(I64, CHUNK))
            to = builder.add(state, done)
            store_some(builder, load(builder, vector(I8, CHUNK), builder.add(to, size)), to, builder.sub(count, done))
        return context.get_dummy_value()

    return types.void(*[INT64] * 3), generate


@register_jitable
def _in_lanes(a: int, b: int, count: int, zero: float) -> float:
    """The sum of products: four sums, each of every fourth one, then what is left over."""
    first, second, third, fourth = zero, zero, zero, zero
    whole = count & ~3
    for i in range(0, 4 * whole, 16):
        first += get_f32(a + i) * get_f32(b + i)
        second += get_f32(a + i + 4) * get_f32(b + i + 4)
        third += get_f32(a + i + 8) * get_f32(b + i + 8)
        fourth += get_f32(a + i + 12) * get_f32(b + i + 12)
    total = first + second + third + fourth
    for i in range(whole, count):
        total += get_f32(a + 4 * i) * get_f32(b + 4 * i)
    return total


@register_jitable
def _in_turn(a: int, b: int, count: int, zero: float) -> float:
    total = zero
    for i in range(count):
        total += get_f32(a + 4 * i) * get_f32(b + 4 * i)
    return total


@register_jitable
def _total_in_lanes(x: int, count: int, bias: float, zero: float) -> float:
    """The sum of numbers as in :func:`_in_lanes`, then the bias."""
    first, second, third, fourth = zero, zero, zero, zero
    whole = count & ~3
    for i in range(0, 4 * whole, 16):
        first += get_f32(x + i)
        second += get_f32(x + i + 4)
        third += get_f32(x + i + 8)
        fourth += get_f32(x + i + 12)
    total = first + second + third + fourth
    for i in range(whole, count):
        total += get_f32(x + 4 * i)
    return total + bias


@register_jitable
def _total_in_turn(x: int, count: int, bias: float, zero: float) -> float:
    """The bias, then the numbers."""
    for i in range(count):
        bias += get_f32(x + 4 * i)
    return bias


def kernel(products: str, how: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: products in the order ``four`` or ``sequential``, with any ``how``; or hybrid ones,
    ``symmetric`` or ``asymmetric``, where that is the dot product.

    A unit is a row of the batch. Scratch memory has features of whole panels and, if they are hybrid, the input as
    bytes, with 8 bytes before it for its numbers and 64 behind."""
    taken, both, is_hybrid = quantizing(products), both_products(products, how), products in HYBRID
    table_bytes, one_by_one = table_size(products), products == "sequential"
    dot, total = (_in_turn, _total_in_turn) if one_by_one else (_in_lanes, _total_in_lanes)

    @register_jitable
    def features_of(row: int, features: int, x: int) -> None:
        terms, none, weights = get_i64(row + TERMS), get_i64(row + NO_TABLE), get_i64(row + WEIGHTS)
        steps = (terms + 3) >> 2 if is_hybrid else terms
        for block in range((get_i64(row + FILTERS) + 63) >> 6):
            table = get_i64(row + TABLE) + table_bytes * block
            both(features + 256 * block, x, steps, weights, table, x, 0, weights, none, get_i64(row + NUMBERS))
            weights += 256 * steps

    @register_jitable
    def remember(row: int, state: int, features: int) -> None:
        """The new state, and in the place of features their sums over time."""
        memory, filters, zero = get_i64(row + MEMORY), get_i64(row + FILTERS), get_f32(get_i64(row + NO_TABLE))
        forget(state, 4 * (memory * filters - 1), 4)
        for i in range(filters):
            entries = state + 4 * memory * i
            put_f32(entries + 4 * (memory - 1), get_f32(features + 4 * i))
            put_f32(features + 4 * i, dot(entries, get_i64(row + TIMES) + 4 * memory * i, memory, zero))

    def svdf(row: int, first: int, last: int, scratch: int) -> None:
        filters, rank, zero = get_i64(row + FILTERS), get_i64(row + RANK), get_f32(get_i64(row + NO_TABLE))
        terms, memory, numbers = get_i64(row + TERMS), get_i64(row + MEMORY), get_i64(row + NUMBERS)
        low, high = get_f32(numbers + LOW), get_f32(numbers + HIGH)
        bytes_ = scratch + 4 * ((filters + 63) & ~63)
        out = get_i64(row + OUT)
        for unit in range(first, last):
            features_of(row, scratch, taken(bytes_, get_i64(row + X) + 4 * terms * unit, terms))
            remember(row, get_i64(row + STATE) + 4 * memory * filters * unit, scratch)
            at, bias = 0, get_i64(row + BIASES)
            to = out + 4 * get_i64(row + UNITS) * unit
            while at < filters:
                y = total(scratch + 4 * at, rank, get_f32(bias), zero)
                if get_i64(row + CLIPPED) != 0:
                    y = min(y, high) if y > low else low
                put_f32(to, y)
                to, bias, at = to + 4, bias + 4, at + rank

    return svdf
