"""Element by element: tables of bytes, and two operands with broadcasting, 16 elements at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.rounding import requantized
from minilite.engines.numba.kernels.vectors import (
    F32,
    I8,
    I32,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    clip,
    constant,
    get_i64,
    lanes_below,
    least,
    load,
    masked_store,
    quotient,
    remainder,
    splat,
    store,
    vector,
)

# ---- tables ----------------------------------------------------------------------------------------------------------


def table_kernel(how: str) -> Callable[[int, int, int, int], None]:
    """``out[i] = table[in[i]]`` for bytes. Its row: input, output, table (addresses), elements. A unit is 4,096."""
    look_up = _look_up_vbmi if how == "vbmi" else _look_up_portable

    def table(row: int, first: int, last: int, scratch: int) -> None:
        start, stop = first * 4096, min(last * 4096, get_i64(row + 24))
        look_up(get_i64(row) + start, get_i64(row + 8) + start, get_i64(row + 16), stop - start)

    return table


@intrinsic
def _look_up_vbmi(typing: Any, source: Any, target: Any, table: Any, count: Any) -> Any:
    """64 bytes at a time: two permutations, of either half of the table, and a choice (AVX-512 VBMI)."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        source, target, table, count = arguments
        bytes_ = vector(I8, 64)
        parts = [load(builder, bytes_, table, 64 * i) for i in range(4)]
        numbers = constant(bytes_, list(range(64)))
        vectors = builder.ashr(builder.add(count, constant(I64, 63)), constant(I64, 6))
        with cgutils.for_range(builder, vectors, intp=I64) as loop:
            done = builder.shl(loop.index, constant(I64, 6))
            x = load(builder, bytes_, builder.add(source, done))
            halves = [
                call(builder, "llvm.x86.avx512.vpermi2var.qi.512", bytes_, parts[2 * h], x, parts[2 * h + 1])
                for h in range(2)
            ]
            y = builder.select(builder.icmp_signed("<", x, constant(bytes_, 0)), halves[1], halves[0])
            at, left = builder.add(target, done), builder.sub(count, done)
            with builder.if_else(builder.icmp_signed(">=", left, constant(I64, 64))) as (whole, part):
                with whole:
                    store(builder, y, at)
                with part:
                    few = splat(builder, builder.trunc(left, I8), 64)
                    masked_store(builder, y, at, builder.icmp_signed("<", numbers, few))
        return context.get_dummy_value()

    return types.void(*[INT64] * 4), generate


@intrinsic
def _look_up_portable(typing: Any, source: Any, target: Any, table: Any, count: Any) -> Any:
    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        source, target, table, count = arguments
        with cgutils.for_range(builder, count, intp=I64) as loop:
            x = builder.zext(load(builder, I8, builder.add(source, loop.index)), I64)
            store(builder, load(builder, I8, builder.add(table, x)), builder.add(target, loop.index))
        return context.get_dummy_value()

    return types.void(*[INT64] * 4), generate


# ---- two operands ----------------------------------------------------------------------------------------------------


def _float(name: str) -> Any:
    """Of floats; constants are low and high, float32."""

    def operation(builder: Builder, a: Value, b: Value, constants: Value) -> Value:
        if name in ("max", "min"):
            return least(builder, a, b, most=name == "max")
        do = {"add": builder.fadd, "sub": builder.fsub, "mul": builder.fmul, "div": builder.fdiv}[name]
        low, high = (splat(builder, load(builder, F32, constants, 4 * i)) for i in range(2))
        return clip(builder, do(a, b), low, high)

    return operation


def _number(builder: Builder, constants: Value, position: int) -> Value:
    return splat(builder, load(builder, I32, constants, 4 * position))


def _times(builder: Builder, x: Value, constants: Value, position: int) -> Value:
    """MultiplyByQuantizedMultiplier, rounded twice; q, left, right, half and away are int32 from ``position`` on."""
    q, left, right, half, away = (_number(builder, constants, position + i) for i in range(5))
    wide = vector(I64)
    product = builder.mul(builder.sext(builder.shl(x, left), wide), builder.sext(q, wide))
    y = builder.ashr(builder.add(product, constant(wide, 1 << 30)), constant(wide, 31))
    negative = builder.and_(builder.ashr(y, constant(wide, 63)), builder.sext(away, wide))
    y = builder.add(builder.add(y, builder.sext(half, wide)), negative)
    return builder.trunc(builder.ashr(y, builder.zext(right, wide)), vector(I32))


