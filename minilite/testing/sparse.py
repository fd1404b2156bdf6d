"""Drawn constants that are sparse: which elements are zeros, and the parameters that say where the others go."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite import schema
from minilite.cases import Draw, Sparse
from minilite.model import Options

Array = np.ndarray
VECTORS: dict[str, Any] = {"Uint8Vector": np.uint8, "Uint16Vector": np.uint16, "Int32Vector": np.int32}


def thinned(draw: Draw, array: Array, layout: Sparse) -> Array:
    """The array with whole blocks of it replaced by zeros, but not all: LiteRT has no constants without bytes."""
    sizes = [layout.block_of(d) for d in range(array.ndim)]
    kept = draw.random.random([n // s for n, s in zip(array.shape, sizes, strict=True)]) < draw.choice((0.4, 0.1, 1.0))
    for axis, size in enumerate(sizes):
        kept = kept.repeat(size, axis)
    thin = np.where(kept, array, np.zeros((), array.dtype))
    return thin if thin.any() else np.ones_like(array)


def parameters(draw: Draw, array: Array, layout: Sparse) -> Options:
    """The schema's SparsityParameters for the elements of an array that are not 0."""
    split = [n for d, size in enumerate(array.shape) for n in (size // layout.block_of(d), layout.block_of(d))]
    rank = array.ndim
    axes = [2 * d if d < rank else 2 * layout.block_map[d - rank] + 1 for d in layout.order]
    axes += [axis for axis in range(2 * rank) if axis not in axes]  # blocks of one element
    there = (array != 0).reshape(split).transpose(axes)
    levels, paths = [], np.zeros(1, np.int64)
    for level, format_ in enumerate(layout.formats):
        size = there.shape[level]
        children = paths[:, None] * size + np.arange(size)
        if format_ == "DENSE":
            levels.append(schema.make_options("DimensionMetadata", format="DENSE", dense_size=size))
            paths = children.reshape(-1)
        else:
            kept = there.reshape(int(np.prod(there.shape[: level + 1])), -1).any(axis=1)[children]
            segments = np.append(0, np.cumsum(kept.sum(axis=1)))
            vectors = {"array_segments": _vector(draw, segments), "array_indices": _vector(draw, np.nonzero(kept)[1])}
            levels.append(schema.make_options("DimensionMetadata", format="SPARSE_CSR", **vectors))
            paths = children[kept]
    return schema.make_options(
        "SparsityParameters",
        traversal_order=layout.order,
        block_map=layout.block_map,
        dim_metadata=tuple(levels),
    )


def _vector(draw: Draw, values: Array) -> Any:
    """An index vector of one of the types that hold the values."""
    fitting = [name for name, dtype in VECTORS.items() if values.max(initial=0) <= np.iinfo(dtype).max]
    name = draw.choice(fitting)
    return schema.make_options(name, values=values.astype(VECTORS[name]))
