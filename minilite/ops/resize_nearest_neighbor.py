"""RESIZE_NEAREST_NEIGHBOR: an image of another size, each pixel that of the nearest place.

    output[n, y, x, c] = input[n, nearest(y), nearest(x), c]
    nearest(i) = clip(floor((i + offset) * scale), 0, size - 1), scale = size / new_size

``offset`` is 1/2 with the option ``half_pixel_centers``, else 0. With ``align_corners`` the scale is
``(size - 1) / (new_size - 1)``, unless the new size is 1, and the product is rounded half away from zero instead.
All in float32. input and output [batch, height, width, channels] share scale and zero point; ``size`` is (height,
width).
Source: TensorFlow Lite's reference kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw, data
from minilite.fixed_point import round_half_away
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, size: TensorInfo) -> tuple[Shape]:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", f"{input.rank} {input.shape}")
    size.need(size.shape == (2,), "2 values, height and width", f"shape {size.shape}")
    height, width = (int(v) for v in size.known())
    size.need(height > 0 and width > 0, "sizes of 1 or more", (height, width))
    input.need(0 not in input.shape[1:3], "an image with pixels", input.shape)
    return ((input.shape[0], height, width, input.shape[3]),)


def prepare(node: Node, input: TensorInfo, size: TensorInfo, output: TensorInfo) -> tuple[Array, Array]:
    """The nearest row of every row, the nearest column of every column."""
    return (
        nearest(node.options, input.shape[1], output.shape[1]),
        nearest(node.options, input.shape[2], output.shape[2]),
    )


def nearest(options: Any, size: int, new_size: int) -> Array:
    aligned = bool(options.align_corners)
    edge = 1 if aligned and new_size > 1 else 0
    scale = np.float32(size - edge) / np.float32(new_size - edge)
    offset = np.float32(0.5 if options.half_pixel_centers else 0)
    place = (np.arange(new_size, dtype=np.float32) + offset) * scale
    index = (round_half_away(place) if aligned else np.floor(place)).astype(np.int64)
    return np.clip(index, 0, size - 1)


def pick(p: tuple[Array, Array], input: Array, size: Array) -> Array:
    rows, columns = p
    return input[:, rows[:, None], columns]


def resized(draw: Draw, most: int = 13) -> tuple[Shape, Arg]:
    """An image, and a new size that is anything, or twice or eight times the old one; a constant or fed."""
    image = (draw.integer(1, 2), draw.integer(1, most), draw.integer(1, most), draw.integer(1, 9))
    times = draw.choice((0, 0, 2, 8))
    new = [draw.integer(1, 2 * most) if not times else times * d for d in image[1:3]]
    size = np.asarray(new, np.int32)
    return image, Arg(size.shape, size, constant=draw.choice((True, True, False)))


def case(draw: Draw, definition: Definition) -> Case:
    image, size = resized(draw)
    options = {"align_corners": cases.boolean(draw), "half_pixel_centers": cases.boolean(draw)}
    return Case((data(image), size), options)


TYPES = ("float32", "int8", "uint8", "int16", "int32", "float16", "bfloat16", "bool", "uint16", "uint32")
RESIZE_NEAREST_NEIGHBOR = Op(
    "RESIZE_NEAREST_NEIGHBOR",
    inputs=(activation("input"), parameter("size")),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T int32 -> T", pick, prepare=prepare),
    shapes=shapes,
    cases=case,
    version=4,
)
