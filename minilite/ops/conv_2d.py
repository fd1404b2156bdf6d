"""CONV_2D: every output channel is a filter slid over the image.

    output[n, y, x, o] = bias[o] + sum over fy, fx, c of
        input[n, y * stride_h + fy * dilation_h - pad_top, x * stride_w + fx * dilation_w - pad_left, c] * filter[o, fy, fx, c]

input [batch, height, width, channels], filter [out_channels, filter_h, filter_w, channels / groups], bias
[out_channels]. With groups, output channel ``o`` sees the channels of group ``o // (out_channels / groups)`` only. Outside
the image the input is zero (its zero point, when quantized). SAME padding gives ceil(size / stride) positions.

Integers accumulate ``(input - zero_point) * filter`` and are requantized by ``s_input * s_filter[o] / s_output``.
Sources: Jacob et al. 2018, section 2; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Requantizer, float_activation, requantizer, wrap32
from minilite.ops.accumulate import Dot, float_dot, in_blocks, integer_dot
from minilite.ops.windows import Axis, axes, image_size, padded, patches, window_options
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None) -> tuple[Shape]:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", f"{input.rank} {input.shape}")
    filter.need(filter.rank == 4, "4 dimensions [out, height, width, in]", f"{filter.rank} {filter.shape}")
    depth, filter_depth = input.shape[3], filter.shape[3]
    fits = filter_depth > 0 and depth % filter_depth == 0 and filter.shape[0] % (depth // filter_depth or 1) == 0
    filter.need(fits, f"channels that divide the input's {depth} into groups of filters", filter.shape)
    if bias is not None:
        bias.need(bias.shape == filter.shape[:1], f"one value per output channel, shape {filter.shape[:1]}", bias.shape)
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    return ((input.shape[0], rows.output, columns.output, filter.shape[0]),)


def convolve(x: Array, filter: Array, rows: Axis, columns: Axis, dot: Dot) -> Array:
    """The sums of products of a padded image, by any product of matrices ``[positions, terms] @ [terms, filters]``."""
    outputs, *_, depth = filter.shape
    groups = x.shape[3] // depth
    size = (rows.output, columns.output)
    blocks = []
    for block in in_blocks(len(x), size[0] * size[1] * filter[0].size * groups):
        windows = patches(x[block], rows, columns)
        parts = [
            dot(
                windows[..., g * depth : (g + 1) * depth].reshape(-1, filter[0].size),
                np.ascontiguousarray(kernel.reshape(len(kernel), -1).T),
            )
            for g, kernel in enumerate(np.split(filter, groups))
        ]
        blocks.append(np.concatenate(parts, axis=1).reshape(-1, *size, outputs))
    return np.concatenate(blocks)


def float_(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    acc = convolve(
        padded(input, rows, columns, 0), filter, rows, columns, lambda a, b: float_dot(a, b, node.sums)
    )
    return float_activation(node, acc if bias is None else acc + bias)


@dataclass(frozen=True)
class Prepared:
    """Windows and integers of a quantized convolution."""

    rows: Axis
    columns: Axis
    input_zero_point: int
    filter_zero_point: int
    wide: bool
    requantize: Requantizer


def prepare(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None, output: TensorInfo) -> Prepared:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    if filter.scales.size > 1:
        filter.need(filter.axis == 0, "quantized_dimension 0", filter.axis)
        filter.need(filter.scales.size == filter.shape[0], f"{filter.shape[0]} scales", filter.scales.size)
    wide = input.type == "int16" and bias is not None and bias.type == "int64"
    return Prepared(
        rows,
        columns,
        input.zero_point,
        filter.zero_point if filter.type == "uint8" else 0,
        wide,
        requantizer(node, output_multiplier(input, filter, output), output, "int64" if wide else None),
    )


def output_multiplier(input: TensorInfo, filter: TensorInfo, output: TensorInfo) -> Any:
    """``s_input * s_filter / s_output`` in float64; for uint8 the product is rounded to float32 on the way."""
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    if input.type == "uint8":
        return np.float64(input.scale * filter.scale) / np.float64(output.scale)
    filter.need(filter.scales.size > 0, "quantization scales", "none")
    scales = filter.scales.astype(np.float64) if filter.scales.size > 1 else np.float64(filter.scale)
    return np.float64(input.scale) * scales / np.float64(output.scale)


def integer(p: Prepared, input: Array, filter: Array, bias: Array | None) -> Array:
    x = input.astype(np.int32) - p.input_zero_point
    w = filter.astype(np.int32) - p.filter_zero_point
    acc = convolve(padded(x, p.rows, p.columns, 0), w, p.rows, p.columns, integer_dot)
    acc = acc if bias is None else acc + bias
    return p.requantize(acc if p.wide else wrap32(acc))


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings, strides, dilations and groups."""
    groups = draw.choice((1, 1, 2, 3))
    depth, per_group = draw.integer(1, 5), draw.integer(1, 3)
    filter = (groups * per_group, draw.integer(1, 4), draw.integer(1, 4), depth)
    options = window_options(draw) | cases.activated(draw)
    if definition.label == "int16":
        options["quantized_bias_type"] = "INT64" if "int64" in definition.types else "INT32"
    height = image_size(draw, filter[1], options["dilation_h_factor"])
    width = image_size(draw, filter[2], options["dilation_w_factor"])
    image = (draw.integer(1, 3), height, width, groups * depth)
    return Case((data(image), data(filter), data(filter[:1])), options)


CONV_2D = Op(
    "CONV_2D",
    inputs=(activation("input"), weight("filter", axis=0), bias_of("input", "filter")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 float32 -> float32", float_),
        Definition("int8 int8 int32 -> int8", integer, prepare),
        Definition("uint8 uint8 int32 -> uint8", integer, prepare),
        Definition("int16 int8 int64 -> int16", integer, prepare),
        Definition("int16 int8 int32 -> int16", integer, prepare, label="int16 bias32"),
    ),
    shapes=shapes,
    cases=case,
    version=8,
)
