"""RESIZE_BILINEAR: an image of another size, each pixel between the four around its place.

    place(i) = i * scale, or (i + 1/2) * scale - 1/2 with the option half_pixel_centers;  scale = size / new_size
    lower(i) = max(floor(place(i)), 0),  upper(i) = min(ceil(place(i)), size - 1),  f(i) = place(i) - lower(i)
    output[n, y, x, c] = input[lower(y), lower(x)] * (1 - f(y)) * (1 - f(x))
                       + input[upper(y), lower(x)] * f(y) * (1 - f(x))
                       + input[lower(y), upper(x)] * (1 - f(y)) * f(x)
                       + input[upper(y), upper(x)] * f(y) * f(x)

With ``align_corners`` the scale is ``(size - 1) / (new_size - 1)``, unless the new size is 1; both options at once are
refused. input and output [batch, height, width, channels] share scale and zero point; ``size`` is (height, width).

float32 is computed in float32, in this order. Integers, by their type and the kernel sets' word:

    int8, int16              places in 1/1024 of a pixel, sums of integers, rounded half away from zero
    uint8 "terms"            as float32, plus 1/2, cut off
    uint8 "weights"          the same with the four products of ``f`` first, and second and third term exchanged
    int8, uint8 "11 bits"    f in 1/2048, rounded half to even, with upper = lower + 1; integers, rounded half up

Sources: TensorFlow Lite's reference and optimized kernels; XNNPACK's qs8-ibilinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data
from minilite.ops.accumulate import in_blocks
from minilite.ops.resize_nearest_neighbor import resized
from minilite.ops.resize_nearest_neighbor import shapes as image_shapes
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, size: TensorInfo) -> tuple[Shape]:
    both = node.options.align_corners and node.options.half_pixel_centers
    node.need(not both, "align_corners or half_pixel_centers", "both")
    return image_shapes(node, input, size)


# ---- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Along one dimension, for every new pixel: the old ones it lies between, and the weights of both."""

    lower: Array
    upper: Array
    near: Array
    far: Array

    def along(self, axis: int, start: int = 0, stop: int | None = None) -> Places:
        """Some of the new pixels, with the weights shaped for rows (axis 0) or columns (axis 1)."""
        part = slice(start, stop)
        shape = (-1, 1, 1) if axis == 0 else (-1, 1)
        return Places(self.lower[part], self.upper[part], self.near[part].reshape(shape), self.far[part].reshape(shape))


def _edge(options: Any, new_size: int) -> int:
    return 1 if options.align_corners and new_size > 1 else 0


def float_places(options: Any, size: int, new_size: int) -> Places:
    edge = _edge(options, new_size)
    scale = np.float32(size - edge) / np.float32(new_size - edge)
    index = np.arange(new_size, dtype=np.float32)
    half = np.float32(0.5)
    place = (index + half) * scale - half if options.half_pixel_centers else index * scale
    lower = np.clip(np.floor(place), 0, size - 1).astype(np.int64)
    upper = np.minimum(np.ceil(place), size - 1).astype(np.int64)
    far = place - lower.astype(np.float32)
    return Places(lower, np.maximum(upper, 0), np.float32(1) - far, far)


