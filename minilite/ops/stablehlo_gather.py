"""STABLEHLO_GATHER: slices of one size cut out of ``operand`` at the places ``start_indices`` name.

    output[..., b, ..., o, ...] = operand[start(b) + full(o)]

The output's indices are split in two: ``o``, at ``offset_dims``, runs over a slice, ``b``, all others, over the slices.
full(o) is ``o`` with a 0 put in at each of ``collapsed_slice_dims``. start(b) is read from ``start_indices`` along
``index_vector_dim``; its element k belongs to dimension ``start_index_map[k]`` of the operand, dimensions without one
start at 0. An index that is alone in its vector may leave ``index_vector_dim`` out, which LiteRT does not survive.
Where a slice of ``slice_sizes`` would leave the operand, its start is moved to where it fits.

Source: the StableHLO specification, "gather".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.cases import Arg, Case, Draw, boolean, data, shape
from minilite.ops.moving import ALL, definitions
from minilite.ops.stablehlo_pad import numbers
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


@dataclass(frozen=True)
class Gather:
    """The options as numbers. ``offsets`` are the dimensions of the operand that the output keeps."""

    offset_dims: Shape
    collapsed: Shape
    start_index_map: Shape
    index_vector_dim: int
    slice_sizes: Shape

    @property
    def offsets(self) -> list[int]:
        return [d for d in range(len(self.slice_sizes)) if d not in self.collapsed]

    def batch(self, start_indices: Shape) -> Shape:
        """The shape of the slices' numbering."""
        return start_indices[: self.index_vector_dim] + start_indices[self.index_vector_dim + 1 :]


def _checked(node: Node, operand: TensorInfo, start_indices: TensorInfo) -> Gather:
    options = node.options
    g = Gather(
        numbers(options.offset_dims),
        numbers(options.collapsed_slice_dims),
        numbers(options.start_index_map),
        int(options.index_vector_dim),
        numbers(options.slice_sizes),
    )
    rank = operand.rank
    fits = len(g.slice_sizes) == rank and all(0 <= s <= d for s, d in zip(g.slice_sizes, operand.shape, strict=True))
    node.need(fits, f"slice_sizes that fit {operand.shape}", g.slice_sizes)
    check_dims(node, "collapsed_slice_dims", g.collapsed, rank)
    node.need(all(g.slice_sizes[d] <= 1 for d in g.collapsed), "slices of size 1 to collapse", g.slice_sizes)
    check_index_vectors(node, start_indices, g.index_vector_dim, g.start_index_map, rank)
    result_rank = len(g.batch(start_indices.shape)) + len(g.offset_dims)
    check_dims(node, "offset_dims", g.offset_dims, result_rank)
    node.need(len(g.offset_dims) == len(g.offsets), f"{len(g.offsets)} offset_dims", g.offset_dims)
    return g


def check_dims(node: Node, name: str, dims: Shape, rank: int) -> None:
    """Different, rising dimensions of a tensor of that rank."""
    fits = list(dims) == sorted(set(dims)) and all(0 <= d < rank for d in dims)
    node.need(fits, f"{name} that rise within [0, {rank})", dims)


def check_index_vectors(node: Node, indices: TensorInfo, along: int, map_: Shape, rank: int) -> None:
    """Index vectors along a dimension of ``indices`` (or just behind it), an element for each entry of ``map_``."""
    node.need(0 <= along <= indices.rank, f"index_vector_dim in [0, {indices.rank}]", along)
    length = indices.shape[along] if along < indices.rank else 1
    fits = len(map_) == length and len(set(map_)) == length and all(0 <= d < rank for d in map_)
    node.need(fits, f"{length} different dimensions in [0, {rank}) for the index vectors' elements", map_)


def shapes(node: Node, operand: TensorInfo, start_indices: TensorInfo) -> tuple[Shape]:
    g = _checked(node, operand, start_indices)
    batch = iter(g.batch(start_indices.shape))
    kept = iter(g.slice_sizes[d] for d in g.offsets)
    rank = len(g.batch(start_indices.shape)) + len(g.offset_dims)
    return (tuple(next(kept) if d in g.offset_dims else next(batch) for d in range(rank)),)


def prepare(node: Node, operand: TensorInfo, start_indices: TensorInfo, output: TensorInfo) -> Gather:
    return _checked(node, operand, start_indices)


def vectors(indices: Array, along: int) -> Array:
    """The index vectors along the last dimension."""
    return indices[..., None] if along == indices.ndim else np.moveaxis(indices, along, -1)


def gather(g: Gather, operand: Array, start_indices: Array) -> Array:
    starts = vectors(start_indices, g.index_vector_dim).astype(np.int64)
    batch, kept = starts.shape[:-1], g.offsets
    places = []
    for dim, (slice_size, size) in enumerate(zip(g.slice_sizes, operand.shape, strict=True)):
        place = np.zeros((*batch, *[1] * len(kept)), np.int64)
        if dim in g.start_index_map:
            first = starts[..., g.start_index_map.index(dim)]
            place += np.clip(first, 0, size - slice_size).reshape(place.shape)
        if dim in kept:
            along = [1] * len(kept)
            along[kept.index(dim)] = slice_size
            place = place + np.arange(slice_size).reshape(along)
        places.append(place)
    result = np.asarray(operand[tuple(places)])
    return np.moveaxis(result, range(len(batch), result.ndim), g.offset_dims)


def case(draw: Draw, definition: Definition) -> Case:
    """Index vectors along every dimension; indices inside, and beyond what fits."""
    dims = shape(draw, 1, 4, 4)
    indexed = [d for d in draw.random.permutation(len(dims)).tolist() if boolean(draw)]
    collapsed = [d for d in range(len(dims)) if boolean(draw)]
    sizes = [1 if d in collapsed else draw.integer(1, n) for d, n in enumerate(dims)]
    starts, along = index_vectors(draw, len(indexed), max(dims) + 2, definition.input_types[1])
    rank = starts.ndim - 1 + len(dims) - len(collapsed)
    options = {
        "offset_dims": sorted(draw.random.permutation(rank)[: len(dims) - len(collapsed)].tolist()),
        "collapsed_slice_dims": collapsed,
        "start_index_map": indexed,
        "index_vector_dim": along,
        "slice_sizes": sizes,
    }
    return Case((data(dims), Arg(starts.shape, starts, constant=boolean(draw))), options)


def index_vectors(draw: Draw, length: int, reach: int, type_: str) -> tuple[Array, int]:
    """Drawn index vectors of that length, and the dimension they lie along."""
    dims = list(shape(draw, 0, 2, 3))
    along = draw.integer(0, len(dims))
    dims.insert(along, length)
    values = draw.random.integers(-2, reach, dims)
    return np.asarray(values, DTYPES[type_]), along


STABLEHLO_GATHER = Op(
    "STABLEHLO_GATHER",
    inputs=(activation("operand"), parameter("start_indices")),
    outputs=(activation("output", same_as="operand"),),
    definitions=definitions(ALL, "T I -> T", gather, prepare, ("int32", "int64")),
    shapes=shapes,
    cases=case,
)
