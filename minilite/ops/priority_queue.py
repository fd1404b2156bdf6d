"""A priority queue that hands out equal priorities in the order of libstdc++'s ``std::priority_queue``.

The queue is a list in which no element is smaller than its children, at 2i + 1 and 2i + 2. Elements are tuples whose
first item is the priority; nothing else is compared.
"""

from __future__ import annotations

from typing import Any

Queue = list[tuple[Any, ...]]


def push(queue: Queue, element: tuple[Any, ...]) -> None:
    """Add an element: from the end it rises past smaller parents."""
    queue.append(element)
    _rise(queue, len(queue) - 1, element)


def pop(queue: Queue) -> tuple[Any, ...]:
    """Remove the largest: larger children move up into its place, and the last element fills the gap they leave and
    rises from there. Of two equal children it is the second that moves up."""
    last = queue.pop()
    if not queue:
        return last
    largest, hole, size = queue[0], 0, len(queue)
    while 2 * hole + 1 < size:
        child = 2 * hole + 2
        if child == size or queue[child][0] < queue[child - 1][0]:
            child -= 1
        queue[hole], hole = queue[child], child
    _rise(queue, hole, last)
    return largest


def _rise(queue: Queue, hole: int, element: tuple[Any, ...]) -> None:
    while hole and queue[(hole - 1) // 2][0] < element[0]:
        queue[hole], hole = queue[(hole - 1) // 2], (hole - 1) // 2
    queue[hole] = element
