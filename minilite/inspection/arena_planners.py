"""Where buffers of known sizes and lifetimes go in one block of memory: two planners' ways.

``greedy``      TFLite Micro's ``GreedyMemoryPlanner``: largest first, each in the first gap that is large enough
``best_fit``    LiteRT's ``SimpleMemoryArena``: in the order given, each in the gap it fills best, else at the end

Sources: ``micro/memory_planner/greedy_memory_planner.cc`` of tflite-micro, ``simple_memory_arena.cc`` of LiteRT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Look = Callable[[], None]
"""Called before each buffer is placed; raises when time is up."""


@dataclass(frozen=True)
class Need:
    """A buffer: bytes, and the first and last moment at which it is in use. ``fixed`` is an offset that was planned
    elsewhere."""

    bytes: int
    first: int
    last: int
    fixed: int | None = None


def aligned(value: Any, alignment: int) -> Any:
    """The least multiple of ``alignment`` that is not below ``value``."""
    return -(-value // alignment) * alignment


class Placed:
    """The buffers that have a place: rows of offsets, ends, first and last moments. The columns are in the order of
    offsets; of equal ones those placed earlier come first."""

    def __init__(self, room: int):
        self._rows = np.empty((4, room), np.int64)
        self._count = 0

    def add(self, need: Need, offset: int) -> None:
        place = int(np.searchsorted(self._rows[0, : self._count], offset, side="right"))
        self._rows[:, place + 1 : self._count + 1] = self._rows[:, place : self._count]
        self._rows[:, place] = offset, offset + need.bytes, need.first, need.last
        self._count += 1

    def met(self, need: Need) -> tuple[Array, Array]:
        """Of those that are in use at some moment of ``need``: their offsets; and the highest end of those before each,
        and of all."""
        offsets, ends, first, last = self._rows[:, : self._count]
        meet = (first <= need.last) & (last >= need.first)
        reached = np.zeros(np.count_nonzero(meet) + 1, np.int64)
        np.maximum.accumulate(ends[meet], out=reached[1:])
        return offsets[meet], reached


def _nothing() -> None:
    """Take the time it takes."""


def greedy(needs: Sequence[Need], look: Look = _nothing) -> list[int]:
    """The offset of each buffer, whose sizes are aligned already. Of equal ones the last comes first; those with a
    place of their own come before all others."""
    free = sorted(reversed([i for i, n in enumerate(needs) if n.fixed is None]), key=lambda i: -needs[i].bytes)
    offsets, placed = [0] * len(needs), Placed(len(needs))
    for index in [*(i for i, n in enumerate(needs) if n.fixed is not None), *free]:
        look()
        need = needs[index]
        offsets[index] = _first_gap(placed, need) if need.fixed is None else need.fixed
        placed.add(need, offsets[index])
    return offsets


def _first_gap(placed: Placed, need: Need) -> int:
    offsets, reached = placed.met(need)
    fits = offsets - reached[:-1] >= need.bytes
    return int(reached[fits.argmax() if fits.any() else -1])


def best_fit(needs: Sequence[Need], alignment: int, look: Look = _nothing) -> list[int]:
    """The offset of each buffer, placed in the order given; 0 for one without bytes."""
    offsets, placed = [0] * len(needs), Placed(len(needs))
    for index, need in enumerate(needs):
        if need.bytes:
            look()
            offsets[index] = _best_gap(placed, need, alignment)
            placed.add(need, offsets[index])
    return offsets


def _best_gap(placed: Placed, need: Need, alignment: int) -> int:
    """A gap is measured from where the buffer would begin, and compared with the best one so far as it is without
    alignment."""
    offsets, reached = placed.met(need)
    starts = aligned(reached, alignment)
    gaps = offsets - starts[:-1]
    best, smallest = -1, None
    for place in np.flatnonzero(gaps >= need.bytes).tolist():
        if smallest is None or gaps[place] < smallest:
            best, smallest = place, offsets[place] - reached[place]
        if smallest == 0:
            break
    return int(starts[best])


def top(needs: Sequence[Need], offsets: Sequence[int]) -> int:
    """Bytes of memory that the plan takes."""
    return max((o + n.bytes for n, o in zip(needs, offsets, strict=True)), default=0)
