"""DEPTHWISE_CONV_2D: every channel of the image has filters of its own.

    output[n, y, x, c * m + k] = bias[c * m + k] + sum over fy, fx of filter[0, fy, fx, c * m + k] *
        input[n, y * stride_h + fy * dilation_h - pad_top, x * stride_w + fx * dilation_w - pad_left, c]

input [batch, height, width, channels], filter [1, filter_h, filter_w, channels * m], bias [channels * m]. ``m``, the
depth multiplier, follows from the shapes; the option ``depth_multiplier`` repeats it.

Integers as for CONV_2D; int8 and int4 filters may be quantized per-axis along dimension 3. LiteRT's optimized int8
kernel computes eight channels at a time with another rounding than the channels that are left over; its uint8 and
int16 kernels compute what the reference kernels do. Float activations with int8 filters (which must be per-axis) are
quantized asymmetrically, an image at a time (:mod:`minilite.ops.hybrid`).
Sources: Howard et al. 2017 (MobileNets), section 3.1; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Requantizer, float_activation, requantizer
from minilite.ops import hybrid
from minilite.ops.accumulate import CACHED, in_blocks
from minilite.ops.conv_2d import check_bias, check_image, check_scales, real_multiplier, scales_case
from minilite.ops.windows import Axis, axes, image_size, taps_inside, touches, window_options
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None) -> tuple[Shape]:
    check_image(input)
    filter.need(filter.rank == 4, "4 dimensions [1, height, width, out]", f"{filter.rank} {filter.shape}")
    channels, outputs = input.shape[3], filter.shape[3]
    fits = filter.shape[0] == 1 and channels > 0 and outputs > 0 and outputs % channels == 0
    filter.need(fits, f"[1, height, width, a multiple of the input's {channels} channels]", filter.shape)
    check_bias(bias, outputs)
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    return ((input.shape[0], rows.output, columns.output, outputs),)


def slide(input: Array, filter: Array, rows: Axis, columns: Axis) -> Array:
    """The accumulators ``[batch, out_h, out_w, channels * m]``, one product after the other in the order filter_y,
    filter_x, skipping what is outside of the image."""
    channels = input.shape[3]
    taps = filter.reshape(*filter.shape[1:3], channels, -1)
    acc = np.zeros((len(input), rows.output, columns.output, *taps.shape[2:]), input.dtype)
    for block in in_blocks(rows.output, acc[:, :1].size, CACHED):
        for fy, fx in itertools.product(taps_inside(rows), taps_inside(columns)):
            here_y, image_y = touches(rows, fy, block.start, block.stop)
            here_x, image_x = touches(columns, fx)
            acc[:, block][:, here_y, here_x] += input[:, image_y, image_x, :, None] * taps[fy, fx]
    return acc.reshape(*acc.shape[:3], filter.shape[3])


def float_(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    acc = slide(input, filter, *axes(node.options, input.shape, filter.shape[1:]))
    return float_activation(node, acc if bias is None else acc + bias)


@dataclass(frozen=True)
class Prepared:
    """Windows and integers of a quantized depthwise convolution. ``sums`` is the accumulators' type, which wraps."""

    rows: Axis
    columns: Axis
    input_zero_point: int
    filter_zero_point: int
    sums: str
    requantize: Requantizer


def prepare(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None, output: TensorInfo) -> Prepared:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    check_scales(filter, 3)
    rounding = {"int16": "int64", "uint8": node.arithmetic if node.delegated else "double rounding"}.get(input.type)
    return Prepared(
        rows,
        columns,
        input.zero_point,
        filter.zero_point if filter.type == "uint8" else 0,
        "int64" if input.type == "int16" else "int32",
        requantizer(node, real_multiplier(node, input, filter, output), output, rounding),
    )


def integer(p: Prepared, input: Array, filter: Array, bias: Array | None) -> Array:
    x, w = input.astype(p.sums) - p.input_zero_point, filter.astype(p.sums) - p.filter_zero_point
    acc = slide(x, w, p.rows, p.columns)
    return p.requantize((acc if bias is None else acc + bias).astype(np.int64))


@dataclass(frozen=True)
class HybridPrepared:
    """A depthwise convolution of float images with quantized filters."""

    node: Node
    rows: Axis
    columns: Axis
    scales: Array


def prepare_hybrid(
    node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None, output: TensorInfo
) -> HybridPrepared:
    input.need(input.shape[0] > 0, "at least one image, for filters of int8", input.shape)
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    return HybridPrepared(node, rows, columns, hybrid.weight_scales(filter, 3))


def hybrid_(p: HybridPrepared, input: Array, filter: Array, bias: Array | None) -> Array:
    steps, scales = hybrid.quantize_rows(input, 1, "asymmetric")
    acc = slide(steps, filter.astype(np.int32), p.rows, p.columns)
    real = hybrid.to_floats(acc, scales, p.scales, bias, "product")
    if p.node.sums != "sequential":  # LiteRT's optimized kernel takes four channels at a time, and then the others
        fours = acc.shape[-1] // 4 * 4
        real[..., :fours] = hybrid.to_floats(acc, scales, p.scales, bias, "channel")[..., :fours]
        real[..., fours:] = hybrid.to_floats(acc, scales, p.scales, bias, "row")[..., fours:]
    return float_activation(p.node, real)


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings, strides, dilations and multipliers."""
    type_ = definition.input_types[1]
    channels = draw.integer(1, 20)
    multiplier = draw.choice((1, 1, 2, 3))
    filter = (1, draw.integer(1, 4), draw.integer(1, 4), channels * multiplier)
    options = window_options(draw) | cases.activated(draw) | {"depth_multiplier": multiplier}
    height = image_size(draw, filter[1], options["dilation_h_factor"])
    width = image_size(draw, filter[2], options["dilation_w_factor"])
    s_input, s_filter, s_output = scales_case(draw, definition, options, filter[1] * filter[2])
    image = data((draw.integer(1, 3), height, width, channels), scale=s_input)
    weights = data(filter, scale=s_filter)
    if definition.label == "hybrid int8":
        weights = hybrid.weights_case(draw, filter, type_, per_axis=True)
    return Case((image, weights, data(filter[3:])), options, output_scale=s_output)


DEPTHWISE_CONV_2D = Op(
    "DEPTHWISE_CONV_2D",
    inputs=(activation("input"), weight("filter", axis=3), bias_of("input", "filter", optional=True)),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 float32? -> float32", float_),
        Definition("int8 int8 int32? -> int8", integer, prepare),
        Definition("int8 int4 int32? -> int8", integer, prepare, label="int8 int4"),
        Definition("uint8 uint8 int32? -> uint8", integer, prepare),
        Definition("int16 int8 int64? -> int16", integer, prepare),
        Definition("float32 int8 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
    ),
    shapes=shapes,
    cases=case,
    version=7,
)
