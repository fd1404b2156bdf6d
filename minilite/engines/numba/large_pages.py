"""Memory in large pages for the constants of a plan.

Weights of many megabytes in pages of 4 KiB do not fit what a processor remembers of addresses: layers of one row, which
read each weight once, take a tenth to a third longer. So what a plan packs lies side by side in a part of the address
space that the system is asked to give large pages (Linux; elsewhere, and where it refuses, memory is NumPy's).
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np

Array = np.ndarray

LEAST = 1 << 22
"""Bytes of constants from which on it is worth while."""
TIMES = 5
"""How many times as large as the constants the reserved part is: what is not touched takes no memory, and Winograd's
filters are up to four times as large as a file's."""

MOST = 1 << 33
"""Bytes of address space, at most."""


@contextlib.contextmanager
def reserved(constants: int) -> Iterator[None]:
    """Within this, :func:`zeros` takes memory from one part of large pages, if there are many bytes of constants."""
    token = _REST.set(_reserve(min(TIMES * constants, MOST)) if constants >= LEAST else None)
    try:
        yield
    finally:
        _REST.reset(token)


def zeros(size: int) -> Array:
    """So many bytes."""
    rest = _REST.get()
    if rest is None or size > rest.size:
        return np.zeros(size, np.uint8)
    _REST.set(rest[size:])
    return rest[:size]


_REST: ContextVar[Array | None] = ContextVar("_REST", default=None)


def _reserve(size: int) -> Array | None:
    """A part of the address space for so many bytes, all zero; None where large pages cannot be asked for."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    try:
        part = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        part.madvise(mmap.MADV_HUGEPAGE)
    except (OSError, ValueError, OverflowError):
        return None
    return np.frombuffer(part, np.uint8)
