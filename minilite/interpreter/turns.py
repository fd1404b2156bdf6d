"""One thread at a time: an interpreter's tensors are nobody else's while a call is under way."""

from __future__ import annotations

import threading
from types import TracebackType

from minilite.errors import StateError

BUSY = "Another thread is using this interpreter now. Give every thread an interpreter of its own, or hold a lock."


class Turn:
    """A lock that is never waited for: who comes second is refused. A thread that has it may take it again.

    Calls that last microseconds say ``acquire(False)`` and ``release()`` themselves, for ``with`` takes half of one."""

    __slots__ = ("acquire", "release")

    def __init__(self) -> None:
        lock = threading.RLock()
        self.acquire, self.release = lock.acquire, lock.release

    def __enter__(self) -> None:
        if not self.acquire(False):
            raise StateError(BUSY)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
