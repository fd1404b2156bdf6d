"""From int32 accumulators to output integers: the end of every integer kernel.

What a channel needs lies in memory in blocks of as many channels as a vector has lanes, part after part: the bias that
accumulators start from, then what the rounding asks for. A rounding is said by three classes below and nowhere else;
which of them a kernel set means by its word is :mod:`minilite.fixed_point`'s affair.

fixed    q, left, right, half, away: ``x = (acc << left) * q`` in 31 fractional bits, rounded with ties up; then
         ``(x + half + (x < 0 ? away : 0)) >> right``. With away = -1 ties of the second rounding go away from zero
         (gemmlowp), with 0 up (ruy).
float32  scale: ``rint(float32(acc) * scale)``, ties to even (XNNPACK)
float64  scale, twice as wide: ``round(float64(acc) * scale)``, ties away from zero
"""

from __future__ import annotations

from typing import Any

from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
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
        parts = (load(builder, I64, address, 8 * i) for i in range(3))
        self.zero_point, self.low, self.high = (splat(builder, builder.trunc(p, I32), lanes) for p in parts)


class Fixed:
    """One block of channels, rounded in fixed point."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        type_ = vector(I32, lanes)
        parts = [load(builder, type_, channels, offset + 4 * lanes * i, 4) for i in range(6)]
        self.bias, self.q, self.left, self.right, self.half, self.away = parts

    def steps(self, builder: Builder, acc: Value) -> Value:
        """The rounded product."""
        wide = vector(I64, acc.type.count)
        product = builder.mul(builder.sext(builder.shl(acc, self.left), wide), builder.sext(self.q, wide))
        x = builder.ashr(builder.add(product, constant(wide, 1 << 30)), constant(wide, 31))
        negative = builder.and_(builder.ashr(x, constant(wide, 63)), builder.sext(self.away, wide))
        x = builder.add(builder.add(x, builder.sext(self.half, wide)), negative)
        return builder.trunc(builder.ashr(x, builder.zext(self.right, wide)), acc.type)

    def __call__(self, builder: Builder, acc: Value, bounds: Bounds) -> Value:
        """``clip(round(acc * real) + zero_point, low, high)``."""
        return builder.add(clip(builder, self.steps(builder, acc), bounds.low, bounds.high), bounds.zero_point)


class Float64(Fixed):
    """One block of channels, rounded in float64."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        self.bias = load(builder, vector(I32, lanes), channels, offset, 4)
        self.scale = load(builder, vector(F64, lanes), channels, offset + 4 * lanes, 4)

    def steps(self, builder: Builder, acc: Value) -> Value:
        doubles = self.scale.type
        x = builder.fmul(builder.sitofp(acc, doubles), self.scale)
        whole = call(builder, f"llvm.trunc.{suffix(doubles)}", doubles, x)
        rest = call(builder, f"llvm.fabs.{suffix(doubles)}", doubles, builder.fsub(x, whole))
        is_half = builder.fcmp_ordered(">=", rest, constant(doubles, 0.5))
        up = builder.select(is_half, constant(doubles, 1.0), constant(doubles, 0.0))
        x = builder.fadd(whole, call(builder, f"llvm.copysign.{suffix(doubles)}", doubles, up, x))
        x = clip(builder, x, constant(doubles, -(2.0**31)), constant(doubles, 2.0**31 - 1))
        return builder.fptosi(x, acc.type)


class Float32:
    """One block of channels, rounded in float32."""

    def __init__(self, builder: Builder, channels: Value, offset: int, lanes: int = LANES):
        self.bias = load(builder, vector(I32, lanes), channels, offset, 4)
        self.scale = load(builder, vector(F32, lanes), channels, offset + 4 * lanes, 4)

    def __call__(self, builder: Builder, acc: Value, bounds: Bounds) -> Value:
        """``clip(round(acc * real) + zero_point, low, high)``."""
        integers, floats = acc.type, self.scale.type
        x = builder.fmul(builder.sitofp(acc, floats), self.scale)
        x = clip(builder, x, builder.sitofp(bounds.low, floats), builder.sitofp(bounds.high, floats))
        bits = builder.bitcast(builder.fadd(x, constant(floats, MAGIC)), integers)
        return builder.add(bits, builder.sub(bounds.zero_point, constant(integers, 0x4B400000)))


ROUNDINGS: dict[str, Any] = {"fixed": Fixed, "float64": Float64, "float32": Float32}
