"""Compiled kernels between fences: memory around their tensors and packed weights that ends the process when touched.

Kernels may read, and where it is their output write, some bytes behind a tensor (``arena.SLACK``); everything beyond is
a page without access, so that a kernel that goes further is killed there instead of reading what happens to lie there.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from minilite.engines.numba import arena, packing
from minilite.engines.numba.lowering import lower  # noqa: F401  # all modules that allocate must be there to be patched

PAGE = mmap.PAGESIZE
READABLE = 64
"""Bytes behind the last one that :func:`minilite.engines.numba.packing.aligned` promises."""

_libc = ctypes.CDLL(None, use_errno=True)
_layout: list[list[tuple[int, int]]] = []
"""Where the fences of the arena that is allocated next shall be: start and size, in bytes."""


def _forbid(address: int, size: int) -> None:
    if _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")


def _mapping(size: int, fences: list[tuple[int, int]]) -> np.ndarray:
    memory = np.frombuffer(mmap.mmap(-1, size), np.uint8)
    for start, length in fences:
        _forbid(memory.ctypes.data + start, length)
    return memory


def aligned(shape: tuple[int, ...] | int, dtype: Any, boundary: int = 64) -> np.ndarray:
    """As :func:`minilite.engines.numba.packing.aligned`, with a fence behind the bytes that may be read."""
    size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    if _layout:
        whole = -(-size // PAGE) * PAGE
        return _mapping(whole, _layout.pop())[:size].view(dtype).reshape(shape)
    behind = packing.padded(size, 64) + READABLE
    pages = packing.padded(behind, PAGE)
    memory = _mapping(pages + 2 * PAGE, [(0, PAGE), (PAGE + pages, PAGE)])
    start = PAGE + pages - behind
    return memory[start : start + size].view(dtype).reshape(shape)


def places(sizes: Mapping[int, int], lives: Mapping[int, tuple[int, int]]) -> tuple[dict[int, int], int]:
    """As :func:`minilite.engines.numba.arena.places`: every tensor by itself, between fences."""
    offsets, fences, end = {}, [(0, PAGE)], PAGE
    for tensor, size in sizes.items():
        room = packing.padded(size + arena.SLACK, 64)
        end += packing.padded(room, PAGE)
        offsets[tensor] = end - room
        fences.append((end, PAGE))
        end += PAGE
    _layout.append(fences)
    return offsets, end - arena.SLACK  # the caller adds it for the last tensor, which has it already


@contextmanager
def fences() -> Iterator[None]:
    """Within, compiled programs get memory with fences."""
    modules = [m for name, m in sys.modules.items() if name.startswith("minilite.engines.numba")]
    patches = [mock.patch.object(m, "aligned", aligned) for m in modules if getattr(m, "aligned", None) is _aligned]
    patches.append(mock.patch.object(arena, "places", places))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


_aligned = packing.aligned
