"""Two operands, element by element, broadcast like NumPy, 16 elements at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.operations import COMPARISONS, OPERATIONS
from minilite.engines.numba.kernels.vectors import (
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    constant,
    get_i64,
    get_u8,
    lanes_below,
    load,
    masked_store,
    put_u8,
    quotient,
    remainder,
    splat,
    store,
    vector,
)


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


def _run(type_: str, name: str) -> Any:
    """``run(...)`` of :class:`Runs`."""
    prepare, given = OPERATIONS[name], ELEMENTS[type_]
    made = ELEMENTS["bool"] if name in COMPARISONS else given

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
                    x1 = splat(builder, load(builder, given.stored, address))
                    from1 = builder.block
                with many:
                    x16 = load(builder, vector(given.stored), address)
                    from16 = builder.block
            x = builder.phi(x1.type)
            x.add_incoming(x1, from1)
            x.add_incoming(x16, from16)
            return given.widened(builder, x)

        def result(x: Value, y: Value) -> Value:
            return made.narrowed(builder, operation(builder, x, y))

        with cgutils.for_range(builder, runs.times, intp=I64) as run:
            a, b, out = (
                builder.add(base, builder.mul(run.index, stride))
                for base, stride in ((runs.a, runs.a_stride), (runs.b, runs.b_stride), (runs.out, runs.out_stride))
            )
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                x = operand(builder.add(a, builder.mul(loop.index, runs.a_step)), runs.a_step)
                y = operand(builder.add(b, builder.mul(loop.index, runs.b_step)), runs.b_step)
                at = builder.mul(loop.index, constant(I64, LANES * made.size))
                store(builder, result(x, y), builder.add(out, at))
            with builder.if_then(builder.icmp_signed(">", left, constant(I64, 0))):
                x = operand(builder.add(a, builder.mul(vectors, runs.a_step)), runs.a_step)
                y = operand(builder.add(b, builder.mul(vectors, runs.b_step)), runs.b_step)
                at = builder.mul(vectors, constant(I64, LANES * made.size))
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
    run = _run(type_, name)

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
