"""The second thread: one for the whole process, asleep unless models run that want it."""

from __future__ import annotations

import os
import threading

import numpy as np

from minilite.engines.numba import objects
from minilite.engines.numba.packing import AWAY, aligned

PATIENCE = 4000
"""Moments (some 20 ns each) that the worker waits for more before it goes to sleep."""


class Team:
    """The worker, and the block of memory in which runners meet it, for as long as the process lives.

    Runners never wait for a worker that is away: they do the work themselves until it is there."""

    def __init__(self) -> None:
        self.block = aligned(8, np.int64)
        self.address = self.block.ctypes.data
        self.begin()

    def begin(self) -> None:
        """Have no worker, and nothing to do. The block stays where it is: programs know its address."""
        self.block[:] = AWAY
        self._asleep = threading.Lock()  # not an Event: an interrupt in one of its methods may leave it locked
        self._asleep.acquire()
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()

    def call(self) -> None:
        """Have the worker come."""
        if self.block[0] != AWAY:
            return
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="minilite worker", daemon=True)
                    self._thread.start()
        try:
            self._asleep.release()
        except RuntimeError:  # called already
            return

    def _work(self) -> None:
        work = objects.function(("runner", "worker"))
        while True:
            self._asleep.acquire()
            work(self.address, PATIENCE, 0, 0)


team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.begin)  # a forked process has no worker
