"""Layer normalization of float32, row by row: ``x * s + (beta - mean(x) * s)`` with ``s = gamma / sqrt(variance(x) +
epsilon)``, the sums in any order (Ba, Kiros, Hinton: Layer Normalization, 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

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
    lanes_below,
    load,
    splat,
    store_some,
    sum_of_lanes,
    vector,
)

FLOATS = vector(F32)


def _each(builder: Builder, count: Value, body: Callable[[Value, Value], None]) -> None:
    """``body(bytes, left)`` for each vector of a row: where it begins, and how many elements are left."""
    vectors = builder.ashr(builder.add(count, constant(I64, LANES - 1)), constant(I64, 4))
    with cgutils.for_range(builder, vectors, intp=I64) as loop:
        done = builder.mul(loop.index, constant(I64, LANES))
        body(builder.mul(done, constant(I64, 4)), builder.sub(count, done))


def _mean(builder: Builder, count: Value, of: Callable[[Value], Value]) -> Value:
    """The mean over a row of ``of(bytes)``, in every lane."""
    zeros = constant(FLOATS, 0.0)
    place = cgutils.alloca_once_value(builder, zeros)

    def add(at: Value, left: Value) -> None:
        x = builder.select(lanes_below(builder, left), of(at), zeros)
        builder.store(builder.fadd(builder.load(place), x), place)

    _each(builder, count, add)
    total = sum_of_lanes(builder, builder.load(place))
    return splat(builder, builder.fdiv(total, builder.sitofp(count, F32)))


@intrinsic
def _normalized(typing: Any, x: Any, out: Any, gamma: Any, beta: Any, epsilon: Any, count: Any) -> Any:
    """One row."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        x, out, gamma, beta, epsilon, count = arguments

        def element(at: Value) -> Value:
            return load(builder, FLOATS, builder.add(x, at))

        def squared(at: Value) -> Value:
            apart = builder.fsub(element(at), mean)
            return builder.fmul(apart, apart)

        mean = _mean(builder, count, element)
        variance = _mean(builder, count, squared)
        root = call(
            builder, "llvm.sqrt.v16f32", FLOATS, builder.fadd(variance, splat(builder, load(builder, F32, epsilon)))
        )
        inverse = builder.fdiv(constant(FLOATS, 1.0), root)

        def write(at: Value, left: Value) -> None:
            scale = builder.fmul(inverse, load(builder, FLOATS, builder.add(gamma, at)))
            shift = builder.fsub(load(builder, FLOATS, builder.add(beta, at)), builder.fmul(mean, scale))
            store_some(builder, builder.fadd(builder.fmul(element(at), scale), shift), builder.add(out, at), left)

        _each(builder, count, write)
        return context.get_dummy_value()

    return types.void(*[INT64] * 6), generate


def kernel() -> Callable[[int, int, int, int], None]:
    """A unit is a row. Its row: input, output, gamma, beta, epsilon (addresses), elements of a row."""

    def layer_norm(row: int, first: int, last: int, scratch: int) -> None:
        x, out, count = get_i64(row), get_i64(row + 8), get_i64(row + 40)
        for unit in range(first, last):
            _normalized(x + unit * count * 4, out + unit * count * 4, get_i64(row + 16), get_i64(row + 24),
                        get_i64(row + 32), count)  # fmt: skip

    return layer_norm
