"""Constants laid out as the kernels read them. NumPy only: packing must not import Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.engines.numba import large_pages
from minilite.fixed_point import Multiplier

Array = np.ndarray

LANES = 16
PANEL = 64
"""Output channels that are computed together, at most. Of integers the last panel may have 16, 32 or 48; floats are cut
into panels that differ by 16 at most."""
HEIGHTS = {1: (28, 8), 2: (14, 8), 3: (8, 7), 4: (6, 5)}
"""Rows of a tile by the vectors of a panel: the tile has at most 24 vectors of sums in registers. The two sizes
together leave little over of 7 and of 8, doubled any number of times."""
CHANNEL_BYTES = {"float32": 128, "fixed": 384, "float64": 192, "product": 192, "channel": 192, "fused": 192}
"""Bytes that 16 channels take in an integer kernel's table, by its rounding."""
TO_FLOATS = ("product", "channel", "fused")
"""The roundings that give floats, whose channels are in their own order."""
NUMBERS = 16
"""Where zero point and scale of an image lie in a hybrid kernel's constants."""


GATHERED, ROWS, IN_PLACE, BAND = range(4)
"""Where a matrix product's rows lie: gathered in scratch memory; copied there as they are; in the image; in a band of
the image, whose lines have their padding."""


def few(count: int, many: int, few_: int) -> int:
    """How many tiles of the second size go before those of the first so that both cover ``count`` rows, the fewest of
    them twice. (Kernels ask this for each block; what they need of division is one.)"""
    left, least, found = count % many, many, 0
    for tiles in range(many):
        covered = tiles * few_
        over = covered - count if covered > count else many - left if left > 0 else 0
        if over < least:
            least, found = over, tiles
        if over == 0 or covered > count:
            break
        left -= few_
        if left < 0:
            left += many
    return found


def aligned(shape: tuple[int, ...] | int, dtype: Any, boundary: int = 64) -> Array:
    """Zeros whose first byte is at a multiple of ``boundary``; 64 bytes behind the last one may be read."""
    bytes_ = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    memory = large_pages.zeros(bytes_ + 2 * boundary)
    start = -memory.ctypes.data % boundary
    return memory[start : start + bytes_].view(dtype).reshape(shape)


