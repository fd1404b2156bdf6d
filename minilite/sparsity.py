"""Sparse constants: from the values a file stores, and where they go, to the dense tensor.

``SparsityParameters`` describe a tree. Its levels are the tensor's dimensions and, behind them, the dimensions of
blocks, in ``traversal_order``; its leaves are the stored values, in their order. A DENSE level has a branch for every
index; a SPARSE_CSR level has, below branch ``p`` of the level above, one for each of

    array_indices[array_segments[p] : array_segments[p + 1]]

Dimension ``rank + b`` is the place inside blocks of dimension ``block_map[b]``, whose own index then counts blocks:
``index = index of block * block size + place``. Elements that no leaf names are 0.

Source: the schema's description of SparsityParameters, and LiteRT's verifier, whose conditions are required here; its
kernels believe the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from minilite.errors import ModelError
from minilite.model import Options

Array = np.ndarray
Shape = tuple[int, ...]


def dense(values: Array, sparsity: Options, shape: Shape, name: str) -> Array:
    """The dense tensor, read-only. Raises :class:`ModelError` about the tensor called ``name`` for parameters that do
    not describe one of this shape; takes memory in proportion to it, and to what the file stores."""
    result = np.zeros(math.prod(shape), values.dtype)
    places = _places(sparsity, shape, values.size, name)
    result[places] = values[: places.size]
    result.flags.writeable = False
    return result.reshape(shape)


def stored(array: Array, sparsity: Options, name: str) -> Array:
    """What a file stores of a dense tensor with these parameters, in their order."""
    return array.reshape(-1)[_places(sparsity, array.shape, array.size, name)]


def _places(sparsity: Options, shape: Shape, count: int, name: str) -> Array:
    """The flat index of every leaf, of which there may be ``count``."""
    order, blocks = _checked_order(sparsity, shape, name)
    levels = sparsity.dim_metadata
    sizes = _level_sizes(order, blocks, levels, shape, name)
    strides = _strides(order, blocks, sizes, shape)
    vectors = [(_vector(level.array_segments), _vector(level.array_indices)) for level in levels]
    most = max([count, *(v.size for pair in vectors for v in pair)])
    places = np.zeros(1, np.int64)
    for level, size, stride, (segments, indices) in zip(levels, sizes, strides, vectors, strict=True):
        if level.format == "DENSE":
            _need(name, places.size * size <= most, f"at most {most} branches", places.size * size)
            places = (places[:, None] + np.arange(size if places.size else 0) * stride).reshape(-1)
        else:
            _check_csr(segments, indices, places.size, size, name)
            places = np.repeat(places, np.diff(segments)) + indices * stride
    _need(name, places.size <= count, f"{places.size} stored values", count)
    return places


def _checked_order(sparsity: Options, shape: Shape, name: str) -> tuple[Sequence[int], Sequence[int]]:
    """``traversal_order`` and ``block_map``."""
    order, blocks, rank = sparsity.traversal_order or (), sparsity.block_map or (), len(shape)
    levels = sparsity.dim_metadata or ()
    whole = sorted(order[:rank]) == list(range(rank)) and sorted(order[rank:]) == list(range(rank, rank + len(blocks)))
    _need(name, whole and rank > 0, f"a traversal_order of {rank} dimensions, then {len(blocks)} of blocks", order)
    _need(name, len(levels) == len(order), f"dim_metadata for {len(order)} levels", len(levels))
    rising = all(0 <= b < rank for b in blocks) and sorted(set(blocks)) == list(blocks)
    _need(name, rising, f"a block_map that rises within the {rank} dimensions", blocks)
    return order, blocks


def _level_sizes(
    order: Sequence[int], blocks: Sequence[int], levels: Sequence[Options], shape: Shape, name: str
) -> list[int]:
    """How many indices each level has."""
    sizes = dict(enumerate(shape))
    for dimension, level in zip(order[len(shape) :], levels[len(shape) :], strict=True):
        size, of = level.dense_size, blocks[dimension - len(shape)]
        divides = level.format == "DENSE" and size > 0 and shape[of] % size == 0
        _need(name, divides, f"dense blocks that divide dimension {of} of {shape}", size)
        sizes[dimension], sizes[of] = size, shape[of] // size
    for dimension, level in zip(order, levels, strict=True):
        right = level.format == "SPARSE_CSR" or level.dense_size == sizes[dimension]
        _need(name, right, f"dense_size {sizes[dimension]} for dimension {dimension}", level.dense_size)
    return [sizes[dimension] for dimension in order]


def _strides(order: Sequence[int], blocks: Sequence[int], sizes: Sequence[int], shape: Shape) -> list[int]:
    """How far apart in the flat tensor two neighbours of each level are."""
    plain = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    size_of = dict(zip(order, sizes, strict=True))
    strides = plain + [plain[of] for of in blocks]
    for block, of in enumerate(blocks):
        strides[of] *= size_of[len(shape) + block]
    return [strides[dimension] for dimension in order]


def _check_csr(segments: Array, indices: Array, branches: int, size: int, name: str) -> None:
    _need(name, segments.size == branches + 1, f"{branches + 1} array_segments", segments.size)
    rising = segments[0] == 0 and segments[-1] == indices.size and bool(np.all(np.diff(segments) >= 0))
    _need(name, rising, f"array_segments that rise from 0 to the {indices.size} array_indices", segments[:8].tolist())
    inside = not indices.size or (indices.min() >= 0 and indices.max() < size)
    _need(name, inside, f"array_indices in [0, {size})", indices[:8].tolist())


def _vector(vector: Options | None) -> Array:
    """An index vector of whichever type; absent ones are empty."""
    values = None if vector is None else vector["values"]
    return np.asarray(() if values is None else values, np.int64)


def _need(name: str, condition: bool | np.bool_, expected: str, got: object) -> None:
    if not condition:
        _refuse(name, expected, got)


def _refuse(name: str, expected: str, got: object) -> NoReturn:
    raise ModelError(f"{name} has invalid sparsity parameters: expected {expected}, got {got}.")
