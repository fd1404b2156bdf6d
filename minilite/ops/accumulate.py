"""Sums of products: integers exactly, floats in a named order.

Floats have two orders. ``"sequential"`` is the reference kernels': for each output one rounded product after the other
is added to one accumulator, from the first term to the last, without fused multiply-add. ``"any"`` leaves it to BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray
BLOCK = 1 << 18
"""Elements of an intermediate matrix that are worth having at once."""
CACHED = 1 << 16
"""Elements that stay in a processor's cache."""
LANES = 4


def exactly(terms: int, *operands: Array) -> list[Array]:
    """The operands in a type in which sums of ``terms`` products of integers are exact, and BLAS fast if possible.

    Floats hold every partial sum exactly while it stays small: float32 up to 2**24, float64 up to 2**53.
    """
    bound = terms * np.prod([_magnitude(x) for x in operands], dtype=object)
    dtype = np.float32 if bound <= 2**24 else np.float64 if bound <= 2**53 else np.int64
    return [x.astype(dtype) for x in operands]


def _magnitude(x: Array) -> int:
    return max(abs(int(x.min())), abs(int(x.max())), 1) if x.size else 1


def integer_dot(a: Array, b: Array) -> Array:
    """``a @ b`` of integers, exact, as int64."""
    a, b = exactly(a.shape[-1], a, b)
    return (a @ b).astype(np.int64)


def float_dot(a: Array, b: Array, sums: str) -> Array:
    """``a @ b`` of floats, summed in the order ``sums``."""
    return sequential_dot(a, b) if sums == "sequential" else a @ b


def sequential_dot(a: Array, b: Array) -> Array:
    """``a @ b``, term by term."""
    acc = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype)
    product = np.empty_like(acc)
    for k in range(a.shape[-1]):
        np.multiply(a[..., :, k, None], b[..., k, None, :], out=product)
        acc += product
    return acc


def in_order(function: np.ufunc, terms: Array, start: Any) -> Array:
    """``function`` from ``start`` over the first axis, first term to last, in the type of ``terms``."""
    acc = np.full(terms.shape[1:], start, terms.dtype)
    for block in in_blocks(len(terms), acc.size, CACHED):
        acc = function.accumulate(np.concatenate([acc[None], terms[block]]), dtype=terms.dtype)[-1]
    return acc


def in_blocks(count: int, elements_each: int, block: int = BLOCK) -> Iterator[slice]:
    """Slices of a dimension of ``count`` that keep an intermediate array at about ``block`` elements."""
    step = max(1, block // max(elements_each, 1))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def sum_in_lanes(terms: Array, start: Any = 0) -> Array:
    """``start`` and the sum over the last axis as LiteRT's vector functions have it on x86: four sums, each of every
    fourth term, are added up and added to ``start``, then the terms that are left over, first to last."""
    whole = terms.shape[-1] // LANES * LANES
    lanes = terms[..., :whole].reshape(*terms.shape[:-1], -1, LANES)
    acc = np.zeros(terms.shape[:-1], terms.dtype)
    if whole:
        acc = in_order(np.add, np.moveaxis(np.add.accumulate(lanes, axis=-2)[..., -1, :], -1, 0), 0)
    acc = start + acc
    for rest in np.moveaxis(terms[..., whole:], -1, 0):
        acc = acc + rest
    return acc


def dot_in_lanes(a: Array, b: Array, start: Any = 0) -> Array:
    """``start + a @ b.T`` of matrices, added up as in :func:`sum_in_lanes`."""
    result = np.empty((len(a), len(b)), a.dtype)
    for block in in_blocks(len(a), b.size):
        result[block] = sum_in_lanes(a[block, None] * b, start if np.ndim(start) < 2 else start[block])
    return result
