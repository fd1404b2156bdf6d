"""Pages of memory-mapped files."""

from __future__ import annotations

import contextlib
import mmap

import numpy as np


def release(array: np.ndarray) -> None:
    """Let the system take back the pages that lie wholly within an array over a memory-mapped file: whoever reads them
    again has them loaded again. Arrays with memory of their own, and systems without ``madvise``, are left alone."""
    file = _file(array)
    if file is None or not hasattr(file, "madvise") or not array.flags.c_contiguous:
        return
    start = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if length > 0:
        with contextlib.suppress(OSError):
            file.madvise(mmap.MADV_DONTNEED, first, length)


def _file(array: np.ndarray) -> mmap.mmap | None:
    """The file that an array is a view of."""
    base = array.base
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base if isinstance(base, mmap.mmap) else None
