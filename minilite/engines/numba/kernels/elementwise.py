"""One operand, element by element: tables of all there is, and functions of 16 elements at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.elements import ELEMENTS
from minilite.engines.numba.kernels.functions import FUNCTIONS
from minilite.engines.numba.kernels.vectors import (
    I8,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    constant,
    get_i16,
    get_i32,
    get_i64,
    get_u8,
    load,
    put_i16,
    put_i32,
    put_u8,
    store,
    store_some,
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
        vectors = builder.ashr(builder.add(count, constant(I64, 63)), constant(I64, 6))
        with cgutils.for_range(builder, vectors, intp=I64) as loop:
            done = builder.shl(loop.index, constant(I64, 6))
            x = load(builder, bytes_, builder.add(source, done))
            halves = [
                call(builder, "llvm.x86.avx512.vpermi2var.qi.512", bytes_, parts[2 * h], x, parts[2 * h + 1])
                for h in range(2)
            ]
            y = builder.select(builder.icmp_signed("<", x, constant(bytes_, 0)), halves[1], halves[0])
            store_some(builder, y, builder.add(target, done), builder.sub(count, done))
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


ENTRIES = {1: get_u8, 2: get_i16, 4: get_i32}
PUTS = {1: put_u8, 2: put_i16, 4: put_i32}


def entries_kernel(source: int, target: int) -> Callable[[int, int, int, int], None]:
    """``out[i] = table[in[i]]`` for numbers of 1 or 2 bytes, read as unsigned ones, that become such of 1, 2 or 4. The
    row of :func:`table_kernel`."""
    get, entry, put, most = ENTRIES[source], ENTRIES[target], PUTS[target], (1 << 8 * source) - 1

    def entries(row: int, first: int, last: int, scratch: int) -> None:
        x, y, table = get_i64(row), get_i64(row + 8), get_i64(row + 16)
        for i in range(first * 4096, min(last * 4096, get_i64(row + 24))):
            put(y + i * target, entry(table + (get(x + i * source) & most) * target))

    return entries


# ---- functions -------------------------------------------------------------------------------------------------------


def convert_kernel(name: str, source: str, target: str) -> Callable[[int, int, int, int], None]:
    """A function from one type to another. Its row: input, output, constants (addresses), elements. A unit is 4,096."""
    function, given, made = FUNCTIONS[name], ELEMENTS[source], ELEMENTS[target]
    from_size, to_size = given.size, made.size

    @intrinsic
    def run(typing: Any, source: Any, target: Any, constants: Any, count: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            source, target, constants, count = arguments
            vectors = builder.ashr(builder.add(count, constant(I64, 15)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                done = builder.mul(loop.index, constant(I64, LANES))
                x = given.load(builder, builder.add(source, builder.mul(done, constant(I64, given.size))))
                y = made.narrowed(builder, function(builder, x, constants))
                at = builder.add(target, builder.mul(done, constant(I64, made.size)))
                store_some(builder, y, at, builder.sub(count, done))
            return context.get_dummy_value()

        return types.void(*[INT64] * 4), generate

    def convert(row: int, first: int, last: int, scratch: int) -> None:
        start, stop = first * 4096, min(last * 4096, get_i64(row + 24))
        from_, to = get_i64(row) + from_size * start, get_i64(row + 8) + to_size * start
        run(from_, to, get_i64(row + 16), stop - start)

    return convert


def kernel(kind: str, *how: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``table``; ``entries`` (bytes of both numbers); ``unary``, a function of float32; or
    ``convert``, a function and two types."""
    if kind == "entries":
        return entries_kernel(*map(int, how))
    if kind == "unary":
        return convert_kernel(how[0], "float32", "float32")
    return {"table": table_kernel, "convert": convert_kernel}[kind](*how)
