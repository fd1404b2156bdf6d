"""The second thread: one for the whole process, asleep unless models run that want it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

import numpy as np

from minilite.engines.numba import objects
from minilite.engines.numba.packing import ABSENT, aligned

PATIENCE = 4000
"""Moments (some 20 ns each) that the worker waits for more before it goes to sleep."""
TRIES = 1000
"""How often in a row reading from the pipe may fail, or be interrupted."""


class Team:
    """The worker, and the block of memory in which runners meet it, for as long as the process lives.

    It sleeps in compiled code, where a runner wakes it by a pipe: no thread waits for Python's lock. Runners never wait
    for a worker that is away: they do the work themselves until it is there."""

    def __init__(self) -> None:
        self.block = aligned(16, np.int64)
        self.address = self.block.ctypes.data
        self._pipe: dict[int, tuple[int, int]] = {}
        self.begin()

    def begin(self) -> None:
        """Have no worker, and nothing to do. The block stays where it is: programs know its address."""
        self.block[:] = ABSENT
        self._start = threading.Lock()
        self._leave()

    def gather(self) -> None:
        """Have a worker, if the system has a thread and two file descriptors left."""
        if self._pipe:
            return
        with self._start, contextlib.suppress(OSError, RuntimeError):
            if not self._pipe:
                reading, writing = os.pipe()
                self._pipe = {end: _identity(end) for end in (reading, writing)}
                self.block[8:12] = _in_c("write"), writing, _in_c("read"), reading
                try:
                    threading.Thread(target=self._work, name="minilite worker", daemon=True).start()
                except RuntimeError:
                    self._leave()

    def _work(self) -> None:
        objects.function(("runner", "worker"))(self.address, PATIENCE, TRIES, 0)
        self.block[0] = ABSENT  # somebody has closed the pipe; runners go on without
        self._leave()

    def _leave(self) -> None:
        """Close the pipe, or what is left of it: its numbers may be other files' by now."""
        pipe, self._pipe = self._pipe, {}
        for end, identity in pipe.items():
            with contextlib.suppress(OSError):
                if _identity(end) == identity:
                    os.close(end)


def _identity(file: int) -> tuple[int, int]:
    """What a file descriptor stands for."""
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def _in_c(name: str) -> int:
    """The address of a function in C's library, of which Windows has the one of Python."""
    library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    function = getattr(library, f"_{name}" if sys.platform == "win32" else name)
    return ctypes.cast(function, ctypes.c_void_p).value or 0


team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.begin)  # a forked process has no worker
