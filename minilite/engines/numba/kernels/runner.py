"""The runner: one compiled call for all steps of a program; and the worker that takes its share of them.

They meet in a block of int64, whose first says how it stands: there is no worker, or it is away (it sleeps until there
is something to read in a pipe), has been called back, waits, is asked for by a runner that is writing what there is to
do, or is at work; the eighth counts the runners. The runner takes pieces from the front and the worker from the back
until none are left: neither waits for the other longer than for the last piece, and what one has written it mostly
reads itself in the next step, from its own caches.
"""

from __future__ import annotations

from collections.abc import Callable

from numba.extending import register_jitable

from minilite.engines.numba.kernels.vectors import (
    call_c,
    exchange,
    get_atomic,
    get_i64,
    jump,
    pause,
    put_atomic,
    put_i64,
    quotient,
    take,
)
from minilite.engines.numba.packing import AT_WORK, AWAY, CALLED, CLAIMED, HEAD, ROW, WAITING


@register_jitable
def _share(block: int, scratch: int, from_back: bool) -> None:
    """Take pieces of the work described in the block until there are none."""
    function, row, units, piece = (
        get_i64(block + 16),
        get_i64(block + 24),
        get_i64(block + 32),
        get_i64(block + 40),
    )
    pieces = quotient(units + piece - 1, piece)
    done = 0
    while take(block + 8, 1) < pieces:
        first = (pieces - 1 - done if from_back else done) * piece
        jump(function, row, first, min(first + piece, units), scratch)
        done += 1


def _run() -> Callable[[int, int, int, int], None]:
    """``run(rows, first, last, scratch)``. Rows are the steps' own, ``ROW`` bytes each: the kernel's address, its
    units, how many of them make a piece (0: not to be shared), the second thread's scratch memory; then the kernel's
    row."""

    def run(rows: int, first: int, last: int, scratch: int) -> None:
        for step in range(first, last):
            row = rows + step * ROW
            jump(get_i64(row), row + HEAD, 0, get_i64(row + 8), scratch)

    return run


def _run_shared() -> Callable[[int, int, int, int], None]:
    """``run(rows, block, last, scratch)``, with the worker's help where it is waiting."""

    def run(rows: int, block: int, last: int, scratch: int) -> None:
        take(block + 56, 1)
        if get_atomic(block) == AWAY and exchange(block, AWAY, CALLED):
            call_c(get_i64(block + 64), get_i64(block + 72), block + 96, 1)
        for step in range(last):
            row = rows + step * ROW
            piece = get_i64(row + 16)
            if piece == 0 or not exchange(block, WAITING, CLAIMED):
                jump(get_i64(row), row + HEAD, 0, get_i64(row + 8), scratch)
                continue
            put_i64(block + 8, 0)
            put_i64(block + 16, get_i64(row))
            put_i64(block + 24, row + HEAD)
            put_i64(block + 32, get_i64(row + 8))
            put_i64(block + 40, piece)
            put_i64(block + 48, get_i64(row + 24))
            put_atomic(block, AT_WORK)
            _share(block, scratch, False)
            while get_atomic(block) == AT_WORK:
                pause()
        take(block + 56, -1)

    return run


def _work() -> Callable[[int, int, int, int], None]:
    """``work(block, patience, tries, _)``: do what runners ask for; sleep when there has been none for so many moments.
    It ends when so many times there was nothing to be read: somebody has closed the pipe."""

    def work(block: int, patience: int, tries: int, unused: int) -> None:
        put_atomic(block, WAITING)
        idle = failed = 0
        while failed < tries:
            if get_atomic(block) == AT_WORK:
                _share(block, get_i64(block + 48), True)
                put_atomic(block, WAITING)
                idle = 0
            else:
                pause()
                idle = idle + 1 if get_atomic(block + 56) == 0 else 0
                if idle > patience and exchange(block, WAITING, AWAY):
                    while failed < tries and get_atomic(block) == AWAY:
                        read = call_c(get_i64(block + 80), get_i64(block + 88), block + 96, 1)
                        failed = 0 if read == 1 else failed + 1
                    idle = 0
                    if failed < tries:
                        put_atomic(block, WAITING)

    return work


def kernel(what: str) -> Callable[[int, int, int, int], None]:
    """``alone``, ``shared`` or ``worker``."""
    return {"alone": _run, "shared": _run_shared, "worker": _work}[what]()
