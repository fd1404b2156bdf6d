"""CONV_3D_TRANSPOSE: every voxel of the input paints its filter into the output, ``stride`` voxels apart.

    output[n, z * stride_d + fz * dilation_d - pad_front, y * stride_h + fy * dilation_h - pad_top,
           x * stride_w + fx * dilation_w - pad_left, o] += input[n, z, y, x, c] * filter[fz, fy, fx, o, c]

for all n, z, y, x, fz, fy, fx, o, c; then bias[o] is added. output_shape [5] is the output's, filter [filter_d,
filter_h, filter_w, out_channels, channels], input [batch, depth, height, width, channels], bias [out_channels].
Paddings are those of the convolution (CONV_3D with the same options) that goes the other way, from the output's size to
the input's, which must fit. Floats only.

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, stated
from minilite.ops.conv_3d import (
    LETTERS,
    add_products,
    axes,
    check_bias,
    check_filter,
    check_volume,
    finished,
    options_3d,
    taps,
)
from minilite.ops.windows import Axis
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter, weight

Array = np.ndarray


def shapes(
    node: Node, output_shape: TensorInfo, filter: TensorInfo, input: TensorInfo, bias: TensorInfo | None
) -> tuple[Shape]:
    check_volume(input)
    check_filter(filter, 4, input.shape[4])
    check_bias(bias, filter.shape[3])
    output_shape.need(output_shape.shape == (5,), "shape (5,)", output_shape.shape)
    result = tuple(int(d) for d in output_shape.known())
    fits = (result[0], result[4]) == (input.shape[0], filter.shape[3]) and min(result) >= 0
    output_shape.need(fits, f"[{input.shape[0]}, depth, height, width, {filter.shape[3]}]", result)
    sizes = tuple(w.output for w in axes(node.options, result[1:4], filter.shape))
    output_shape.need(sizes == input.shape[1:4], f"sizes that shrink to the input's {input.shape[1:4]}", sizes)
    return (result,)


def prepare(node: Node, output_shape: TensorInfo, filter: TensorInfo, *rest: TensorInfo) -> tuple[Node, list[Axis]]:
    return node, axes(node.options, rest[-1].shape[1:4], filter.shape)


def float_(p: tuple[Node, list[Axis]], output_shape: Array, filter: Array, input: Array, bias: Array | None) -> Array:
    """In the order in which the reference kernel's loops over z, y, x and c reach an output: from the last element of
    the filter to the first."""
    node, windows = p
    acc = np.zeros((len(input), *(w.size for w in windows), filter.shape[3]), input.dtype)
    for index, positions, inside in taps(windows, backwards=True):
        add_products(acc[:, *inside], input[:, *positions], filter[index].T, node.sums)
    return finished(node, acc, bias)


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings, strides and dilations, and every size an output may have."""
    options = options_3d(draw)
    filter = (*(draw.integer(1, 3) for _ in LETTERS), draw.integer(1, 7), draw.integer(1, 5))
    volume = (draw.integer(1, 2), *(draw.integer(1, 4) for _ in LETTERS), filter[4])
    sizes = [
        _grown(draw, size, taps, a, options) for a, size, taps in zip(LETTERS, volume[1:4], filter[:3], strict=True)
    ]
    output_shape = stated(draw, [volume[0], *sizes, filter[3]])
    return Case((output_shape, data(filter), data(volume), draw.choice((data(filter[3:4]), None))), options)


def _grown(draw: Draw, size: int, filter_: int, letter: str, options: dict[str, Any]) -> int:
    """A size of the output that a convolution shrinks to ``size``."""
    stride, spare = options[f"stride_{letter}"], draw.integer(0, options[f"stride_{letter}"] - 1)
    if options["padding"] == "SAME":
        return size * stride - spare
    return (size - 1) * stride + (filter_ - 1) * options[f"dilation_{letter}_factor"] + 1 + spare


CONV_3D_TRANSPOSE = Op(
    "CONV_3D_TRANSPOSE",
    inputs=(
        parameter("output_shape"),
        weight("filter", axis=3),
        activation("input"),
        activation("bias", optional=True),
    ),
    outputs=(activation("output"),),
    definitions=(Definition("int32 float32 float32 float32? -> float32", float_, prepare, label="float32"),),
    shapes=shapes,
    cases=case,
)
