"""From int32 accumulators to output integers, 16 at a time: the end of every integer kernel.

What a channel needs lies in memory in blocks of 16 channels (``BLOCK`` bytes each): the bias that accumulators start
from, then what the rounding asks for. A rounding is said by three functions below and nowhere else; which of them a
kernel set means by its word is :mod:`minilite.fixed_point`'s affair.

fixed    q, left, right, half, away: ``x = (acc << left) * q`` in 31 fractional bits, rounded with ties up; then
         ``(x + half - (x < 0 ? away : 0)) >> right``. With away = 1 ties of the second rounding go away from zero
         (gemmlowp), with 0 up (ruy).
float32  scale: ``rint(float32(acc) * scale)``, ties to even (XNNPACK)
float64  scale, twice eight: ``round(float64(acc) * scale)``, ties away from zero
"""

from __future__ import annotations

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
    suffix,
    vector,
)

MAGIC = 12582912.0
"""1.5 * 2**23: floats of this size are whole numbers, so adding it rounds, ties to even."""


def bias(builder: Builder, channels: Value, offset: int, lanes: int = LANES) -> Value:
    """What the accumulators of 16 channels start from."""
    return load(builder, vector(I32, lanes), channels, offset, 4)


def requantized(
    builder: Builder,
    rounding: str,
    acc: Value,
    channels: Value,
    offset: int,
    zero_point: Value,
    low: Value,
    high: Value,
) -> Value:
    """``clip(round(acc * real) + zero_point, low, high)`` as 16 int32; ``low`` and ``high`` are less the zero point."""
    if rounding == "float32":
        return _float32(builder, acc, channels, offset, zero_point, low, high)
    steps = {"fixed": _fixed, "float64": _float64}[rounding](builder, acc, channels, offset)
    return builder.add(clip(builder, steps, low, high), zero_point)


def _float32(
    builder: Builder, acc: Value, channels: Value, offset: int, zero_point: Value, low: Value, high: Value
) -> Value:
    integers, floats = acc.type, vector(F32, acc.type.count)
    scale = load(builder, floats, channels, offset + 4 * acc.type.count, 4)
    x = builder.fmul(builder.sitofp(acc, floats), scale)
    x = clip(builder, x, builder.sitofp(low, floats), builder.sitofp(high, floats))
    bits = builder.bitcast(builder.fadd(x, constant(floats, MAGIC)), integers)
    return builder.add(bits, builder.sub(zero_point, constant(integers, 0x4B400000)))


def _fixed(builder: Builder, acc: Value, channels: Value, offset: int) -> Value:
    def lane(number: int) -> Value:
        return load(builder, acc.type, channels, offset + 4 * acc.type.count * number, 4)

    q, left, right, half, away = (lane(i) for i in range(1, 6))
    wide = vector(I64, acc.type.count)
    product = builder.mul(builder.sext(builder.shl(acc, left), wide), builder.sext(q, wide))
    x = builder.ashr(builder.add(product, constant(wide, 1 << 30)), constant(wide, 31))
    negative = builder.and_(builder.ashr(x, constant(wide, 63)), builder.sext(away, wide))
    x = builder.add(builder.add(x, builder.sext(half, wide)), negative)
    return builder.trunc(builder.ashr(x, builder.zext(right, wide)), acc.type)


def _float64(builder: Builder, acc: Value, channels: Value, offset: int) -> Value:
    lanes = acc.type.count
    doubles = vector(F64, lanes)
    scale = load(builder, doubles, channels, offset + 4 * lanes, 4)
    x = builder.fmul(builder.sitofp(acc, doubles), scale)
    whole = call(builder, f"llvm.trunc.{suffix(doubles)}", doubles, x)
    rest = call(builder, f"llvm.fabs.{suffix(doubles)}", doubles, builder.fsub(x, whole))
    is_half = builder.fcmp_ordered(">=", rest, constant(doubles, 0.5))
    up = builder.select(is_half, constant(doubles, 1.0), constant(doubles, 0.0))
    x = builder.fadd(whole, call(builder, f"llvm.copysign.{suffix(doubles)}", doubles, up, x))
    x = clip(builder, x, constant(doubles, -(2.0**31)), constant(doubles, 2.0**31 - 1))
    return builder.fptosi(x, acc.type)
