"""Where buffers of known sizes and lifetimes go in one block of memory: two planners' ways.

``greedy``      TFLite Micro's ``GreedyMemoryPlanner``: largest first, each in the first gap that is large enough
``best_fit``    LiteRT's ``SimpleMemoryArena``: in the order given, each in the gap it fills best, else at the end

Sources: ``micro/memory_planner/greedy_memory_planner.cc`` of tflite-micro, ``simple_memory_arena.cc`` of LiteRT.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """A buffer: bytes, and the first and last moment at which it is in use. ``fixed`` is an offset that was planned
    elsewhere."""

    bytes: int
    first: int
    last: int
    fixed: int | None = None

    def meets(self, other: Need) -> bool:
        """Whether both are in use at some moment."""
        return self.first <= other.last and other.first <= self.last


def aligned(value: int, alignment: int) -> int:
    """The least multiple of ``alignment`` that is not below ``value``."""
    return -(-value // alignment) * alignment


def greedy(needs: Sequence[Need]) -> list[int]:
    """The offset of each buffer, whose sizes are aligned already. Of equal ones the last comes first; those with a
    place of their own come before all others."""
    free = sorted(reversed([i for i, n in enumerate(needs) if n.fixed is None]), key=lambda i: -needs[i].bytes)
    offsets: dict[int, int] = {}
    order: list[int] = []  # by offset; of equal ones those placed earlier come first
    for index in [*(i for i, n in enumerate(needs) if n.fixed is not None), *free]:
        fixed = needs[index].fixed
        offset = _first_gap(needs, offsets, order, index) if fixed is None else fixed
        offsets[index] = offset
        order.insert(bisect_right(order, offset, key=offsets.__getitem__), index)
    return [offsets[i] for i in range(len(needs))]


def _first_gap(needs: Sequence[Need], offsets: dict[int, int], order: Iterable[int], index: int) -> int:
    candidate = 0
    for other in order:
        if needs[other].meets(needs[index]):
            if offsets[other] - candidate >= needs[index].bytes:
                break
            candidate = max(candidate, offsets[other] + needs[other].bytes)
    return candidate


def best_fit(needs: Sequence[Need], alignment: int) -> list[int]:
    """The offset of each buffer, placed in the order given; 0 for one without bytes."""
    offsets: list[int] = []
    order: list[int] = []
    for index, need in enumerate(needs):
        if not need.bytes:
            offsets.append(0)
            continue
        offsets.append(_best_gap(needs, offsets, order, need, alignment))
        order.insert(bisect_right(order, offsets[index], key=offsets.__getitem__), index)
    return offsets


def _best_gap(needs: Sequence[Need], offsets: Sequence[int], order: Sequence[int], need: Need, alignment: int) -> int:
    best, smallest, current = None, None, 0
    for other in order:
        if not needs[other].meets(need):
            continue
        start = aligned(current, alignment)
        gap = offsets[other] - start
        if gap >= need.bytes and (smallest is None or gap < smallest):
            best, smallest = start, offsets[other] - current
        current = max(current, offsets[other] + needs[other].bytes)
        if smallest == 0:
            break
    return aligned(current, alignment) if best is None else best


def top(needs: Sequence[Need], offsets: Sequence[int]) -> int:
    """Bytes of memory that the plan takes."""
    return max((o + n.bytes for n, o in zip(needs, offsets, strict=True)), default=0)
