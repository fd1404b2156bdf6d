"""Sums of float cells: two products of a row with 64 channels each, added to a bias and clipped after each.

Orders of sums, for each channel: ``fused`` and ``sequential`` go from term to term, with one rounding for a product and
its sum or with two; ``lanes`` and ``four`` have four sums, each of every fourth term, which are added by halves or one
after the other, and then the terms that are left over (:mod:`minilite.ops.accumulate`).
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.functions import FLOATS
from minilite.engines.numba.kernels.quantize_rows import row_quantizer
from minilite.engines.numba.kernels.rounding import Hybrid
from minilite.engines.numba.kernels.sums import fused, separate
from minilite.engines.numba.kernels.tiles import integer_sums, one_row
from minilite.engines.numba.kernels.vectors import (
    F32,
    I32,
    I64,
    INT64,
    Builder,
    Value,
    clip,
    constant,
    load,
    splat,
    store,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES

GATES = range(4)
HYBRID = ("symmetric", "asymmetric")
"""Ways to quantize rows."""


class _Terms:
    """A row's terms and the panel they are multiplied with."""

    def __init__(self, builder: Builder, x: Value, weights: Value):
        self.builder, self.x, self.weights = builder, x, weights

    def times(self, sums: list[Value], term: Value, multiply_add: Any) -> list[Value]:
        """The sums with a term's products."""
        builder = self.builder
        one = splat(builder, load(builder, F32, builder.add(self.x, builder.mul(term, constant(I64, 4)))))
        row = builder.add(self.weights, builder.mul(term, constant(I64, 256)))
        return [multiply_add(builder, acc, one, load(builder, FLOATS, row, 64 * g)) for g, acc in enumerate(sums)]


def _in_turn(builder: Builder, terms: _Terms, first: Value, count: Value, sums: list[Value], how: Any) -> list[Value]:
    """The sums with the products of ``count`` terms from the first on, one after the other."""
    places = [cgutils.alloca_once_value(builder, acc) for acc in sums]
    with cgutils.for_range(builder, count, intp=I64) as loop:
        found = terms.times([builder.load(p) for p in places], builder.add(first, loop.index), how)
        for place, acc in zip(places, found, strict=True):
            builder.store(acc, place)
    return [builder.load(place) for place in places]


def _zeros() -> list[Value]:
    return [constant(FLOATS, 0.0) for _ in GATES]


def _plus(builder: Builder, a: list[Value], b: list[Value]) -> list[Value]:
    return [builder.fadd(x, y) for x, y in zip(a, b, strict=True)]


def _together(builder: Builder, order: str, lanes: list[list[Value]]) -> list[Value]:
    """Four sums as one."""
    if order == "four":
        return functools.reduce(lambda a, b: _plus(builder, a, b), lanes)
    return _plus(builder, *(_plus(builder, lanes[i], lanes[i + 2]) for i in (0, 1)))


def _in_lanes(builder: Builder, order: str, terms: _Terms, count: Value) -> list[Value]:
    lanes = [[cgutils.alloca_once_value(builder, zero) for zero in _zeros()] for _ in range(4)]
    rounds = builder.ashr(count, constant(I64, 2))
    with cgutils.for_range(builder, rounds, intp=I64) as loop:
        for i, lane in enumerate(lanes):
            term = builder.add(builder.mul(loop.index, constant(I64, 4)), constant(I64, i))
            for place, acc in zip(lane, terms.times([builder.load(p) for p in lane], term, separate), strict=True):
                builder.store(acc, place)
    four = [[builder.load(place) for place in lane] for lane in lanes]
    done = builder.mul(rounds, constant(I64, 4))
    return _in_turn(builder, terms, done, builder.sub(count, done), _together(builder, order, four), separate)


def _floats(builder: Builder, order: str, x: Value, count: Value, weights: Value) -> list[Value]:
    """The product of a row with 64 channels."""
    terms = _Terms(builder, x, weights)
    if order in ("lanes", "four"):
        return _in_lanes(builder, order, terms, count)
    how = fused if order == "fused" else separate
    return _in_turn(builder, terms, constant(I64, 0), count, _zeros(), how)


def _of_floats(builder: Builder, order: str, arguments: list[Value]) -> list[Value]:
    x, steps, weights, table, h, h_steps, h_weights, _, limit = arguments
    top = splat(builder, load(builder, F32, limit))
    ends = builder.fneg(top), top
    sums = []
    first = _floats(builder, order, x, steps, weights)
    second = _floats(builder, order, h, h_steps, h_weights)
    for gate, (a, b) in enumerate(zip(first, second, strict=True)):
        acc = clip(builder, builder.fadd(load(builder, FLOATS, table, 64 * gate), a), *ends)
        sums.append(clip(builder, builder.fadd(acc, b), *ends))
    return sums


def _of_bytes(builder: Builder, dot: str, arguments: list[Value]) -> list[Value]:
    """Rows of bytes, whose numbers are 8 bytes before them."""
    sums = []
    for x, steps, weights, table in (arguments[:4], arguments[4:8]):
        acc = integer_sums(builder, one_row(x, steps, weights), dot, 1, [constant(vector(I32), 0)] * len(GATES))[0]
        numbers = builder.sub(x, constant(I64, 8))
        channels = [Hybrid(builder, table, gate * CHANNEL_BYTES["product"], "product") for gate in GATES]
        sums.append([channel(builder, a, numbers) for channel, a in zip(channels, acc, strict=True)])
    return [builder.fadd(a, b) for a, b in zip(*sums, strict=True)]


def both_products(products: str, how: str) -> Any:
    """``both(out, x, steps, weights, table, h, h_steps, h_weights, h_table, limit)``: the sums of 64 channels. The
    table has the biases of floats, of bytes what :class:`Hybrid` asks for; ``limit`` is an address."""

    @intrinsic
    def both(typing: Any, out: Any, x: Any, steps: Any, weights: Any, table: Any, h: Any, h_steps: Any,
             h_weights: Any, h_table: Any, limit: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            out, *given = arguments
            is_hybrid = products in HYBRID
            sums = _of_bytes(builder, how, given) if is_hybrid else _of_floats(builder, products, given)
            for gate, acc in enumerate(sums):
                store(builder, acc, out, 64 * gate)
            return context.get_dummy_value()

        return types.void(*[INT64] * 10), generate

    return both


def quantizing(products: str) -> Any:
    """Hybrid: quantizes a row to memory, and gives the address; else that of the row."""
    if products not in HYBRID:

        @register_jitable
        def given(memory: int, x: int, count: int) -> int:
            return x

        return given
    quantized = row_quantizer(products)

    @register_jitable
    def taken(memory: int, x: int, count: int) -> int:
        quantized(x, memory + 8, memory, count)
        return memory + 8

    return taken


def table_size(products: str) -> int:
    """Bytes of the channels' numbers of 16 cells."""
    return len(GATES) * (CHANNEL_BYTES["product"] if products in HYBRID else 64)
