"""TRANSPOSE_CONV: every pixel of the input paints its filter into the output, ``stride`` pixels apart.

    output[n, y * stride_h + fy - pad_top, x * stride_w + fx - pad_left, o] += input[n, y, x, c] * weights[o, fy, fx, c]

for all n, y, x, fy, fx, o, c; then bias[o] is added. output_shape [4] is the output's, weights [out_channels, filter_h,
filter_w, channels], input [batch, height, width, channels], bias [out_channels]. Paddings are those of the convolution
(CONV_2D with the same options) that goes the other way, from the output's size to the input's, which must fit.

Integers as for CONV_2D, weights per-axis along dimension 0. LiteRT's optimized int8 kernel computes eight channels at a
time, and its uint8 kernel sixteen elements, with another rounding than what is left over.

Float activations with int8 weights are quantized asymmetrically, an image at a time (:mod:`minilite.ops.hybrid`);
LiteRT scales every product before it is added, XNNPACK the sums.
Sources: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw, data
from minilite.fixed_point import Requantizer, float_activation, requantizer, wrap32
from minilite.ops import hybrid
from minilite.ops.accumulate import exactly
from minilite.ops.conv_2d import check_bias, check_scales, real_multiplier, scales_case, wide_sums
from minilite.ops.windows import Axis, axes, touches, window_options
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, parameter, weight

Array = np.ndarray


def shapes(
    node: Node, output_shape: TensorInfo, weights: TensorInfo, input: TensorInfo, bias: TensorInfo | None
) -> tuple[Shape]:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", f"{input.rank} {input.shape}")
    fits = weights.rank == 4 and weights.shape[0] > 0 and weights.shape[3] == input.shape[3]
    weights.need(fits, f"[out, height, width, {input.shape[3]}]", weights.shape)
    check_bias(bias, weights.shape[0])
    result = tuple(int(d) for d in output_shape.known().reshape(-1))
    fits = len(result) == 4 and (result[0], result[3]) == (input.shape[0], weights.shape[0]) and min(result) >= 0
    output_shape.need(fits, f"[{input.shape[0]}, height, width, {weights.shape[0]}]", result)
    rows, columns = axes(node.options, result, weights.shape[1:])
    sizes = (rows.output, columns.output)
    output_shape.need(sizes == input.shape[1:3], f"sizes that shrink to the input's {input.shape[1:3]}", sizes)
    return (result,)


# ---- sums of products ------------------------------------------------------------------------------------------------


def paint(input: Array, weights: Array, rows: Axis, columns: Axis) -> Array:
    """The accumulators ``[batch, out_h, out_w, out_channels]``, a matrix product for each element of the filter."""
    taps = np.ascontiguousarray(np.moveaxis(weights, (1, 2, 3, 0), (0, 1, 2, 3)))
    acc = np.zeros((len(input), rows.size, columns.size, len(weights)), input.dtype)
    for fy, fx in np.ndindex(taps.shape[:2]):
        (in_y, out_y), (in_x, out_x) = touches(rows, fy), touches(columns, fx)
        acc[:, out_y, out_x] += input[:, in_y, in_x] @ taps[fy, fx]
    return acc


def paint_term_by_term(
    input: Array, weights: Array, rows: Axis, columns: Axis, product: Callable[[Array, Array], Array] = np.multiply
) -> Array:
    """The same, one product after the other in the order in which the reference kernel's loops over y, x and c reach an
    output: that is, from the last element of the filter to the first."""
    taps = np.ascontiguousarray(np.moveaxis(weights, (1, 2, 3, 0), (0, 1, 2, 3)))
    acc = np.zeros((len(input), rows.size, columns.size, len(weights)), input.dtype)
    for fy, fx in reversed(list(np.ndindex(taps.shape[:2]))):
        (in_y, out_y), (in_x, out_x) = touches(rows, fy), touches(columns, fx)
        part, pixels = acc[:, out_y, out_x], input[:, in_y, in_x]
        for c, tap in enumerate(taps[fy, fx]):
            part += product(pixels[..., c, None], tap)
    return acc


# ---- definitions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """A transposed convolution of floats: the windows of the convolution that goes the other way."""

    node: Node
    rows: Axis
    columns: Axis


def _windows(node: Node, weights: TensorInfo, output: TensorInfo) -> tuple[Axis, Axis]:
    return axes(node.options, output.shape, weights.shape[1:])


def prepare_float(
    node: Node,
    output_shape: TensorInfo,
    weights: TensorInfo,
    input: TensorInfo,
    bias: TensorInfo | None,
    output: TensorInfo,
) -> Windows:
    return Windows(node, *_windows(node, weights, output))


def float_(p: Windows, output_shape: Array, weights: Array, input: Array, bias: Array | None) -> Array:
    add_up = paint_term_by_term if p.node.sums == "sequential" else paint
    acc = add_up(input, weights, p.rows, p.columns)
    return float_activation(p.node, acc if bias is None else acc + bias)


@dataclass(frozen=True)
class Prepared:
    """Windows and integers of a quantized transposed convolution. ``wide``: accumulators are int64, else they wrap."""

    rows: Axis
    columns: Axis
    input_zero_point: int
    weights_zero_point: int
    wide: bool
    requantize: Requantizer


def prepare(
    node: Node,
    output_shape: TensorInfo,
    weights: TensorInfo,
    input: TensorInfo,
    bias: TensorInfo | None,
    output: TensorInfo,
) -> Prepared:
    check_scales(weights, 0)
    wide = wide_sums(node, input, bias)
    rounding = "int64" if wide else node.arithmetic
    if input.type == "uint8" and rounding == "half up by eights":
        rounding = "half up by sixteens"
    return Prepared(
        *_windows(node, weights, output),
        input.zero_point,
        weights.zero_point if weights.type == "uint8" else 0,
        wide,
        requantizer(node, real_multiplier(node, input, weights, output), output, rounding),
    )


def integer(p: Prepared, output_shape: Array, weights: Array, input: Array, bias: Array | None) -> Array:
    x, w = input.astype(np.int32) - p.input_zero_point, weights.astype(np.int32) - p.weights_zero_point
    x, w = exactly(weights[0].size, x, w)
    acc = paint(x, w, p.rows, p.columns).astype(np.int64)
    acc = acc if bias is None else acc + bias
    return p.requantize(acc if p.wide else wrap32(acc))


@dataclass(frozen=True)
class HybridPrepared:
    """A transposed convolution of float images with quantized weights."""

    node: Node
    rows: Axis
    columns: Axis
    way: str
    scales: Array


def prepare_hybrid(
    node: Node,
    output_shape: TensorInfo,
    weights: TensorInfo,
    input: TensorInfo,
    bias: TensorInfo | None,
    output: TensorInfo,
) -> HybridPrepared:
    scales = hybrid.weight_scales(weights, 0)
    return HybridPrepared(node, *_windows(node, weights, output), hybrid.way(node, "asymmetric"), scales)


def hybrid_(p: HybridPrepared, output_shape: Array, weights: Array, input: Array, bias: Array | None) -> Array:
    steps, scales = hybrid.quantize_rows(input, 1, p.way)
    if p.node.sums == "sequential":
        x, w = steps.astype(np.float32), weights.astype(np.float32)
        acc = paint_term_by_term(x, w, p.rows, p.columns, lambda a, b: a * b * p.scales * scales)
    else:
        x, w = exactly(weights[0].size, steps, weights)
        acc = paint(x, w, p.rows, p.columns).astype(np.float32) * p.scales * scales
    return float_activation(p.node, acc if bias is None else acc + bias)


# ---- cases -----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """All paddings and strides, and every size an output may have."""
    bias_type = definition.input_types[3].rstrip("?")
    options = window_options(draw, dilated=False) | cases.activated(draw)
    if bias_type == "int32" and definition.output_types == ("int16",):
        options["quantized_bias_type"] = "INT32"
    weights = (draw.integer(1, 19), draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 9))
    image = (draw.integer(1, 3), draw.integer(1, 6), draw.integer(1, 6), weights[3])
    height = _grown(draw, image[1], weights[1], options["stride_h"], options["padding"])
    width = _grown(draw, image[2], weights[2], options["stride_w"], options["padding"])
    output_shape = np.array([image[0], height, width, weights[0]], np.int32)
    s_input, s_weights, s_output = scales_case(draw, definition, options, weights[3])
    kernel = data(weights, scale=s_weights)
    if definition.label == "hybrid int8":
        kernel = hybrid.weights_case(draw, weights, "int8", per_axis=True)
    return Case(
        (
            Arg((4,), output_shape, constant=draw.choice((True, True, False))),
            kernel,
            data(image, scale=s_input),
            draw.choice((data(weights[:1]), None)),
        ),
        options,
        output_scale=s_output,
    )


def _grown(draw: Draw, size: int, filter_: int, stride: int, padding: str) -> int:
    """A size of the output that a convolution shrinks to ``size``."""
    spare = draw.integer(0, stride - 1)
    return size * stride - spare if padding == "SAME" else (size - 1) * stride + filter_ + spare


TRANSPOSE_CONV = Op(
    "TRANSPOSE_CONV",
    inputs=(
        parameter("output_shape"),
        weight("weights", axis=0),
        activation("input"),
        bias_of("input", "weights", optional=True),
    ),
    outputs=(activation("output"),),
    definitions=(
        Definition("int32 float32 float32 float32? -> float32", float_, prepare_float, label="float32"),
        Definition("int32 int8 int8 int32? -> int8", integer, prepare, label="int8"),
        Definition("int32 uint8 uint8 int32? -> uint8", integer, prepare, label="uint8"),
        Definition("int32 int8 int16 int64? -> int16", integer, prepare, label="int16"),
        Definition("int32 int8 int16 int32? -> int16", integer, prepare, label="int16 bias32"),
        Definition("int32 int8 float32 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
    ),
    shapes=shapes,
    cases=case,
    version=5,
)
