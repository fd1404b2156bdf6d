"""3 x 3 convolutions of float32, by :mod:`minilite.engines.numba.kernels.winograd`."""

from __future__ import annotations

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.lowering.products import rows_of_a_block
from minilite.engines.numba.lowering.task import Task, value
from minilite.ops.windows import Axis

Array = np.ndarray

LEAST_CHANNELS = 32
"""Below, transforming tiles takes longer than it saves."""
LEAST_TILES = 16
"""Below, a matrix product has too few rows for what its filters take to read."""
SCRATCH = 720 * 1024
"""Bytes of transformed tiles and their products that stay in a processor's second cache."""
INFINITIES = np.array([-np.inf, np.inf], np.float32)


def size(task: Task, rows: Axis, columns: Axis) -> int:
    """Outputs on a side of a tile; 0 where the layer is not one for tiles."""
    if task.node.op != "CONV_2D":
        return 0
    filter, (batch, _, _, depth) = task.input(1), task.input(0).shape
    fits = depth == filter.shape[3] and all(
        count % packing.LANES == 0 and count >= LEAST_CHANNELS for count in (depth, filter.shape[0])
    )
    if not fits or any((a.filter, a.stride, a.dilation) != (3, 1, 1) for a in (rows, columns)):
        return 0
    return next((size for size in (4, 2) if batch * _tiles(rows, size) * _tiles(columns, size) >= LEAST_TILES), 0)


def _tiles(axis: Axis, size: int) -> int:
    return -(-axis.output // size)


def call(task: Task, rows: Axis, columns: Axis, size: int, biases: Array, bounds: Array) -> Call:
    """The layer in tiles of a size."""
    input, filter = task.input(0), task.input(1)
    (batch, _, _, depth), units = input.shape, filter.shape[0]
    pixels, across = (size + 2) ** 2, _tiles(columns, size)
    each = across * _tiles(rows, size)
    count = batch * each
    per_tile = pixels * 4 * (depth + packing.PANEL)
    most = max(LEAST_TILES, SCRATCH // per_tile)
    block = count if count <= LEAST_TILES else rows_of_a_block(count, most, packing.HEIGHTS[4], depth * 4)
    blocks = -(-count // block)
    parts = min(-(-units // packing.PANEL), max(1, 4 // blocks))
    row = (
        *(Place(input.index), Place(task.output.index), packing.winograd_filters(value(filter), size)),
        *(biases, bounds, packing.aligned(max(depth, packing.PANEL), np.float32), INFINITIES, depth, units),
        *(rows.size, columns.size, rows.output, columns.output, rows.before, columns.before),
        *(across, each, count, block, parts),
    )
    work = count * pixels * depth * units // 50
    return Call(("winograd", str(size), "none"), blocks * parts, row, block * per_tile, work)
