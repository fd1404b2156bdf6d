"""Which of a memory plan's buffers are in use at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Buffer(Protocol):
    """What is asked of a buffer: the moments at which it is in use, and its place."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def offset(self) -> int: ...


class InUse:
    """Buffers, asked by moment. ``start`` is the number of the first one."""

    def __init__(self, buffers: Sequence[Buffer], start: int = 0):
        columns = [(b.first, b.last, b.size, b.offset + b.size) for b in buffers]
        self._first, self._last, self._size, self._end = np.array(columns, np.int64).reshape(-1, 4).T
        self._numbers = np.arange(start, start + len(columns)).astype(object)

    def most_bytes(self) -> int:
        """The most bytes that are in use at any moment."""
        return int(self._held(self._first, self._size).max(initial=0))

    def total(self, times: Sequence[int]) -> int:
        """How many buffers are in use at these moments, those of several once for each."""
        return int(self._held(np.asarray(times, np.int64), np.ones_like(self._size)).sum())

    def _held(self, times: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The weights of what is in use at each moment: what has begun, without what has ended."""
        begun, ended = np.argsort(self._first), np.argsort(self._last)
        entered = np.searchsorted(self._first[begun], times, side="right")
        left = np.searchsorted(self._last[ended], times, side="left")
        return _sums(weight[begun])[entered] - _sums(weight[ended])[left]

    def at(self, time: int) -> tuple[int, int, tuple[int, ...]]:
        """Bytes in use, the highest end, and the numbers of the buffers."""
        used = (self._first <= time) & (self._last >= time)
        return int(self._size[used].sum()), int(self._end[used].max(initial=0)), tuple(self._numbers[used].tolist())


def _sums(weights: np.ndarray) -> np.ndarray:
    """Of none of the weights, of the first, of the first two, and so on."""
    return np.concatenate([[0], np.cumsum(weights)])