def _add(rounding: str) -> Any:
    """Of int8. Constants, int32: zero points of operands and output, bounds (less the output's zero point); then
    ``shift``: both multipliers, half and shift; ``fixed``: the left shift and three multipliers of five numbers."""

    def operation(builder: Builder, a: Value, b: Value, constants: Value) -> Value:
        first, second, zero_point, low, high = (_number(builder, constants, i) for i in range(5))
        a, b = builder.sub(a, first), builder.sub(b, second)
        if rounding == "shift":
            m1, m2, half, shift = (_number(builder, constants, i) for i in range(5, 9))
            total = builder.add(builder.add(builder.mul(a, m1), builder.mul(b, m2)), half)
            steps = builder.ashr(total, shift)
        else:
            left = _number(builder, constants, 5)
            a = _times(builder, builder.shl(a, left), constants, 6)
            b = _times(builder, builder.shl(b, left), constants, 11)
            sign = _number(builder, constants, 21)
            steps = _times(builder, builder.add(a, builder.mul(b, sign)), constants, 16)
        return builder.add(clip(builder, steps, low, high), zero_point)

    return operation


def _mul(rounding: str) -> Any:
    """Of int8. Constants, int32: zero points of the operands and the output, bounds (less the output's zero point), 11
    of no meaning; then a block of 16 equal channels for the rounding."""

    def operation(builder: Builder, a: Value, b: Value, constants: Value) -> Value:
        first, second, zero_point, low, high = (_number(builder, constants, i) for i in range(5))
        product = builder.mul(builder.sub(a, first), builder.sub(b, second))
        return requantized(builder, rounding, product, constants, 64, zero_point, low, high)

    return operation


OPERATIONS = {
    **{("float32", name): _float(name) for name in ("add", "sub", "mul", "div", "max", "min")},
    ("int8", "add shift"): _add("shift"),
    ("int8", "add fixed"): _add("fixed"),
    ("int8", "mul float32"): _mul("float32"),
    ("int8", "mul fixed"): _mul("fixed"),
}


def _run(type_: str, operation: Any) -> Any:
    """``run(a, b, out, count, a_step, b_step, constants)``: steps of 16 elements are 16 or 0 elements long."""
    size = 4 if type_ == "float32" else 1

    @intrinsic
    def run(typing: Any, a: Any, b: Any, out: Any, count: Any, a_step: Any, b_step: Any, constants: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            a, b, out, count, a_step, b_step, constants = arguments

            def operand(address: Value) -> Value:
                if type_ == "float32":
                    return load(builder, vector(F32), address)
                return builder.sext(load(builder, vector(I8), address), vector(I32))

            vectors = builder.ashr(builder.add(count, constant(I64, 15)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                x = operand(builder.add(a, builder.mul(loop.index, a_step)))
                y = operand(builder.add(b, builder.mul(loop.index, b_step)))
                z = operation(builder, x, y, constants)
                z = z if type_ == "float32" else builder.trunc(z, vector(I8))
                done = builder.shl(loop.index, constant(I64, 4))
                at = builder.add(out, builder.mul(done, constant(I64, size)))
                left = builder.sub(count, done)
                with builder.if_else(builder.icmp_signed(">=", left, constant(I64, LANES))) as (whole, part):
                    with whole:
                        store(builder, z, at)
                    with part:
                        masked_store(builder, z, at, lanes_below(builder, left))
            return context.get_dummy_value()

        return types.void(*[INT64] * 7), generate

    return run


def _repeat(type_: str) -> Any:
    """``repeat(target, source)``: one element 16 times."""

    @intrinsic
    def repeat(typing: Any, target: Any, source: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            element = F32 if type_ == "float32" else I8
            store(builder, splat(builder, load(builder, element, arguments[1])), arguments[0])
            return context.get_dummy_value()

        return types.void(INT64, INT64), generate

    return repeat


def binary_kernel(type_: str, name: str) -> Callable[[int, int, int, int], None]:
    """Its row: both operands, output, constants (addresses); elements of a run, bytes from element to element in it of
    both operands (0 where one element serves the whole run); then three outer dimensions, the last one fastest: size,
    and bytes from one to the next of both operands and the output. A unit is a run."""
    run, repeat = _run(type_, OPERATIONS[type_, name]), _repeat(type_)

    def binary(row: int, first: int, last: int, scratch: int) -> None:
        a, b, out, constants = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        count, a_step, b_step = get_i64(row + 32), get_i64(row + 40) * 16, get_i64(row + 48) * 16
        middle, inner = get_i64(row + 88), get_i64(row + 120)
        for unit in range(first, last):
            k, rest = remainder(unit, inner), quotient(unit, inner)
            j, i = remainder(rest, middle), quotient(rest, middle)
            x = a + i * get_i64(row + 64) + j * get_i64(row + 96) + k * get_i64(row + 128)
            y = b + i * get_i64(row + 72) + j * get_i64(row + 104) + k * get_i64(row + 136)
            to = out + i * get_i64(row + 80) + j * get_i64(row + 112) + k * get_i64(row + 144)
            if a_step == 0:
                repeat(scratch, x)
                x = scratch
            if b_step == 0:
                repeat(scratch + 64, y)
                y = scratch + 64
            run(x, y, to, count, a_step, b_step, constants)

    return binary


def kernel(kind: str, *parameters: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``table`` or ``binary``."""
    return {"table": table_kernel, "binary": binary_kernel}[kind](*parameters)
