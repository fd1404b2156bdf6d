"""Sums of products: integers exactly, floats in a named order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray
BLOCK = 1 << 22
"""Elements of an intermediate matrix that are worth having at once."""


def integer_dot(a: Array, b: Array) -> Array:
    """``a @ b`` of integers, exact, as int64. BLAS does it in floats, which hold every partial sum exactly: float32 up
    to 2**24, float64 up to 2**53."""
    terms = a.shape[-1]
    bound = terms * _magnitude(a) * _magnitude(b)
    if bound >= 2**53:
        return a.astype(np.int64) @ b.astype(np.int64)
    dtype = np.float32 if bound <= 2**24 else np.float64
    return (a.astype(dtype) @ b.astype(dtype)).astype(np.int64)


def _magnitude(x: Array) -> int:
    return max(abs(int(x.min())), abs(int(x.max()))) if x.size else 0


def float_dot(a: Array, b: Array, sums: str) -> Array:
    """``a @ b`` of floats; ``sums`` is ``"any"`` (BLAS decides) or ``"sequential"``: for each output, one rounded product
    after the other added to one accumulator, from the first term to the last, no fused multiply-add."""
    if sums != "sequential":
        return a @ b
    acc = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype)
    for k in range(a.shape[-1]):
        acc += a[..., :, k, None] * b[..., k, None, :]
    return acc


def sequential_sum(x: Array, axis: int) -> Array:
    """The sum along one axis, first element to last, in the precision of ``x``."""
    acc = np.zeros(np.delete(x.shape, axis), x.dtype)
    for part in np.moveaxis(x, axis, 0):
        acc += part
    return acc


def in_blocks(batches: int, elements_per_batch: int) -> Iterator[slice]:
    """Slices of the batch dimension that keep an intermediate matrix below :data:`BLOCK` elements."""
    step = max(1, BLOCK // max(elements_per_batch, 1))
    return (slice(start, start + step) for start in range(0, batches, step))


Dot = Callable[[Array, Array], Array]
