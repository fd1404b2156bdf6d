"""The runner: one compiled call for all steps of a program."""

from __future__ import annotations

from collections.abc import Callable

from minilite.engines.numba.kernels.vectors import get_i64, jump
from minilite.engines.numba.packing import ROW


def kernel() -> Callable[[int, int, int, int], None]:
    """Its rows are the steps' own, ``ROW`` bytes each: the kernel's address, its units, then the kernel's row."""

    def run(rows: int, first: int, last: int, scratch: int) -> None:
        for step in range(first, last):
            row = rows + step * ROW
            jump(get_i64(row), row + 16, 0, get_i64(row + 8), scratch)

    return run