def padded(count: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-count // step) * step


def packing_order(lanes: int) -> Array:
    """Of ``4 * lanes`` channels, those that the lanes of four vectors hold, vector after vector: packing the four
    to bytes within every 16 gives the channels in their order."""
    return np.arange(4 * lanes).reshape(lanes // 4, 4, 4).transpose(1, 0, 2).reshape(-1)


def panel_order(channels: int) -> Array:
    """The order in which an integer kernel's panels hold channels, padded to whole vectors."""
    order = np.arange(padded(channels, LANES))
    for start in range(0, len(order) - PANEL + 1, PANEL):
        order[start : start + PANEL] = start + packing_order(LANES)
    return order


def panels(channels: int, integers: bool) -> list[tuple[int, int]]:
    """First channel and size of the panels of so many channels, a multiple of 16."""
    found, start = [], 0
    while start < channels:
        vectors = (channels - start) // LANES
        size = LANES * (min(vectors, 4) if integers else -(-vectors // -(-vectors // 4)))
        found.append((start, size))
        start += size
    return found


def in_panels(matrix: Array, per_step: int, in_order: bool = False) -> Array:
    """``[channels, terms]`` as panels of ``[steps, panel channels, per_step]``, one behind the other, flat; of integers
    in :func:`panel_order`, unless they are to be left in their own."""
    integers = matrix.dtype == np.int8
    channels, terms = matrix.shape
    steps = padded(terms, per_step) // per_step
    wide = np.zeros((padded(channels, LANES), steps * per_step), matrix.dtype)
    wide[:channels, :terms] = matrix
    words = wide.view(np.int32)  # what a step takes of a channel is moved as one
    if integers and not in_order:
        words = words[panel_order(channels)]
    packed = aligned(wide.size, matrix.dtype)
    panel = packed.view(words.dtype)
    for start, size in panels(len(wide), integers):
        panel[start * steps :][: size * steps].reshape(steps, size)[...] = words[start : start + size].T
    return packed


def channel_table(rounding: str, word: str, bias: Array, real: Any) -> Array:
    """What an integer kernel knows of its channels (:mod:`minilite.engines.numba.kernels.rounding`), as columns.

    ``word`` is the kernel set's, of :data:`minilite.fixed_point.ROUNDINGS`. The result is ``[parts, channels]`` of
    int32; floats are there as their bits, float64 in two parts that :func:`in_blocks` puts together."""
    channels = len(bias)
    parts = [bias.astype(np.int64).astype(np.int32)]
    if rounding == "fixed":
        m = Multiplier.of(np.broadcast_to(np.asarray(real, np.float64), (channels,)))
        right = np.maximum(-m.e, 0)
        away = np.where(right > 0, -1, 0)
        if word == "half up":
            away[:] = 0
        elif word == "half up by eights":
            away[: channels // 8 * 8] = 0
        parts += [
            v.astype(np.int64).astype(np.int32) for v in (m.q, np.maximum(m.e, 0), right, (1 << right) >> 1, away)
        ]
    elif rounding == "float32":
        parts.append(np.broadcast_to(np.asarray(real, np.float32), (channels,)).copy().view(np.int32))
    else:
        real = np.broadcast_to(np.asarray(real, np.float64), (channels,)).copy().view(np.int32)
        parts += [real[0::2], real[1::2]]
    return np.stack(parts)


def in_blocks(rounding: str, table: Array, lanes: int = LANES) -> Array:
    """A channel table in blocks of so many channels, padded with zeros, as the kernels read it."""
    parts, channels = table.shape
    blocks = padded(channels, lanes) // lanes
    wide = np.zeros((parts, blocks, lanes), np.int32)
    wide.reshape(parts, -1)[:, :channels] = table
    result = aligned((blocks, parts, lanes), np.int32)
    result[:] = wide.transpose(1, 0, 2)
    if rounding == "float64":
        result[:, 1:] = wide[1:].transpose(1, 2, 0).reshape(blocks, 2, lanes)
    assert result[:1].nbytes * LANES == CHANNEL_BYTES[rounding] * lanes
    return result


def hybrid_table(sums: Array, scales: Array, bias: Array) -> Array:
    """What a hybrid kernel knows of its channels: the sums of their weights, their scales and biases, in blocks of
    16."""
    parts = np.stack([sums.astype(np.int32), *(x.astype(np.float32).view(np.int32) for x in (scales, bias))])
    return in_blocks("product", parts)


def panel_table(rounding: str, table: Array) -> Array:
    """A channel table in the order of panels, in blocks of 16."""
    channels = table.shape[1]
    wide = np.zeros((len(table), padded(channels, LANES)), np.int32)
    wide[:, :channels] = table
    return in_blocks(rounding, wide[:, panel_order(channels)])


# ---- Winograd --------------------------------------------------------------------------------------------------------

POINTS = (5 / 8, 3 / 2)
"""Where the larger transform evaluates polynomials, with both signs, besides 0 and infinity. All that follows from them
in the transforms of images is exact in float32."""


def filter_transform(size: int) -> Array:
    """What filters of three are multiplied with, by the size of a tile: for each point p of the transform's polynomial
    ``1, p, p**2``, over the product of p's distances to the other points."""
    points = (0.0, 1.0, -1.0) if size == 2 else (0.0, *(sign * p for p in POINTS for sign in (1, -1)))
    rows = [[p**i / np.prod([p - q for q in points if q != p]) for i in range(3)] for p in points]
    return np.array([*rows, [0.0, 0.0, 1.0]])


def winograd_filters(filters: Array, size: int) -> Array:
    """``[output channels, 3, 3, input channels]`` as panels of ``[pixel, input channels, output channels]``, where
    pixels are those of a transformed tile; flat."""
    transform = np.kron(filter_transform(size), filter_transform(size)).astype(np.float32)
    pixels, (channels, _, _, depth) = len(transform), filters.shape
    packed = aligned(pixels * filters.size // 9, np.float32)
    for start, wide in panels(channels, integers=False):
        panel = filters[start : start + wide].reshape(wide, 9, depth).transpose(1, 2, 0).reshape(9, -1)
        np.matmul(
            transform, panel, out=packed[start * pixels * depth :][: panel.size // 9 * pixels].reshape(pixels, -1)
        )
    return packed


# ---- depthwise -------------------------------------------------------------------------------------------------------


def channel_blocks(channels: int) -> list[tuple[int, int]]:
    """First channel and size of the blocks that a depthwise kernel takes at once."""
    blocks, start = [], 0
    while start < channels:
        rest = channels - start
        size = 64 if rest > 32 else 32 if rest > 16 else 16
        blocks.append((start, size))
        start += size
    return blocks


def depthwise_filters(filters: Array) -> Array:
    """``[rows, columns, channels]`` as ``[block][column, group of 4 rows, vector, 16 bytes, 4, row]``, flat."""
    rows, columns, channels = filters.shape
    parts = []
    for start, size in channel_blocks(channels):
        groups = padded(rows, 4) // 4
        block = np.zeros((groups * 4, columns, size), np.int8)
        block[:rows, :, : channels - start] = filters[:, :, start : start + size]
        split = block.reshape(groups, 4, columns, size // 16, 4, 4)  # group, row, column, 16 bytes, vector, 4
        parts.append(split.transpose(2, 0, 4, 3, 5, 1).reshape(-1))
    flat = np.concatenate(parts)
    packed = aligned(flat.shape, np.int8)
    packed[:] = flat
    return packed


def float_channels(values: Array) -> Array:
    """One float for each channel, padded to whole vectors."""
    result = aligned(padded(len(values), LANES), np.float32)
    result[: len(values)] = values
    return result


def float_filters(filters: Array) -> Array:
    """``[rows, columns, channels]`` as ``[block of 16 channels][row, column, channel]``."""
    rows, columns, channels = filters.shape
    result = aligned((padded(channels, LANES) // LANES, rows, columns, LANES), np.float32)
    for start in range(0, channels, LANES):
        part = filters[:, :, start : start + LANES]
        result[start // LANES, :, :, : part.shape[2]] = part
    return result


def depthwise_table(rounding: str, table: Array) -> Array:
    """A channel table in the order in which a depthwise kernel's vectors hold channels, flat."""
    channels = table.shape[1]
    parts = []
    for start, size in channel_blocks(channels):
        block = np.zeros((len(table), size), np.int32)
        block[:, : channels - start] = table[:, start : start + size]
        parts.append(in_blocks(rounding, block[:, packing_order(size // 4)], size // 4).reshape(-1))
    flat = np.concatenate(parts)
    result = aligned(flat.shape, np.int32)
    result[:] = flat
    return result


ROW, HEAD = 512, 32
"""Bytes of a step in a program, and of what comes before its kernel's row."""
ABSENT, AWAY, CALLED, WAITING, CLAIMED, AT_WORK = range(6)
"""How it stands with the second thread."""
