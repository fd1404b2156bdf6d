"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D: one number for every window of every channel.

    output[n, y, x, c] = activation(mean of the window)                      AVERAGE_POOL_2D
    output[n, y, x, c] = activation(largest of the window)                   MAX_POOL_2D
    output[n, y, x, c] = activation(sqrt(mean of the window's squares))      L2_POOL_2D, float32 only

input and output [batch, height, width, channels]. The window at (y, x) holds ``input[n, y * stride_h + fy - pad_top,
x * stride_w + fx - pad_left, c]`` for fy in [0, filter_height) and fx in [0, filter_width), as far as that lies inside
the image: padding is not counted in a mean.

Integers have the output's scale and zero point already: sums are of raw numbers, in int32, and their mean is rounded
half away from zero. A maximum skips NaN. XNNPACK rounds the bounds of a fused activation its own way.
Sources: TensorFlow Lite's reference pooling kernels; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw
from minilite.fixed_point import activation_range, float_activation, xnnpack_activation_range
from minilite.ops.windows import Axis, axes, taps_inside, touches, window_options
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray
Combine = Callable[[Array, Array], Array]


def windows(options: Any, image: Shape) -> tuple[Axis, Axis]:
    """The window's rows and columns."""
    return axes(options, image, (options.filter_height, options.filter_width))


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", f"{input.rank} {input.shape}")
    rows, columns = windows(node.options, input.shape)
    return ((input.shape[0], rows.output, columns.output, input.shape[3]),)


# ---- windows ---------------------------------------------------------------------------------------------------------


def over_windows(combine: Combine, input: Array, start: Any, rows: Axis, columns: Axis) -> Array:
    """``combine``, from ``start`` on, over each window's elements in the order filter_y, filter_x."""
    acc = np.full((len(input), rows.output, columns.output, input.shape[3]), start)
    for here, image in _taps(rows, columns):
        acc[here] = combine(acc[here], input[image])
    return acc


def _taps(rows: Axis, columns: Axis) -> Iterator[tuple[Any, Any]]:
    for fy in taps_inside(rows):
        here_y, image_y = touches(rows, fy)
        for fx in taps_inside(columns):
            here_x, image_x = touches(columns, fx)
            yield (slice(None), here_y, here_x), (slice(None), image_y, image_x)


def counts(rows: Axis, columns: Axis) -> Array:
    """How many elements of each window lie inside of the image, ``[out_h, out_w, 1]``."""
    return np.multiply.outer(_count(rows), _count(columns))[..., None]


def _count(window: Axis) -> Array:
    start = np.arange(window.output, dtype=np.int64) * window.stride - window.before
    return np.minimum(start + window.filter, window.size) - np.maximum(start, 0)


# ---- float -----------------------------------------------------------------------------------------------------------


def float_mean(node: Node, input: Array) -> Array:
    rows, columns = windows(node.options, input.shape)
    sums = over_windows(np.add, input, input.dtype.type(0), rows, columns)
    return float_activation(node, sums / counts(rows, columns).astype(input.dtype))


def float_max(node: Node, input: Array) -> Array:
    largest = over_windows(_larger, input, input.dtype.type(-np.inf), *windows(node.options, input.shape))
    return float_activation(node, largest)


def _larger(largest: Array, x: Array) -> Array:
    """``std::max``: keeps the first of equals (0 and -0), and skips NaN."""
    return np.where(largest < x, x, largest)


def float_l2(node: Node, input: Array) -> Array:
    rows, columns = windows(node.options, input.shape)
    sums = over_windows(lambda total, x: total + x * x, input, input.dtype.type(0), rows, columns)
    return float_activation(node, np.sqrt(sums / counts(rows, columns).astype(input.dtype)))


# ---- integers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """The windows, and the integers the activation lets through."""

    rows: Axis
    columns: Axis
    low: int
    high: int


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    bounds = xnnpack_activation_range if node.delegated else activation_range
    rows, columns = windows(node.options, input.shape)
    return Prepared(rows, columns, *bounds(node.options.fused_activation_function, output))


def mean(p: Prepared, input: Array) -> Array:
    sums = over_windows(np.add, input, np.int32(0), p.rows, p.columns).astype(np.int64)
    count = counts(p.rows, p.columns)
    steps = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    return np.clip(steps, p.low, p.high).astype(input.dtype)


def maximum(p: Prepared, input: Array) -> Array:
    largest = over_windows(np.maximum, input, np.iinfo(input.dtype).min, p.rows, p.columns)
    return np.clip(largest, p.low, p.high).astype(input.dtype)


# ---- cases -----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings and strides; scales that put an activation's bound halfway between two steps; SAME windows that are
    larger than the image."""
    options = window_options(draw, dilated=False) | cases.activated(draw)
    options |= {"filter_height": draw.integer(1, 5), "filter_width": draw.integer(1, 5)}
    image = [1 if options["padding"] == "SAME" else options[f] for f in ("filter_height", "filter_width")]
    shape = (draw.integer(1, 3), image[0] + draw.integer(0, 6), image[1] + draw.integer(0, 6), draw.integer(1, 19))
    scale = None if definition.label == "float32" else draw.choice((None, None, 4.0, 12.0, 2.0, 2 / 3, 12 / 41, 2 / 31))
    return Case((Arg(shape, scale=scale),), options)


def _pool(name: str, definitions: tuple[Definition, ...], version: int) -> Op:
    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output", same_as="input"),),
        definitions=definitions,
        shapes=shapes,
        cases=case,
        version=version,
    )


INTEGERS = ("int8", "uint8", "int16")
AVERAGE_POOL_2D = _pool(
    "AVERAGE_POOL_2D",
    (Definition("float32 -> float32", float_mean), *each(INTEGERS, "T -> T", mean, prepare=prepare)),
    version=3,
)
MAX_POOL_2D = _pool(
    "MAX_POOL_2D",
    (Definition("float32 -> float32", float_max), *each(INTEGERS, "T -> T", maximum, prepare=prepare)),
    version=3,
)
L2_POOL_2D = _pool("L2_POOL_2D", (Definition("float32 -> float32", float_l2),), version=1)
