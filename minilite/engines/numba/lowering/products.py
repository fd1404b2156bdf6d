"""A matrix product of gathered rows as calls: where its rows come from, and in which blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word, is_worth_sharing
from minilite.engines.numba.lowering.task import Task
from minilite.engines.numba.objects import Kind
from minilite.ops.windows import Axis

Array = np.ndarray

BLOCK = 56
"""Output pixels that go through all filters together."""
PARTS = 16
"""Into how many units the panels of a single block are put, about."""
BANDS = 64 * 1024
"""Bytes of a band of the image that is worth having at once."""
GATHERING = 16
"""What gathering a line of a window takes, in dot products."""
FEW = 12
"""Rows up to which they are a single block, whose channels are cut, although each part takes all rows together anew."""
TILE = 100
"""What beginning and ending a tile takes, in steps of one vector of channels."""
SCRATCH = 256 * 1024
"""Bytes of gathered rows that stay in a processor's second cache."""


@dataclass(frozen=True)
class Product:
    """What is computed: the kernel, the matrix ``[channels, terms]``, its channels' tables by slices of them. Bytes of
    the input are xor ``flip``, and ``padding`` outside of it. Of uint8 rows are summed as well."""

    kind: Kind
    matrix: Array
    channels: Callable[[slice], Array]
    flip: int = 0
    padding: int = 0

    @property
    def to_floats(self) -> bool:
        """Whether sums of integers become floats."""
        return self.kind[-1] in packing.TO_FLOATS


@dataclass(frozen=True)
class Images:
    """What it is computed of: so many images from one place on, the kernel's constants for them, and how many images
    come before. Rows of their own have ``behind`` bytes behind each, and begin at whole steps."""

    count: int
    source: Place | Array
    constants: Array
    before: int = 0
    behind: int = 0

    def from_(self, offset: int) -> Word:
        """So many bytes behind the first."""
        if isinstance(self.source, Place):
            return Place(self.source.tensor, self.source.offset + offset)
        return self.source[offset:]


def geometry(task: Task, rows: Axis, columns: Axis, matrix: Array) -> tuple[int, int, int, int, int]:
    """Images, rows of each, terms, output channels and groups of the matrix product."""
    units, terms = matrix.shape
    if task.node.op == "FULLY_CONNECTED":
        return 1, int(np.prod(task.input(0).shape)) // terms, terms, units, 1
    batch, _, _, depth = task.input(0).shape
    return batch, rows.output * columns.output, terms, units, depth * rows.filter * columns.filter // terms


