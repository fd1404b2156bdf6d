"""CONV_2D: every output channel is a filter slid over the image.

    output[n, y, x, o] = bias[o] + sum over fy, fx, c of filter[o, fy, fx, c] *
        input[n, y * stride_h + fy * dilation_h - pad_top, x * stride_w + fx * dilation_w - pad_left, c]

input [batch, height, width, channels], filter [out_channels, filter_h, filter_w, channels / groups], bias
[out_channels]. With groups, output channel ``o`` sees the channels of group ``o // (out_channels / groups)`` only.
Outside of the image there is nothing to add. SAME padding gives ceil(size / stride) positions.

Integers accumulate ``(input - z_input) * (filter - z_filter)``, requantized by ``s_input * s_filter[o] / s_output``.
int8 and int4 filters have zero point 0 and may be quantized per-axis along dimension 0. Activations of int16 take an
int64 bias, or an int32 one with the option ``quantized_bias_type`` (int32 accumulators and another rounding). LiteRT's
optimized kernels have no groups: they fall back to the reference kernel.

Float activations with int8 or int4 filters are quantized on the way in (:mod:`minilite.ops.hybrid`), an image at a
time: asymmetrically when the filter is per-axis, symmetrically when it is per-tensor. XNNPACK makes a layer of a filter
that sees one pixel (1 x 1, stride 1, no groups) and quantizes a pixel at a time.
Sources: Jacob et al. 2018, section 2; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Requantizer, float_activation, output_multiplier, requantizer, wrap32
from minilite.ops import hybrid
from minilite.ops.accumulate import CACHED, exactly, in_blocks
from minilite.ops.windows import Axis, axes, cropped, image_size, taps_inside, touches, window_options
from minilite.spec import QUANTIZED, Definition, Node, Op, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None) -> tuple[Shape]:
    check_image(input)
    filter.need(filter.rank == 4, "4 dimensions [out, height, width, in]", f"{filter.rank} {filter.shape}")
    depth, filter_depth = input.shape[3], filter.shape[3]
    fits = min(depth, filter_depth) > 0 and depth % filter_depth == 0
    fits = fits and filter.shape[0] > 0 and filter.shape[0] % (depth // filter_depth) == 0
    filter.need(fits, f"channels that divide the input's {depth} into groups of filters", filter.shape)
    check_bias(bias, filter.shape[0])
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    return ((input.shape[0], rows.output, columns.output, filter.shape[0]),)


def check_image(input: TensorInfo) -> None:
    """Any number of images, also none, but of some pixels."""
    fits = input.rank == 4 and 0 not in input.shape[1:3]
    input.need(fits, "4 dimensions [batch, height, width, channels] with pixels", input.shape)


def check_bias(bias: TensorInfo | None, channels: int) -> None:
    """One value for each output channel."""
    if bias is not None:
        bias.need(bias.shape == (channels,), f"one value per output channel, shape {(channels,)}", bias.shape)


# ---- sums of products ------------------------------------------------------------------------------------------------


def convolve(input: Array, filter: Array, rows: Axis, columns: Axis, sums: str = "any") -> Array:
    """The accumulators ``[batch, out_h, out_w, out_channels]``; the order of ``sums`` matters to floats only."""
    return (term_by_term if sums == "sequential" else by_matrices)(input, filter, rows, columns)


def by_matrices(input: Array, filter: Array, rows: Axis, columns: Axis) -> Array:
    """Every window, as a row of a matrix, times every filter; a block of windows at a time. Outside of the image there
    are zeros, which make NaN of weights that are not finite."""
    (rows, ys), (columns, xs) = cropped(rows), cropped(columns)
    nothing, filter = _not_finite(filter, ys, xs), filter[:, ys, xs]
    outputs, depth = len(filter), filter.shape[3]
    groups = input.shape[3] // depth
    matrices = [np.ascontiguousarray(k.reshape(len(k), -1).T) for k in np.split(filter, groups)]
    acc = np.empty((len(input), rows.output, columns.output, groups, outputs // groups), input.dtype)
    for n, image in enumerate(input):
        for block in in_blocks(rows.output, columns.output * filter[0].size * groups):
            windows = laid_out(image, rows, columns, block)
            for g, matrix in enumerate(matrices):
                part = windows[..., g * depth : (g + 1) * depth].reshape(-1, len(matrix))
                acc[n, block, :, g] = (part @ matrix).reshape(-1, columns.output, outputs // groups)
    acc = acc.reshape(*acc.shape[:3], outputs)
    acc[..., nothing] = np.nan
    return acc


def _not_finite(filter: Array, ys: slice, xs: slice) -> Array:
    """The output channels with weights that are infinite or NaN beside a part of the filter."""
    beside = filter[:, : ys.start], filter[:, ys.stop :], filter[:, ys, : xs.start], filter[:, ys, xs.stop :]
    return np.flatnonzero(sum(np.logical_not(np.isfinite(part)).any(axis=(1, 2, 3)) for part in beside))


def laid_out(image: Array, rows: Axis, columns: Axis, block: slice) -> Array:
    """A block of windows ``[rows, columns, filter_h, filter_w, channels]``, with zeros outside of the image."""
    if (rows.filter, columns.filter, rows.stride, columns.stride, rows.before, columns.before) == (1, 1, 1, 1, 0, 0):
        return image[block, :, None, None]
    shape = (block.stop - block.start, columns.output, rows.filter, columns.filter, image.shape[2])
    windows = np.zeros(shape, image.dtype)
    for fy, fx in np.ndindex(rows.filter, columns.filter):
        here_y, image_y = touches(rows, fy, block.start, block.stop)
        here_x, image_x = touches(columns, fx)
        windows[here_y, here_x, fy, fx] = image[image_y, image_x]
    return windows


def term_by_term(input: Array, filter: Array, rows: Axis, columns: Axis) -> Array:
    """One product after the other in the order filter_y, filter_x, channel, skipping what is outside of the image."""
    depth = filter.shape[3]
    groups = input.shape[3] // depth
    taps = np.ascontiguousarray(np.moveaxis(filter.reshape(groups, -1, *filter.shape[1:]), (2, 3, 4), (0, 1, 2)))
    acc = np.zeros((len(input), rows.output, columns.output, groups, len(filter) // groups), input.dtype)
    for block in in_blocks(rows.output, acc[:, :1].size, CACHED):
        for fy, fx in itertools.product(taps_inside(rows), taps_inside(columns)):
            here_y, image_y = touches(rows, fy, block.start, block.stop)
            here_x, image_x = touches(columns, fx)
            part, pixels = acc[:, block][:, here_y, here_x], input[:, image_y, image_x]
            for c, tap in enumerate(taps[fy, fx]):
                part += pixels[..., c::depth, None] * tap
    return acc.reshape(*acc.shape[:3], len(filter))


# ---- definitions -----------------------------------------------------------------------------------------------------


def float_(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    acc = convolve(input, filter, rows, columns, node.sums)
    return float_activation(node, acc if bias is None else acc + bias)


@dataclass(frozen=True)
class Prepared:
    """Windows and integers of a quantized convolution. ``wide``: accumulators are int64, else they wrap at int32."""

    rows: Axis
    columns: Axis
    input_zero_point: int
    filter_zero_point: int
    wide: bool
    requantize: Requantizer


def prepare(node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None, output: TensorInfo) -> Prepared:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    check_scales(filter, 0)
    grouped = filter.shape[3] != input.shape[3]
    rounding = "double rounding" if grouped and node.arithmetic == "half up" else node.arithmetic
    wide = wide_sums(node, input, bias)
    return Prepared(
        rows,
        columns,
        input.zero_point,
        filter.zero_point if filter.type == "uint8" else 0,
        wide,
        requantizer(node, real_multiplier(node, input, filter, output), output, "int64" if wide else rounding),
    )


def check_scales(filter: TensorInfo, axis: int) -> None:
    """One scale, or one for each channel along ``axis``; zero points of 0 unless the filter is uint8."""
    hybrid.weight_scales(filter, axis)
    filter.need(filter.type == "uint8" or not filter.zero_points.any(), "zero points of 0", filter.zero_points)


def wide_sums(node: Node, input: TensorInfo, bias: TensorInfo | None) -> bool:
    """Whether the accumulators are int64: int16 activations with an int64 bias, or without any unless the option says
    INT32."""
    if input.type != "int16":
        return False
    return bias.type == "int64" if bias is not None else node.options.get("quantized_bias_type") != "INT32"


def real_multiplier(node: Node, input: TensorInfo, filter: TensorInfo, output: TensorInfo) -> Any:
    """``s_input * s_filter / s_output``, rounded where the kernel rounds it."""
    if node.arithmetic == "float32":
        return output_multiplier(input, filter, output, "ratio")
    return output_multiplier(input, filter, output, "float32" if input.type == "uint8" else "float64")


def integer(p: Prepared, input: Array, filter: Array, bias: Array | None) -> Array:
    x, w = input.astype(np.int32) - p.input_zero_point, filter.astype(np.int32) - p.filter_zero_point
    x, w = exactly(filter[0].size, x, w)
    acc = convolve(x, w, p.rows, p.columns).astype(np.int64)
    acc = acc if bias is None else acc + bias
    return p.requantize(acc if p.wide else wrap32(acc))


@dataclass(frozen=True)
class HybridPrepared:
    """A convolution of float images with quantized filters. The input's first ``leading`` dimensions count the rows to
    quantize."""

    node: Node
    rows: Axis
    columns: Axis
    way: str
    leading: int
    scales: Array
    order: str


def prepare_hybrid(
    node: Node, input: TensorInfo, filter: TensorInfo, bias: TensorInfo | None, output: TensorInfo
) -> HybridPrepared:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    scales = hybrid.weight_scales(filter, 0)
    per_axis = bool(np.any(scales != scales[0])) or filter.shape[3] != input.shape[3]
    way = hybrid.way(node, "asymmetric" if per_axis else "symmetric")
    one_pixel = (*filter.shape[1:], rows.stride, columns.stride) == (1, 1, input.shape[3], 1, 1)
    a_layer = node.delegated and one_pixel and input.shape[3] + output.shape[3] > 2
    channel_first = per_axis and (node.sums == "sequential" or filter.shape[3] != input.shape[3])
    order = "fused" if node.delegated else "channel" if channel_first else "product"
    return HybridPrepared(node, rows, columns, way, 3 if a_layer else 1, scales, order)


def hybrid_(p: HybridPrepared, input: Array, filter: Array, bias: Array | None) -> Array:
    steps, scales = hybrid.quantize_rows(input, p.leading, p.way)
    x, w = exactly(filter[0].size, steps, filter)
    acc = convolve(x, w, p.rows, p.columns)
    return float_activation(p.node, hybrid.to_floats(acc, scales, p.scales, bias, p.order))


# ---- cases -----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings, strides, dilations and groups."""
    type_ = definition.input_types[1]
    is_hybrid = definition.label.startswith("hybrid")
    per_axis = draw.choice((True, False)) if is_hybrid else None
    groups = draw.choice((1, 1, 2, 3)) if per_axis is not False else 1
    depth, per_group = draw.integer(1, 9), draw.integer(1, 19 // groups)
    filter = (groups * per_group, draw.integer(1, 4), draw.integer(1, 4), depth)
    options = window_options(draw) | cases.activated(draw)
    if definition.label.startswith("int16"):
        options["quantized_bias_type"] = "INT64" if "int64" in definition.types else "INT32"
    height = image_size(draw, filter[1], options["dilation_h_factor"])
    width = image_size(draw, filter[2], options["dilation_w_factor"])
    s_input, s_filter, s_output = scales_case(draw, definition, options, math.prod(filter[1:]))
    image = data((draw.integer(1, 3), height, width, groups * depth), scale=s_input)
    weights = hybrid.weights_case(draw, filter, type_, per_axis) if is_hybrid else data(filter, scale=s_filter)
    return Case((image, weights, data(filter[:1])), options, output_scale=s_output)


def scales_case(
    draw: Draw, definition: Definition, options: dict[str, Any], terms: int
) -> tuple[float | None, float | None, float | None]:
    """Scales of input, weights and output, None where any will do.

    Powers of two now and then, which give the ties on which roundings differ. Else a small input where an activation
    bounds the output: LiteRT's kernels take no multiplier of 256 or more.
    """
    if definition.output_types[0] not in QUANTIZED:
        return None, None, None
    wide = definition.input_types.count("int16") == 2
    if draw.choice((False, False, True)):
        spread = (23_000 if wide else 90) * math.sqrt(terms)  # of the accumulators, in steps of the output
        return 2.0**-4, 2.0**-6, 2.0 ** (round(math.log2(spread)) - 10)
    if options.get("fused_activation_function", "NONE") == "NONE":
        return None, None, None
    return (1e-5 if "int16" in definition.input_types else 1e-3) * draw.random.uniform(0.5, 1.0), None, None


CONV_2D = Op(
    "CONV_2D",
    inputs=(activation("input"), weight("filter", axis=0), bias_of("input", "filter")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 float32 -> float32", float_),
        Definition("int8 int8 int32 -> int8", integer, prepare),
        Definition("int8 int4 int32 -> int8", integer, prepare, label="int8 int4"),
        Definition("uint8 uint8 int32 -> uint8", integer, prepare),
        Definition("int16 int8 int64 -> int16", integer, prepare),
        Definition("int16 int8 int32 -> int16", integer, prepare, label="int16 bias32"),
        Definition("int16 int4 int64 -> int16", integer, prepare, label="int16 int4"),
        Definition("int16 int4 int32 -> int16", integer, prepare, label="int16 int4 bias32"),
        Definition("float32 int8 float32 -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
        Definition("float32 int4 float32 -> float32", hybrid_, prepare_hybrid, label="hybrid int4"),
    ),
    shapes=shapes,
    cases=case,
    version=8,
)
