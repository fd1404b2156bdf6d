"""Moving elements: pieces of memory, or elements one by one, copied from one place to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilite.engines.numba.kernels.vectors import (
    I1,
    I8,
    INT64,
    Builder,
    Value,
    call,
    constant,
    get_i16,
    get_i32,
    get_i64,
    get_u8,
    pointer,
    put_i16,
    put_i32,
    put_i64,
    put_u8,
)


@intrinsic
def move(typing: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy ``size`` bytes between places that do not overlap."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        target, source, size = arguments
        to, from_ = pointer(builder, I8, target), pointer(builder, I8, source)
        call(builder, "llvm.memcpy.p0.p0.i64", ir.VoidType(), to, from_, size, constant(I1, 0))
        return context.get_dummy_value()

    return types.void(INT64, INT64, INT64), generate


def pieces_kernel() -> Callable[[int, int, int, int], None]:
    """Its row: address of a table of (source, target, first byte, first byte, bytes) offsets; then the addresses,
    of which ``source`` and ``target`` are numbers. A unit is a line of the table."""

    def moving(row: int, first: int, last: int, scratch: int) -> None:
        table = get_i64(row)
        for unit in range(first, last):
            line = table + unit * 40
            source = get_i64(row + 8 + 8 * get_i64(line)) + get_i64(line + 16)
            target = get_i64(row + 8 + 8 * get_i64(line + 8)) + get_i64(line + 24)
            move(target, source, get_i64(line + 32))

    return moving


ELEMENTS = {1: (get_u8, put_u8), 2: (get_i16, put_i16), 4: (get_i32, put_i32), 8: (get_i64, put_i64)}


def elements_kernel(size: int) -> Callable[[int, int, int, int], None]:
    """Elements of so many bytes, one by one. Its row: table of the sources' offsets (int32), source, target
    (addresses); elements. A unit is 1,024 elements."""
    get, put = ELEMENTS[size]

    def moving(row: int, first: int, last: int, scratch: int) -> None:
        table, source, target, count = get_i64(row), get_i64(row + 8), get_i64(row + 16), get_i64(row + 24)
        for i in range(first * 1024, min(last * 1024, count)):
            put(target + i * size, get(source + get_i32(table + 4 * i)))

    return moving


def kernel(how: str) -> Callable[[int, int, int, int], None]:
    """``pieces``, or elements of so many bytes."""
    return pieces_kernel() if how == "pieces" else elements_kernel(int(how))
