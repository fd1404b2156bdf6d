"""Two operands, element by element, broadcast like NumPy, 16 elements at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.rounding import ROUNDINGS, Bounds, Fixed
from minilite.engines.numba.kernels.vectors import (
    F32,
    I8,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    clip,
    constant,
    get_i64,
    get_u8,
    lanes_below,
    least,
    load,
    masked_store,
    put_u8,
    quotient,
    remainder,
    splat,
    store,
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
    """Of int8. Constants, int32: zero points of operands and output, bounds (less the output's zero point); then
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
    """Of int8. Constants: zero points of both operands, int32; zero point, low and high of the output, int64; at byte
    64 a block of 16 equal channels for the rounding."""

    def prepare(builder: Builder, constants: Value) -> Operation:
        first, second = (_number(builder, constants, i) for i in range(2))
        bounds = Bounds(builder, builder.add(constants, constant(I64, 8)))
        block = ROUNDINGS[rounding](builder, constants, 64)

        def operation(builder: Builder, a: Value, b: Value) -> Value:
            return block(builder, builder.mul(builder.sub(a, first), builder.sub(b, second)), bounds)

        return operation

    return prepare


OPERATIONS = {
    **{("float32", name): _float(name) for name in ("add", "sub", "mul", "div")},
    **{(type_, name): _extreme(name) for type_ in ("float32", "int8") for name in ("max", "min")},
    ("float32", "prelu"): _prelu,
    ("float32", "squared difference"): _squared_difference,
    ("int8", "add shift"): _add("shift"),
    ("int8", "add fixed"): _add("fixed"),
    ("int8", "mul float32"): _mul("float32"),
    ("int8", "mul fixed"): _mul("fixed"),
}


class Runs(NamedTuple):
    """``times`` runs of ``count`` elements; steps of 16 elements in bytes (0: one element serves all), and bytes from
    run to run."""

    a: Value
    b: Value
    out: Value
    count: Value
    a_step: Value
    b_step: Value
    times: Value
    a_stride: Value
    b_stride: Value
    out_stride: Value
    constants: Value


def _run(type_: str, prepare: Any) -> Any:
    """``run(...)`` of :class:`Runs`."""
    size, element = (4, F32) if type_ == "float32" else (1, I8)

    def generate_(builder: Builder, runs: Runs) -> None:
        operation = prepare(builder, runs.constants)
        vectors = builder.ashr(runs.count, constant(I64, 4))
        whole = builder.shl(vectors, constant(I64, 4))
        left = builder.sub(runs.count, whole)
        mask = lanes_below(builder, left)

        def operand(address: Value, step: Value) -> Value:
            """16 elements, or one 16 times."""
            single = builder.icmp_signed("==", step, constant(I64, 0))
            with builder.if_else(single) as (one, many):
                with one:
                    x1 = splat(builder, load(builder, element, address))
                    from1 = builder.block
                with many:
                    x16 = load(builder, vector(element), address)
                    from16 = builder.block
            x = builder.phi(x1.type)
            x.add_incoming(x1, from1)
            x.add_incoming(x16, from16)
            return x if type_ == "float32" else builder.sext(x, vector(I32))

        def result(x: Value, y: Value) -> Value:
            z = operation(builder, x, y)
            return z if type_ == "float32" else builder.trunc(z, vector(I8))

        with cgutils.for_range(builder, runs.times, intp=I64) as run:
            a, b, out = (
                builder.add(base, builder.mul(run.index, stride))
                for base, stride in ((runs.a, runs.a_stride), (runs.b, runs.b_stride), (runs.out, runs.out_stride))
            )
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                x = operand(builder.add(a, builder.mul(loop.index, runs.a_step)), runs.a_step)
                y = operand(builder.add(b, builder.mul(loop.index, runs.b_step)), runs.b_step)
                at = builder.mul(loop.index, constant(I64, LANES * size))
                store(builder, result(x, y), builder.add(out, at))
            with builder.if_then(builder.icmp_signed(">", left, constant(I64, 0))):
                x = operand(builder.add(a, builder.mul(vectors, runs.a_step)), runs.a_step)
                y = operand(builder.add(b, builder.mul(vectors, runs.b_step)), runs.b_step)
                at = builder.mul(vectors, constant(I64, LANES * size))
                masked_store(builder, result(x, y), builder.add(out, at), mask)

    @intrinsic
    def run(typing: Any, a: Any, b: Any, out: Any, count: Any, a_step: Any, b_step: Any, times: Any, a_stride: Any,
            b_stride: Any, out_stride: Any, constants: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            generate_(builder, Runs(*arguments))
            return context.get_dummy_value()

        return types.void(*[INT64] * 11), generate

    return run


def binary_kernel(type_: str, name: str) -> Callable[[int, int, int, int], None]:
    """Its row: both operands, output, constants (addresses); elements of a run, bytes from element to element in it of
    both operands (0 where one element serves the whole run); then three outer dimensions, the last one fastest: size,
    and bytes from one to the next of both operands and the output. A unit is a step of the two outermost."""
    run = _run(type_, OPERATIONS[type_, name])

    def binary(row: int, first: int, last: int, scratch: int) -> None:
        a, b, out, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        count, a_step, b_step = get_i64(row + 32), get_i64(row + 40) * 16, get_i64(row + 48) * 16
        middle = get_i64(row + 88)
        for unit in range(first, last):
            j, i = remainder(unit, middle), quotient(unit, middle)
            x = a + i * get_i64(row + 64) + j * get_i64(row + 96)
            y = b + i * get_i64(row + 72) + j * get_i64(row + 104)
            to = out + i * get_i64(row + 80) + j * get_i64(row + 112)
            run(x, y, to, count, a_step, b_step, get_i64(row + 120), get_i64(row + 128), get_i64(row + 136),
                get_i64(row + 144), constants)  # fmt: skip

    return binary


def pairs_kernel() -> Callable[[int, int, int, int], None]:
    """``out = table[256 * a + b]`` of bytes read as unsigned numbers. Its row is that of :func:`binary_kernel`, with a
    table of 65,536 for constants."""

    def pairs(row: int, first: int, last: int, scratch: int) -> None:
        a, b, out, table = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        count, a_step, b_step = get_i64(row + 32), get_i64(row + 40), get_i64(row + 48)
        middle = get_i64(row + 88)
        for unit in range(first, last):
            j, i = remainder(unit, middle), quotient(unit, middle)
            x = a + i * get_i64(row + 64) + j * get_i64(row + 96)
            y = b + i * get_i64(row + 72) + j * get_i64(row + 104)
            to = out + i * get_i64(row + 80) + j * get_i64(row + 112)
            for _ in range(get_i64(row + 120)):
                for k in range(count):
                    entry = table + 256 * get_u8(x + k * a_step) + get_u8(y + k * b_step)
                    put_u8(to + k, get_u8(entry))
                x, y, to = x + get_i64(row + 128), y + get_i64(row + 136), to + get_i64(row + 144)

    return pairs


def kernel(type_: str, name: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a type and an operation; ``pairs``: a table of both."""
    return pairs_kernel() if name == "pairs" else binary_kernel(type_, name)
