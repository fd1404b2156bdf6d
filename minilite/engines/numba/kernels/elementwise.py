"""One operand, element by element: tables of bytes, and functions of 16 floats at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.kernels.functions import FUNCTIONS
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
    constant,
    get_i64,
    load,
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


# ---- one operand of float32 ------------------------------------------------------------------------------------------


def unary_kernel(name: str) -> Callable[[int, int, int, int], None]:
    """Its row: input, output, constants (addresses), elements. A unit is 4,096. Elements are float32, of what quantizes
    and dequantizes int8 on one side."""
    function = FUNCTIONS[name]
    source_size, target_size = (1 if name == "dequantize" else 4), (1 if name.startswith("quantize") else 4)

    @intrinsic
    def run(typing: Any, source: Any, target: Any, constants: Any, count: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            source, target, constants, count = arguments
            floats = vector(F32)
            vectors = builder.ashr(builder.add(count, constant(I64, 15)), constant(I64, 4))
            with cgutils.for_range(builder, vectors, intp=I64) as loop:
                done = builder.mul(loop.index, constant(I64, LANES))
                here = builder.add(source, builder.mul(done, constant(I64, source_size)))
                if source_size == 4:
                    x = load(builder, floats, here)
                else:
                    x = builder.sext(load(builder, vector(I8), here), vector(I32))
                y = function(builder, x, constants)
                y = y if target_size == 4 else builder.trunc(y, vector(I8))
                at = builder.add(target, builder.mul(done, constant(I64, target_size)))
                store_some(builder, y, at, builder.sub(count, done))
            return context.get_dummy_value()

        return types.void(*[INT64] * 4), generate

    def unary(row: int, first: int, last: int, scratch: int) -> None:
        start, stop = first * 4096, min(last * 4096, get_i64(row + 24))
        source, target = get_i64(row) + source_size * start, get_i64(row + 8) + target_size * start
        run(source, target, get_i64(row + 16), stop - start)

    return unary


def kernel(kind: str, name: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind: ``table`` or ``unary``."""
    return {"table": table_kernel, "unary": unary_kernel}[kind](name)
