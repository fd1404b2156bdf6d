"""A histogram that can be added to without knowing the range beforehand, and merged in any order.

Bin ``i`` holds the values from ``i * width`` up to ``(i + 1) * width``; ``width`` is a power of two. When the bins
from the lowest to the highest value are more than there is room for, the width doubles, and bins ``2 i`` and
``2 i + 1`` become bin ``i``, exactly: ``floor(floor(x / w) / 2) = floor(x / 2 w)``. The width is always the smallest
that has room, so it depends on the values only, and not on the order in which they came or how they were divided.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray

ROOM = 4096
"""Bins at most. More than half of them lie between the extremes, unless all values are alike."""

FINEST = -160
"""The exponent of the smallest width, below all float32 numbers."""


class Histogram:
    """Counts of float32 values: ``counts[j]`` of them are in bin ``first + j`` of width ``2**exponent``; ``zeros`` of
    them are exactly 0. ``low`` and ``high`` are the extremes."""

    def __init__(self) -> None:
        self.exponent, self.first = FINEST, 0
        self.counts = np.zeros(0, np.int64)
        self.zeros = 0
        self.low, self.high = math.inf, -math.inf

    @property
    def width(self) -> float:
        """The width of a bin."""
        return 2.0**self.exponent

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @property
    def edges(self) -> Array:
        """Where bins begin, and where the last one ends; float64."""
        return np.arange(self.first, self.first + len(self.counts) + 1) * self.width

    def add(self, array: Array, low: float, high: float) -> None:
        """Count the values of an array whose extremes are ``low`` and ``high``, all finite."""
        self._make_room(float(low), float(high))
        exact = np.float32 if -126 <= self.exponent <= 0 else np.float64  # nothing is rounded to 0
        scaled = np.multiply(array.ravel(), exact(2.0**-self.exponent), dtype=exact)
        bins = np.floor(scaled, out=scaled).astype(np.int64)
        bins -= self.first
        self.counts += np.bincount(bins, minlength=len(self.counts))
        self.zeros += int(array.size - np.count_nonzero(array))

    def merge(self, other: Histogram) -> None:
        """Count the other one's values, too."""
        if not len(other.counts):
            return
        self._make_room(other.low, other.high)
        first, counts = _coarser(other.first, other.counts, self.exponent - other.exponent)
        self.counts[first - self.first :][: len(counts)] += counts
        self.zeros += other.zeros

    def _make_room(self, low: float, high: float) -> None:
        """Have a bin for every value from ``low`` to ``high``."""
        low, high = min(low, self.low), max(high, self.high)
        if (low, high) == (self.low, self.high):
            return
        exponent = max(self.exponent, _exponent(low, high))
        begin, counts = _coarser(self.first, self.counts, exponent - self.exponent)
        first, last = _bin(low, exponent), _bin(high, exponent)
        wider = np.zeros(last - first + 1, np.int64)
        wider[begin - first :][: len(counts)] = counts
        self.exponent, self.first, self.counts, self.low, self.high = exponent, first, wider, low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._all() == other._all()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _all(self) -> tuple[object, ...]:
        return self.exponent, self.first, self.zeros, self.low, self.high, self.counts.tobytes()


def _bin(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _exponent(low: float, high: float) -> int:
    """The smallest width's exponent with which there is room from ``low`` to ``high``, and bins have int64 numbers."""
    largest, wide = max(abs(low), abs(high)), high - low
    exponent = FINEST if not wide else max(FINEST, math.frexp(wide)[1] - ROOM.bit_length())
    exponent = exponent if not largest else max(exponent, math.frexp(largest)[1] - 60)
    while _bin(high, exponent) - _bin(low, exponent) >= ROOM:
        exponent += 1
    return exponent


def _coarser(first: int, counts: Array, doublings: int) -> tuple[int, Array]:
    """The same counts in bins ``2**doublings`` times as wide."""
    if not len(counts) or not doublings:
        return first, counts
    bins = np.arange(first, first + len(counts)) >> min(doublings, 63)
    begin = int(bins[0])
    summed = np.zeros(int(bins[-1]) - begin + 1, np.int64)
    np.add.at(summed, bins - begin, counts)
    return begin, summed
