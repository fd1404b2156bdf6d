"""What becomes of two operands, 16 elements at a time: a function that reads its constants once, and one of vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds, Fixed
from minilite.engines.numba.kernels.vectors import (
    F32,
    I32,
    I64,
    Builder,
    Value,
    clip,
    constant,
    least,
    load,
    splat,
    vector,
)

Operation = Callable[[Builder, Value, Value], Value]


def _float(name: str) -> Any:
    """Of floats; constants are low and high, float32."""

    def prepare(builder: Builder, constants: Value) -> Operation:
        low, high = (splat(builder, load(builder, F32, constants, 4 * i)) for i in range(2))

        def operation(builder: Builder, a: Value, b: Value) -> Value:
            do = {"add": builder.fadd, "sub": builder.fsub, "mul": builder.fmul, "div": builder.fdiv}[name]
            return clip(builder, do(a, b), low, high)

        return operation

    return prepare


def _squared_difference(builder: Builder, constants: Value) -> Operation:
    """Of floats, not clipped."""

    def operation(builder: Builder, a: Value, b: Value) -> Value:
        difference = builder.fsub(a, b)
        return builder.fmul(difference, difference)

    return operation


def _extreme(name: str) -> Any:
    """The larger or smaller of both; the second where one is NaN."""
    return lambda builder, constants: lambda builder, a, b: least(builder, b, a, most=name == "max")


def _prelu(builder: Builder, constants: Value) -> Operation:
    """The first where it is 0 or more, else both multiplied."""

    def operation(builder: Builder, a: Value, b: Value) -> Value:
        return builder.select(builder.fcmp_ordered(">=", a, constant(a.type, 0.0)), a, builder.fmul(a, b))

    return operation


class _Times(Fixed):
    """MultiplyByQuantizedMultiplier, rounded twice; q, left, right, half and away are int32 from ``position`` on."""

    def __init__(self, builder: Builder, constants: Value, position: int):
        numbers = [_number(builder, constants, position + i) for i in range(5)]
        self.q, self.left, self.right, self.half, self.away = numbers


def _number(builder: Builder, constants: Value, position: int) -> Value:
    return splat(builder, load(builder, I32, constants, 4 * position))


def _add(rounding: str) -> Any:
    """Of integers. Constants, int32: zero points of operands and output, bounds (less the output's zero point); then
    ``shift``: both multipliers, half and shift; ``fixed``: the left shift, three multipliers of five numbers, and 1 or
    -1 for the second operand."""

    def prepare(builder: Builder, constants: Value) -> Operation:
        first, second, zero_point, low, high = (_number(builder, constants, i) for i in range(5))
        if rounding == "shift":
            m1, m2, half, shift = (_number(builder, constants, i) for i in range(5, 9))
        else:
            left, sign = _number(builder, constants, 5), _number(builder, constants, 21)
            scale1, scale2, scale = (_Times(builder, constants, i) for i in (6, 11, 16))

        def operation(builder: Builder, a: Value, b: Value) -> Value:
            a, b = builder.sub(a, first), builder.sub(b, second)
            if rounding == "shift":
                total = builder.add(builder.add(builder.mul(a, m1), builder.mul(b, m2)), half)
                steps = builder.ashr(total, shift)
            else:
                a, b = scale1.steps(builder, builder.shl(a, left)), scale2.steps(builder, builder.shl(b, left))
                steps = scale.steps(builder, builder.add(a, builder.mul(b, sign)))
            return builder.add(clip(builder, steps, low, high), zero_point)

        return operation

    return prepare


def _mul(rounding: str) -> Any:
    """Of integers. Constants: zero points of both operands, int32; zero point, low and high of the output, int64; at
    byte 64 a block of 16 equal channels for the rounding."""

    def prepare(builder: Builder, constants: Value) -> Operation:
        first, second = (_number(builder, constants, i) for i in range(2))
        bounds = Bounds(builder, builder.add(constants, constant(I64, 8)))
        block = ROUNDINGS[rounding](builder, constants, 64)

        def operation(builder: Builder, a: Value, b: Value) -> Value:
            return block(builder, builder.mul(builder.sub(a, first), builder.sub(b, second)), bounds)

        return operation

    return prepare


def _plain(name: str) -> Any:
    """Of integers without a scale, which wrap; constants are low and high, int64."""

    def prepare(builder: Builder, constants: Value) -> Operation:
        def operation(builder: Builder, a: Value, b: Value) -> Value:
            element = a.type.element
            bounds = (load(builder, I64, constants, offset) for offset in (0, 8))
            low, high = (splat(builder, x if element == I64 else builder.trunc(x, element)) for x in bounds)
            do = {"plus": builder.add, "minus": builder.sub, "times": builder.mul}[name]
            return clip(builder, do(a, b), low, high)

        return operation

    return prepare


def _comparison(sign: str) -> Any:
    """Whether the first is ``sign`` the second: 1 or 0. Nothing is so of NaN, but for being different."""

    def operation(builder: Builder, a: Value, b: Value) -> Value:
        is_float = a.type.element == F32
        compare = (
            (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered) if is_float else builder.icmp_signed
        )
        return builder.zext(compare(sign, a, b), vector(I32))

    return lambda builder, constants: operation


def _bits(name: str) -> Any:
    """Of bools."""
    return lambda builder, constants: lambda builder, a, b: getattr(builder, f"{name}_")(a, b)


COMPARISONS = {"equal": "==", "not equal": "!=", "less": "<", "less equal": "<="}
OPERATIONS = {
    **{name: _float(name) for name in ("add", "sub", "mul", "div")},
    **{name: _extreme(name) for name in ("max", "min")},
    **{name: _plain(name) for name in ("plus", "minus", "times")},
    **{name: _comparison(sign) for name, sign in COMPARISONS.items()},
    **{name: _bits(name) for name in ("and", "or")},
    "prelu": _prelu,
    "squared difference": _squared_difference,
    "add shift": _add("shift"),
    "add fixed": _add("fixed"),
    "mul float32": _mul("float32"),
    "mul fixed": _mul("fixed"),
}
