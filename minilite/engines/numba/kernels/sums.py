"""One step of a sum of products: four bytes at once, or floats; and sums of bytes."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.vectors import (
    I8,
    I32,
    I64,
    INT64,
    Builder,
    Value,
    call,
    constant,
    load,
    splat,
    suffix,
    vector,
)

VNNI = {16: "llvm.x86.avx512.vpdpbusd.128", 32: "llvm.x86.avx512.vpdpbusd.256", 64: "llvm.x86.avx512.vpdpbusd.512"}
"""AVX-512 VNNI's instruction, by the bytes of a vector."""


def dot4(builder: Builder, dot: str, acc: Value, unsigned: Value, signed: Value) -> Value:
    """Every lane plus the dot product of its four unsigned and four signed bytes. ``dot`` is ``vnni``, or ``portable``:
    in shifts and products that any target has."""
    if dot == "vnni":
        return call(builder, VNNI[unsigned.type.count], acc.type, acc, unsigned, signed)
    u, s = (builder.bitcast(v, acc.type) for v in (unsigned, signed))
    for byte in range(4):
        up, down = constant(acc.type, 24 - 8 * byte), constant(acc.type, 24)
        product = builder.mul(builder.lshr(builder.shl(u, up), down), builder.ashr(builder.shl(s, up), down))
        acc = builder.add(acc, product)
    return acc


def byte_sum(dot: str) -> Any:
    """``byte_sum(address, count)``: the sum of unsigned bytes, of which up to 63 behind them are read, too."""

    @intrinsic
    def sum_(typing: Any, address: Any, count: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            address, count = arguments
            bytes_, sums = vector(I8, 64), vector(I32)
            total = cgutils.alloca_once_value(builder, constant(sums, 0))
            vectors = builder.lshr(builder.add(count, constant(I64, 63)), constant(I64, 6))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                done = builder.shl(loop.index, constant(I64, 6))
                left = call(builder, "llvm.umin.i64", I64, builder.sub(count, done), constant(I64, 64))
                order = constant(bytes_, list(range(64)))
                inside = builder.icmp_unsigned("<", order, splat(builder, builder.trunc(left, I8), 64))
                some = builder.select(inside, load(builder, bytes_, builder.add(address, done)), constant(bytes_, 0))
                builder.store(dot4(builder, dot, builder.load(total), some, constant(bytes_, 1)), total)
            found = call(builder, "llvm.vector.reduce.add.v16i32", I32, builder.load(total))
            return builder.sext(found, I64)

        return types.int64(INT64, INT64), generate

    return sum_


def fused(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded once."""
    return call(builder, f"llvm.fma.{suffix(acc.type)}", acc.type, a, b, acc)


def separate(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded twice: the reference kernels' arithmetic."""
    return builder.fadd(acc, builder.fmul(a, b))


MULTIPLY_ADD = {"fused": fused, "separate": separate}
