"""Moving elements: pieces of memory copied from one place to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilite.engines.numba.kernels.vectors import I1, I8, INT64, Builder, Value, call, constant, get_i64, pointer


@intrinsic
def move(typing: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy ``size`` bytes between places that do not overlap."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        target, source, size = arguments
        to, from_ = pointer(builder, I8, target), pointer(builder, I8, source)
        call(builder, "llvm.memcpy.p0.p0.i64", ir.VoidType(), to, from_, size, constant(I1, 0))
        return context.get_dummy_value()

    return types.void(INT64, INT64, INT64), generate


def kernel() -> Callable[[int, int, int, int], None]:
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
