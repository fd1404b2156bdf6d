"""One block of memory for all tensors of compiled steps, those that are never needed together sharing places."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

ALIGNMENT = 64
SLACK = 128
"""Bytes behind every tensor that kernels may read and, where the tensor is their output, write."""


def places(sizes: Mapping[int, int], lives: Mapping[int, tuple[int, int]]) -> tuple[dict[int, int], int]:
    """Offsets of tensors, and how many bytes they take together.

    ``lives`` holds the first and last step that uses each. Large ones are placed first, each at the lowest offset where
    no tensor lies that lives at the same time."""
    placed: list[tuple[int, int, int]] = []  # offset, end, tensor
    offsets: dict[int, int] = {}
    for tensor in sorted(sizes, key=lambda t: (-sizes[t], t)):
        size = -(-(sizes[tensor] + SLACK) // ALIGNMENT) * ALIGNMENT
        first, last = lives[tensor]
        offset = 0
        for start, end, other in placed:
            if lives[other][0] <= last and first <= lives[other][1]:
                if offset + size <= start:
                    break
                offset = max(offset, end)
        offsets[tensor] = offset
        bisect.insort(placed, (offset, offset + size, tensor))
    return offsets, max((end for _, end, _ in placed), default=0)
