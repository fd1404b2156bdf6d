"""From int32 accumulators to output integers: the end of every integer kernel.

What a channel needs lies in memory in blocks of as many channels as a vector has lanes, part after part: the bias that
accumulators start from, then what the rounding asks for. A rounding is said by three classes below and nowhere else;
which of them a kernel set means by its word is :mod:`minilite.fixed_point`'s affair.

fixed    q, left, right, half, away: ``x = (acc << left) * q`` in 31 fractional bits, rounded with ties up; then
         ``(x + half + (x < 0 ? away : 0)) >> right``. With away = -1 ties of the second rounding go away from zero
         (gemmlowp), with 0 up (ruy).
float32  scale: ``rint(float32(acc) * scale)``, ties to even (XNNPACK)
float64  scale, twice as wide: ``round(float64(acc) * scale)``, ties away from zero

Hybrid layers end in floats. Their channels have the sum of their weights, scale and bias:

product  ``float32(acc - z * sum) * (s_row * scale) + bias``
channel  ``float32(acc - z * sum) * scale * s_row + bias``
fused    ``float32(acc - z * sum) * s_row``, times the scale and plus the bias in one rounding (XNNPACK)
"""

from __future__ import annotations

from typing import Any

from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    LANES,
    Builder,
    Value,
    call,
    clip,
    constant,
    load,
    splat,
    suffix,
    vector,
)

MAGIC = 12582912.0
"""1.5 * 2**23: floats of this size are whole numbers, so adding it rounds, ties to even."""


