"""From one type of number to another, 16 at a time: quantizing, dequantizing, and casts.

Constants, of 4 bytes each: the scale (float32), the zero point, and the output type's lowest and highest integer.
"""

from __future__ import annotations

from minilite.engines.numba.kernels.vectors import (
    F32,
    F64,
    I32,
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

FLOATS, INTEGERS = vector(F32), vector(I32)


def _round(builder: Builder, name: str, x: Value) -> Value:
    return call(builder, f"llvm.{name}.{suffix(x.type)}", x.type, x)


def _constants(builder: Builder, constants: Value) -> list[Value]:
    """The scale, the zero point, and both ends."""
    return [splat(builder, load(builder, F32 if i == 0 else I32, constants, 4 * i)) for i in range(4)]


def half_away(builder: Builder, x: Value) -> Value:
    """The nearest whole number, ties away from zero."""
    whole, one = _round(builder, "trunc", x), constant(x.type, 1.0)
    rest = _round(builder, "fabs", builder.fsub(x, whole))
    up = builder.select(builder.fcmp_ordered(">=", rest, constant(x.type, 0.5)), one, constant(x.type, 0.0))
    return builder.fadd(whole, call(builder, f"llvm.copysign.{suffix(x.type)}", x.type, up, x))


def _moved(builder: Builder, x: Value, constants: Value) -> Value:
    """Whole numbers as int32, INT32_MIN where they do not fit, plus the zero point, which may wrap, and clipped."""
    _, zero_point, low, high = _constants(builder, constants)
    fits = builder.fcmp_ordered("<", _round(builder, "fabs", x), constant(x.type, 2.0**31))
    steps = builder.fptosi(builder.select(fits, x, constant(x.type, -(2.0**31))), INTEGERS)
    return clip(builder, builder.add(steps, zero_point), low, high)


def quantize_by_division(builder: Builder, x: Value, constants: Value) -> Value:
    """``clip(round(x / scale) + zero_point)``, half away from zero."""
    scale = _constants(builder, constants)[0]
    return _moved(builder, half_away(builder, builder.fdiv(x, scale)), constants)


def quantize_in_float64(builder: Builder, x: Value, constants: Value) -> Value:
    """The same in float64."""
    wide = vector(F64)
    scale = builder.fpext(_constants(builder, constants)[0], wide)
    return _moved(builder, half_away(builder, builder.fdiv(builder.fpext(x, wide), scale)), constants)


def quantize_by_product(builder: Builder, x: Value, constants: Value) -> Value:
    """``clip(rint(x * scale) + zero_point)``; the scale is the reciprocal."""
    scale = _constants(builder, constants)[0]
    return _moved(builder, _round(builder, "rint", builder.fmul(x, scale)), constants)


def quantize_by_reciprocal(builder: Builder, x: Value, constants: Value) -> Value:
    """``rint(x * scale)`` between what the zero point leaves of the range; NaN becomes the largest. The scale is the
    reciprocal."""
    scale, zero_point, *ends = _constants(builder, constants)
    product = builder.fmul(x, scale)
    is_none = builder.fcmp_unordered("uno", product, product)
    product = builder.select(is_none, constant(FLOATS, float("inf")), product)
    low, high = (builder.sitofp(builder.sub(end, zero_point), FLOATS) for end in ends)
    inside = clip(builder, _round(builder, "rint", product), low, high)
    return builder.add(builder.fptosi(inside, INTEGERS), zero_point)


def dequantize(builder: Builder, x: Value, constants: Value) -> Value:
    """``scale * (x - zero_point)``."""
    scale, zero_point, _, _ = _constants(builder, constants)
    return builder.fmul(scale, builder.sitofp(builder.sub(x, zero_point), FLOATS))


def whole(builder: Builder, x: Value, constants: Value) -> Value:
    """Integers as floats."""
    return builder.sitofp(x, FLOATS)


def truncated(builder: Builder, x: Value, constants: Value) -> Value:
    """Floats as int32, towards zero; what does not fit becomes the nearest that does, NaN the zero point."""
    nan = _constants(builder, constants)[1]
    fits = builder.fcmp_ordered("<", x, constant(FLOATS, 2.0**31))
    inside = clip(
        builder, builder.select(fits, x, constant(FLOATS, 0.0)), *(constant(FLOATS, v) for v in (-(2.0**31), 2.0**31))
    )
    steps = builder.select(fits, builder.fptosi(inside, INTEGERS), constant(INTEGERS, 2**31 - 1))
    return builder.select(builder.fcmp_unordered("uno", x, x), nan, steps)


CONVERSIONS = {
    "quantize division": quantize_by_division,
    "quantize float64": quantize_in_float64,
    "quantize product": quantize_by_product,
    "quantize reciprocal": quantize_by_reciprocal,
    "dequantize": dequantize,
    "whole": whole,
    "truncated": truncated,
}