def integer_places(options: Any, size: int, new_size: int) -> Places:
    edge = _edge(options, new_size)
    scale = (1024 * (size - edge) + (new_size - edge) // 2) // (new_size - edge)
    place = np.arange(new_size, dtype=np.int64) * scale + (scale // 2 - 512 if options.half_pixel_centers else 0)
    lower = np.clip(place >> 10, 0, size - 1)
    upper = np.clip(-(-place >> 10), 0, size - 1)
    far = place - 1024 * lower
    return Places(lower, upper, 1024 - far, far)


def eleven_bit_places(options: Any, size: int, new_size: int) -> Places:
    edge = _edge(options, new_size)
    scale = np.float32((size - edge) / (new_size - edge))
    place = np.arange(new_size, dtype=np.float32) * scale
    if options.half_pixel_centers:
        place = np.maximum(place + (np.float32(0.5) * scale - np.float32(0.5)), np.float32(0))
    place = np.minimum(place, np.float32(size - 1))
    lower = place.astype(np.int64)
    far = np.rint((place - lower.astype(np.float32)) * np.float32(2048)).astype(np.int64)
    return Places(lower, np.minimum(lower + 1, size - 1), 2048 - far, far)


# ---- between four pixels ---------------------------------------------------------------------------------------------

Corners = tuple[Array, Array, Array, Array]
Between = Callable[[Corners, Places, Places], Array]
"""The new pixels from the old: (upper left, lower left, upper right, lower right), rows and columns."""


def terms(corners: Corners, y: Places, x: Places) -> Array:
    a, b, c, d = corners
    return a * y.near * x.near + b * y.far * x.near + c * y.near * x.far + d * y.far * x.far


def terms_cut_off(corners: Corners, y: Places, x: Places) -> Array:
    a, b, c, d = (k.astype(np.float32) for k in corners)
    return terms((a, b, c, d), y, x) + np.float32(0.5)


def weights_cut_off(corners: Corners, y: Places, x: Places) -> Array:
    a, b, c, d = (k.astype(np.float32) for k in corners)
    left = a * (y.near * x.near) + c * (y.near * x.far)
    return left + b * (y.far * x.near) + d * (y.far * x.far) + np.float32(0.5)


def half_away_20(corners: Corners, y: Places, x: Places) -> Array:
    a, b, c, d = (k.astype(np.int64) for k in corners)
    total = terms((a, b, c, d), y, x)
    return np.sign(total) * ((np.abs(total) + (1 << 19)) >> 20)


def half_up_22(corners: Corners, y: Places, x: Places) -> Array:
    a, b, c, d = (k.astype(np.int64) for k in corners)
    top, bottom = a * x.near + c * x.far, b * x.near + d * x.far
    return ((top << 11) + (bottom - top) * y.far + (1 << 21)) >> 22


@dataclass(frozen=True)
class Prepared:
    """Places of rows and columns, and how to compute between them."""

    rows: Places
    columns: Places
    between: Between


def preparing(places: Callable[[Any, int, int], Places], between: Between) -> Callable[..., Prepared]:
    def prepare(node: Node, input: TensorInfo, size: TensorInfo, output: TensorInfo) -> Prepared:
        rows = places(node.options, input.shape[1], output.shape[1])
        return Prepared(rows, places(node.options, input.shape[2], output.shape[2]), between)

    return prepare


def resize(p: Prepared, input: Array, size: Array) -> Array:
    """A block of new rows at a time."""
    height, width = len(p.rows.lower), len(p.columns.lower)
    output = np.empty((len(input), height, width, input.shape[3]), input.dtype)
    x = p.columns.along(1)
    for block in in_blocks(height, output[:, 0].size):
        y = p.rows.along(0, block.start, block.stop)
        upper, lower = input[:, y.lower], input[:, y.upper]
        corners = (upper[:, :, x.lower], lower[:, :, x.lower], upper[:, :, x.upper], lower[:, :, x.upper])
        output[:, block] = p.between(corners, y, x)
    return output


def case(draw: Draw, definition: Definition) -> Case:
    image, size = resized(draw)
    aligned, centred = draw.choice(((False, False), (True, False), (False, True)))
    return Case((data(image), size), {"align_corners": aligned, "half_pixel_centers": centred})


TYPES = "T int32 -> T"
RESIZE_BILINEAR = Op(
    "RESIZE_BILINEAR",
    inputs=(activation("input"), parameter("size")),
    outputs=(activation("output", same_as="input"),),
    definitions=(
        Definition("float32 int32 -> float32", resize, preparing(float_places, terms)),
        *each(("int8", "uint8"), TYPES, resize, prepare=preparing(eleven_bit_places, half_up_22), arithmetic="11 bits"),
        *each(("uint8",), TYPES, resize, prepare=preparing(float_places, weights_cut_off), arithmetic="weights"),
        *each(("uint8",), TYPES, resize, prepare=preparing(float_places, terms_cut_off)),
        *each(("int8", "int16"), TYPES, resize, prepare=preparing(integer_places, half_away_20)),
    ),
    shapes=shapes,
    cases=case,
    version=4,
)
