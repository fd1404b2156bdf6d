"""Sums of products: integers exactly, floats in a named order.

Floats have two orders. ``"sequential"`` is the reference kernels': for each output one rounded product after the other
is added to one accumulator, from the first term to the last, without fused multiply-add. ``"any"`` leaves it to BLAS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    lanes, rest = _split(terms, LANES)
    return _with_rest(start + in_order(np.add, np.moveaxis(_last_sum(lanes), -1, 0), 0), rest)


def dot_in_lanes(a: Array, b: Array, start: Any = 0) -> Array:
    """``start + a @ b.T`` of matrices, added up as in :func:`sum_in_lanes`."""
    result = np.empty((len(a), len(b)), a.dtype)
    for block in in_blocks(len(a), b.size):
        result[block] = sum_in_lanes(a[block, None] * b, start if np.ndim(start) < 2 else start[block])
    return result


# ---- Eigen's order ---------------------------------------------------------------------------------------------------

SMALL_PRODUCT = 20
"""Below this sum of its three sizes Eigen computes a product element by element."""


def eigen_dot(a: Array, b: Array) -> Array:
    """``a @ b.T`` of float matrices in the order of Eigen's products on x86, four floats at a time: vectors in lanes,
    small matrices as inner products, others term by term. (Eigen cuts long sums into blocks; here they stay whole.)"""
    rows, units, terms = len(a), len(b), a.shape[-1]
    if rows == units == 1:
        return _each_row(_inner_sum, a, b)
    if rows > 1 and terms + rows + units < SMALL_PRODUCT:
        return _each_row(_inner_sum, a, b)
    return _each_row(_lane_sum, a, b) if rows == 1 or units == 1 else sequential_dot(a, b.T)


def _each_row(total: Callable[[Array], Array], a: Array, b: Array) -> Array:
    result = np.empty((len(a), len(b)), a.dtype)
    for block in in_blocks(len(a), b.size):
        result[block] = total(a[block, None] * b)
    return result


def _lane_sum(terms: Array) -> Array:
    """Four sums, each of every fourth term, then what is left over."""
    lanes, rest = _split(terms, LANES)
    return _with_rest(_halved(_last_sum(lanes)), rest)


def _inner_sum(terms: Array) -> Array:
    """Eight sums, folded to four; four more terms if there are so many, then what is left over."""
    pairs, rest = _split(terms, 2 * LANES)
    eight = _last_sum(pairs)
    four = eight[..., :LANES] + eight[..., LANES:]
    if rest.shape[-1] >= LANES:
        four, rest = four + rest[..., :LANES], rest[..., LANES:]
    return _with_rest(_halved(four), rest)


def _split(terms: Array, lanes: int) -> tuple[Array, Array]:
    """The last axis as rows of so many lanes, and what is left over."""
    rows = terms.shape[-1] // lanes
    return terms[..., : rows * lanes].reshape(*terms.shape[:-1], rows, lanes), terms[..., rows * lanes :]


def _last_sum(lanes: Array) -> Array:
    """The sums over the last axis but one, in order."""
    if not lanes.shape[-2]:
        return np.zeros((*lanes.shape[:-2], lanes.shape[-1]), lanes.dtype)
    return np.add.accumulate(lanes, axis=-2)[..., -1, :]


def _halved(four: Array) -> Array:
    return (four[..., 0] + four[..., 2]) + (four[..., 1] + four[..., 3])


def _with_rest(acc: Array, rest: Array) -> Array:
    for term in np.moveaxis(rest, -1, 0):
        acc = acc + term
    return acc