def calls(task: Task, rows: Axis, columns: Axis, product: Product, images: Images) -> list[Call]:
    """A call for each group."""
    matrix, kind, flip = product.matrix, product.kind, product.flip
    _, per_image, terms, units, groups = geometry(task, rows, columns, matrix)
    count = images.count * per_image
    size, per_step = matrix.itemsize, 4 // matrix.itemsize
    out_size = 4 if product.to_floats else size
    depth = terms if task.node.op == "FULLY_CONNECTED" else task.input(0).shape[-1]
    pixel, each = depth * size, units // groups
    window = _window(rows, columns, pixel, pixel // groups)
    segments, segment = 1, packing.padded(terms, per_step) * size
    stride, segment_stride = segment + images.behind, 0
    panels = packing.panels(packing.padded(each, packing.LANES), matrix.dtype == np.int8)
    if _in_a_band(rows, columns, each, groups, terms):
        layout, segments, matrix = packing.BAND, rows.filter, _segments(matrix, rows.filter, per_step)
        segment = packing.padded(columns.filter * pixel, 4)
        line = ((columns.output - 1) * columns.stride + columns.filter) * pixel
        stride, segment_stride = columns.stride * pixel, rows.dilation * line
        reach = (rows.filter - 1) * rows.dilation + 1
        some = max(1, min((BANDS // line - reach) // rows.stride + 1, -(-rows.output // 4)))
        window, block, blocks = (*window, some, line), 0, images.count * -(-rows.output // some)
        scratch, together, used = ((some - 1) * rows.stride + reach) * line, columns.output, columns.filter * pixel
    else:
        own = groups == 1 and segment == terms * size and all(map(_is_one_pixel, (rows, columns)))
        own = own or images.behind > 0
        layout = packing.GATHERED if not own else packing.ROWS if flip else packing.IN_PLACE
        most = max(packing.HEIGHTS[4][0], min(BLOCK, SCRATCH // stride))
        width = panels[0][1] // packing.LANES
        heights = packing.HEIGHTS[width]
        block = count if count <= FEW else rows_of_a_block(count, most, heights, segment // 4 * width)
        blocks = -(-count // block)
        scratch, together, used = block * stride, block, terms * size
    behind = packing.padded(scratch + 64, 64)
    first = images.before * per_image * units * out_size
    work = count * terms * each // (100 if size == 1 else 25)
    shared = blocks == 1 and layout != packing.BAND and is_worth_sharing(work)
    wanted = max(1, len(panels) // PARTS) if shared else len(panels)
    parts = -(-len(panels) // wanted)
    calls = []
    for group in range(groups):
        own_channels = slice(group * each, (group + 1) * each)
        row: tuple[Word, ...] = (
            images.from_(group * (pixel // groups)),
            Place(task.output.index, first + group * each * out_size),
            packing.in_panels(matrix[own_channels], per_step, product.to_floats),
            product.channels(own_channels),
            images.constants,
            *(count, each, segment, segments, stride, segment_stride, block, units * out_size),
            *(flip, product.padding, layout, parts, wanted, used, behind),
            *window,
        )
        calls.append(Call(kind, blocks * parts, row, behind + 4 * together + 64 * packing.LANES, work))
    return calls


def whole(task: Task, rows: Axis, columns: Axis, product: Product, constants: Array) -> list[Call]:
    """The calls for all images of the input as they are."""
    count = geometry(task, rows, columns, product.matrix)[0]
    return calls(task, rows, columns, product, Images(count, Place(task.input(0).index), constants))


def _is_one_pixel(axis: Axis) -> bool:
    return (axis.filter, axis.stride, axis.before) == (1, 1, 0) and axis.output == axis.size


def rows_of_a_block(count: int, most: int, heights: tuple[int, int], steps: int) -> int:
    """Rows of a block, of ``most`` at most: those that let tiles of two heights, of so many steps, compute few rows
    twice, and keep two threads equally busy."""
    tile = TILE / steps

    def cost(size: int) -> float:
        whole, rest = divmod(count, size)
        each, last = (_computed(rows, *heights, tile) for rows in (size, rest))
        half = -(-(whole + (rest > 0)) // 2) * each if whole else last
        return whole * each + last + 2 * half

    return min(range(min(most, count), min(most, count) // 2, -1), key=cost)


def _computed(rows: int, many: int, few: int, tile: float) -> float:
    """What so many rows take in tiles of two heights, each of which takes as long as ``tile`` rows more."""
    if rows < few:
        return rows * (1 + tile)
    small = -(-rows // few) if rows < many else packing.few(rows, many, few)
    large = -(-max(rows - small * few, 0) // many)
    return small * (few + tile) + large * (many + tile)


def _in_a_band(rows: Axis, columns: Axis, units: int, groups: int, terms: int) -> bool:
    """Whether copying the image's lines is better than gathering windows: then tiles end at the end of every line."""
    if rows.filter * columns.filter == 1 or columns.dilation > 1 or groups > 1:
        return False
    vectors = -(-units // packing.LANES)
    height = packing.HEIGHTS[min(vectors, 4)][0]
    if columns.output < height:
        return False
    wasted = packing.padded(columns.output, height) / columns.output - 1
    gathering = rows.filter * GATHERING / (terms / 4 * vectors)
    return wasted < gathering


def _segments(matrix: Array, segments: int, per_step: int) -> Array:
    """A matrix whose rows are in segments, each padded with zeros to whole steps."""
    parts = matrix.reshape(len(matrix), segments, -1)
    wide = np.zeros((*parts.shape[:2], packing.padded(parts.shape[2], per_step)), matrix.dtype)
    wide[..., : parts.shape[2]] = parts
    return wide.reshape(len(matrix), -1)


def _window(rows: Axis, columns: Axis, pixel: int, part: int) -> tuple[int, ...]:
    """The numbers that gathering reads."""
    return (
        *(rows.size, columns.size, pixel, part, rows.output, columns.output, rows.filter, columns.filter),
        *(rows.stride, columns.stride, rows.dilation, columns.dilation, rows.before, columns.before),
    )
