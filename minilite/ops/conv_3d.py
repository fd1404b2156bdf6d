"""CONV_3D: every output channel is a filter slid over a volume.

    output[n, z, y, x, o] = bias[o] + sum over fz, fy, fx, c of filter[fz, fy, fx, c, o] * input[
        n,
        z * stride_d + fz * dilation_d - pad_front,
        y * stride_h + fy * dilation_h - pad_top,
        x * stride_w + fx * dilation_w - pad_left,
        c]

input [batch, depth, height, width, channels], filter [filter_d, filter_h, filter_w, channels, out_channels], bias
[out_channels]. Outside of the volume there is nothing to add. SAME padding gives ceil(size / stride) positions along
each dimension, VALID those in which the filter lies inside. Floats only. NaN stays NaN under an activation; LiteRT's
optimized kernel makes it the upper bound.

Source: Tran et al. 2015, "Learning Spatiotemporal Features with 3D Convolutional Networks", section 3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import float_activation
from minilite.ops.accumulate import in_blocks
from minilite.ops.windows import Axis, axis, image_size, taps_inside, touches
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, weight

Array = np.ndarray
LETTERS = "dhw"
"""The options' letters for depth, height and width."""


def shapes(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None) -> tuple[Shape]:
    check_volume(input)
    check_filter(filter, 3, input.shape[4])
    check_bias(bias, filter.shape[4])
    windows = axes(node.options, input.shape[1:4], filter.shape)
    return ((input.shape[0], *(w.output for w in windows), filter.shape[4]),)


def check_volume(input: TensorInfo) -> None:
    """Five dimensions, only the batch may be empty."""
    fits = input.rank == 5 and min(input.shape[1:]) > 0
    input.need(fits, "5 dimensions [batch, depth, height, width, channels], none of the last four 0", input.shape)


def check_filter(filter: TensorInfo, dimension: int, channels: int) -> None:
    """Five dimensions, the input's ``channels`` in one of them."""
    fits = filter.rank == 5 and min(filter.shape) > 0 and filter.shape[dimension] == channels
    filter.need(fits, f"5 dimensions, {channels} in dimension {dimension}", filter.shape)


def check_bias(bias: TensorInfo | None, channels: int) -> None:
    """One value for each output channel, in whatever shape."""
    if bias is not None:
        bias.need(math.prod(bias.shape) == channels, f"{channels} elements", f"shape {bias.shape}")


def axes(options: Any, volume: Sequence[int], filter_: Sequence[int]) -> list[Axis]:
    """The windows along depth, height and width."""
    return [
        axis(options.padding, size, taps, options[f"stride_{letter}"], options[f"dilation_{letter}_factor"])
        for letter, size, taps in zip(LETTERS, volume, filter_[:3], strict=True)
    ]


def taps(
    windows: Sequence[Axis], backwards: bool = False, block: slice = slice(0, None)
) -> Iterator[tuple[Any, Any, Any]]:
    """Every element of the filter that may meet the volume, with the windows and the part of the volume it touches:
    indices along depth, height and width for filter, windows and volume. ``block`` are the windows along the depth,
    counted from its start."""
    depth, *others = windows
    indices = list(itertools.product(*map(taps_inside, windows)))
    for index in reversed(indices) if backwards else indices:
        found = [touches(depth, index[0], block.start, block.stop)]
        found += [touches(w, tap) for w, tap in zip(others, index[1:], strict=True)]
        positions, inside = zip(*found, strict=True)
        yield index, positions, inside


def float_(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    windows = axes(node.options, input.shape[1:4], filter.shape)
    output = np.empty((len(input), *(w.output for w in windows), filter.shape[4]), input.dtype)
    for volume, result in zip(input, output, strict=True):
        for block in in_blocks(len(result), math.prod(result.shape[1:])):
            acc = np.zeros_like(result[block])
            for index, positions, inside in taps(windows, block=block):
                add_products(acc[positions], volume[inside], filter[index], node.sums)
            result[block] = finished(node, acc, bias)
    return output


def add_products(acc: Array, pixels: Array, weights: Array, sums: str) -> None:
    """``acc += pixels @ weights``; sequentially one channel after the other, each product rounded."""
    if sums == "any":
        acc += pixels @ weights
        return
    for c, row in enumerate(weights):
        acc += pixels[..., c, None] * row


def finished(node: Node, acc: Array, bias: Array | None) -> Array:
    """The sums with bias and activation."""
    return float_activation(node, acc if bias is None else acc + bias.reshape(-1))


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings, strides and dilations."""
    options = options_3d(draw)
    filter = (*(draw.integer(1, 3) for _ in LETTERS), draw.integer(1, 5), draw.integer(1, 7))
    sizes = [image_size(draw, taps, options[f"dilation_{a}_factor"]) for a, taps in zip(LETTERS, filter, strict=False)]
    volume = (draw.integer(1, 2), *sizes, filter[3])
    return Case((data(volume), data(filter), draw.choice((data(filter[4:]), None))), options)


def options_3d(draw: Draw) -> dict[str, Any]:
    """Drawn options."""
    steps = {f"stride_{a}": draw.integer(1, 3) for a in LETTERS}
    dilations = {f"dilation_{a}_factor": draw.choice((1, 1, 2, 3)) for a in LETTERS}
    return steps | dilations | {"padding": draw.choice(("VALID", "SAME"))} | cases.activated(draw)


CONV_3D = Op(
    "CONV_3D",
    inputs=(activation("input"), weight("filter", axis=4), activation("bias", optional=True)),
    outputs=(activation("output"),),
    definitions=(Definition("float32 float32 float32? -> float32", float_),),
    shapes=shapes,
    cases=case,
)