class Bounds:
    """The output's zero point and what it is clipped to, less the zero point; int64 in memory, in every lane here."""

    def __init__(self, builder: Builder, address: Value, lanes: int = LANES):
        self._numbers = [builder.trunc(load(builder, I64, address, 8 * i), I32) for i in range(3)]
        self.zero_point, self.low, self.high = (splat(builder, n, lanes) for n in self._numbers)

    def in_range(self, builder: Builder, steps: Value) -> Value:
        """``clip(steps + zero_point)`` in int32."""
        return builder.add(clip(builder, steps, self.low, self.high), self.zero_point)

    def packed(self, builder: Builder, steps: list[Value], packs: bool) -> Value:
        """Four vectors of steps as bytes: of every 16, vector ``v`` gives the four from ``4 v`` on. ``packs``: by x86's
        saturating instructions."""
        lanes = steps[0].type.count
        if not packs:
            narrow = [builder.trunc(self.in_range(builder, x), vector(I8, lanes)) for x in steps]
            order = [v * lanes + part * 4 + i for part in range(lanes // 4) for v in range(4) for i in range(4)]
            return _joined(builder, narrow, order)
        zero_point, low, high = self._numbers
        moved = splat(builder, builder.trunc(zero_point, I16), 2 * lanes)
        halves = []
        for pair in (steps[:2], steps[2:]):
            words = call(builder, PACK32[lanes], moved.type, *pair)
            halves.append(call(builder, f"llvm.sadd.sat.{suffix(moved.type)}", moved.type, words, moved))
        bytes_ = call(builder, PACK16[lanes], vector(I8, 4 * lanes), *halves)
        bounds = (builder.trunc(builder.add(b, zero_point), I8) for b in (low, high))
        return clip(builder, bytes_, *(splat(builder, bound, 4 * lanes) for bound in bounds))


PACK32 = {16: "llvm.x86.avx512.packssdw.512", 8: "llvm.x86.avx2.packssdw", 4: "llvm.x86.sse2.packssdw.128"}
PACK16 = {16: "llvm.x86.avx512.packsswb.512", 8: "llvm.x86.avx2.packsswb", 4: "llvm.x86.sse2.packsswb.128"}
"""Pairs of vectors of int32 as int16, of int16 as bytes, saturated, by the lanes of the int32s."""


def _joined(builder: Builder, four: list[Value], order: list[int]) -> Value:
    """The elements of four vectors in an order."""
    lanes = four[0].type.count
    pairs = [
        builder.shuffle_vector(a, b, constant(vector(I32, 2 * lanes), list(range(2 * lanes))))
        for a, b in (four[:2], four[2:])
    ]
    return builder.shuffle_vector(*pairs, constant(vector(I32, 4 * lanes), order))


class Fixed:
    """One block of channels, rounded in fixed point."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        type_ = vector(I32, lanes)
        parts = [load(builder, type_, channels, offset + 4 * lanes * i, 4) for i in range(6)]
        self.bias, self.q, self.left, self.right, self.half, self.away = parts

    def steps(self, builder: Builder, acc: Value, bounds: Bounds | None = None) -> Value:
        """The rounded product."""
        wide = vector(I64, acc.type.count)
        product = builder.mul(builder.sext(builder.shl(acc, self.left), wide), builder.sext(self.q, wide))
        x = builder.ashr(builder.add(product, constant(wide, 1 << 30)), constant(wide, 31))
        negative = builder.and_(builder.ashr(x, constant(wide, 63)), builder.sext(self.away, wide))
        x = builder.add(builder.add(x, builder.sext(self.half, wide)), negative)
        return builder.trunc(builder.ashr(x, builder.zext(self.right, wide)), acc.type)

    def __call__(self, builder: Builder, acc: Value, bounds: Bounds) -> Value:
        """``clip(round(acc * real) + zero_point, low, high)``."""
        return bounds.in_range(builder, self.steps(builder, acc, bounds))


class Float64(Fixed):
    """One block of channels, rounded in float64."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        self.bias = load(builder, vector(I32, lanes), channels, offset, 4)
        self.scale = load(builder, vector(F64, lanes), channels, offset + 4 * lanes, 4)

    def steps(self, builder: Builder, acc: Value, bounds: Bounds | None = None) -> Value:
        doubles = self.scale.type
        x = builder.fmul(builder.sitofp(acc, doubles), self.scale)
        whole = call(builder, f"llvm.trunc.{suffix(doubles)}", doubles, x)
        rest = call(builder, f"llvm.fabs.{suffix(doubles)}", doubles, builder.fsub(x, whole))
        is_half = builder.fcmp_ordered(">=", rest, constant(doubles, 0.5))
        up = builder.select(is_half, constant(doubles, 1.0), constant(doubles, 0.0))
        x = builder.fadd(whole, call(builder, f"llvm.copysign.{suffix(doubles)}", doubles, up, x))
        x = clip(builder, x, constant(doubles, -(2.0**31)), constant(doubles, 2.0**31 - 1))
        return builder.fptosi(x, acc.type)


class Float32(Fixed):
    """One block of channels, rounded in float32."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        self.bias = load(builder, vector(I32, lanes), channels, offset, 4)
        self.scale = load(builder, vector(F32, lanes), channels, offset + 4 * lanes, 4)

    def steps(self, builder: Builder, acc: Value, bounds: Bounds | None = None) -> Value:
        assert bounds is not None
        floats = self.scale.type
        x = builder.fmul(builder.sitofp(acc, floats), self.scale)
        x = clip(builder, x, builder.sitofp(bounds.low, floats), builder.sitofp(bounds.high, floats))
        bits = builder.bitcast(builder.fadd(x, constant(floats, MAGIC)), acc.type)
        return builder.sub(bits, constant(acc.type, 0x4B400000))

    def __call__(self, builder: Builder, acc: Value, bounds: Bounds) -> Value:
        return builder.add(self.steps(builder, acc, bounds), bounds.zero_point)


ROUNDINGS: dict[str, Any] = {"fixed": Fixed, "float64": Float64, "float32": Float32}


class Hybrid:
    """One block of channels that become floats. ``numbers`` is the address of a row's zero point and scale."""

    def __init__(self, builder: Builder, channels: Value, offset: int, rounding: str):
        self.sum = load(builder, vector(I32), channels, offset, 4)
        self.scale, self.bias = (load(builder, vector(F32), channels, offset + 64 * i, 4) for i in (1, 2))
        self._rounding = rounding

    def __call__(self, builder: Builder, acc: Value, numbers: Value) -> Value:
        """The real numbers, not clipped yet."""
        zero_point, scale = splat(builder, load(builder, I32, numbers)), splat(builder, load(builder, F32, numbers, 4))
        x = builder.sitofp(builder.sub(acc, builder.mul(zero_point, self.sum)), self.scale.type)
        if self._rounding == "fused":
            return call(builder, f"llvm.fma.{suffix(x.type)}", x.type, builder.fmul(x, scale), self.scale, self.bias)
        if self._rounding == "product":
            x = builder.fmul(x, builder.fmul(scale, self.scale))
        else:
            x = builder.fmul(builder.fmul(x, self.scale), scale)
        return builder.fadd(x, self.bias)
