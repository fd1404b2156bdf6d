"""One step of a sum of products: four bytes at once, or floats."""

from __future__ import annotations

from minilite.engines.numba.kernels.vectors import Builder, Value, call, constant, suffix

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


def fused(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded once."""
    return call(builder, f"llvm.fma.{suffix(acc.type)}", acc.type, a, b, acc)


def separate(builder: Builder, acc: Value, a: Value, b: Value) -> Value:
    """``a * b + acc``, rounded twice: the reference kernels' arithmetic."""
    return builder.fadd(acc, builder.fmul(a, b))


MULTIPLY_ADD = {"fused": fused, "separate": separate}
