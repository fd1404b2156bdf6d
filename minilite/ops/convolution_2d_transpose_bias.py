"""Convolution2DTransposeBias: MediaPipe's transposed convolution, TRANSPOSE_CONV with other operands.

    output[n, y * stride_h + fy - pad_top, x * stride_w + fx - pad_left, o] += input[n, y, x, c] * weights[o, fy, fx, c]

for all n, y, x, fy, fx, o, c; then bias[o] is added. input [batch, height, width, channels], weights [out_channels,
filter_h, filter_w, channels], bias [out_channels]; all float32. The output has the size that the file gives it; where
that does not fit the input, SAME padding makes height * stride_h rows and VALID (height - 1) * stride_h + filter_h.

Options, a struct of int32: padding (1 SAME, 2 VALID), stride_w, stride_h; the rest is not looked at. LiteRT has no
kernel for the operator, only XNNPACK computes it; other kernel sets compute it as they do TRANSPOSE_CONV.

Source: MediaPipe, transpose_conv_bias.cc; LiteRT, xnnpack_delegate.cc.
"""

from __future__ import annotations

import struct

from minilite.cases import Case, Draw, data
from minilite.errors import OperatorError
from minilite.ops.conv_2d import check_bias
from minilite.ops.custom_options import struct_of
from minilite.ops.transpose_conv import Array, Windows, paint, paint_term_by_term
from minilite.ops.windows import Axis, axis
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, weight

PADDINGS = {1: "SAME", 2: "VALID"}


def windows(node: Node, input: TensorInfo, weights: TensorInfo) -> tuple[Axis, Axis]:
    """The windows of the convolution that goes the other way, over the output."""
    number, stride_w, stride_h = struct_of(node, 3)
    node.need(number in PADDINGS, "padding 1 (SAME) or 2 (VALID)", number)
    padding, strides, declared = PADDINGS[number], (stride_h, stride_w), node.outputs[0].shape
    wished = declared[1:3] if len(declared) == 4 else (None, None)
    node.need(min(strides) > 0, "strides of 1 or more", strides)
    rows, columns = (
        _window(padding, *sizes) for sizes in zip(wished, input.shape[1:3], weights.shape[1:3], strides, strict=True)
    )
    return rows, columns


def _window(padding: str, wished: int | None, size: int, filter_: int, stride: int) -> Axis:
    try:
        found = None if wished is None else axis(padding, wished, filter_, stride)
    except OperatorError:  # the filter does not fit
        found = None
    if found is not None and found.output == size:
        return found
    return axis(padding, size * stride if padding == "SAME" else (size - 1) * stride + filter_, filter_, stride)


def shapes(node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo) -> tuple[Shape]:
    fits = input.rank == 4 and 0 not in input.shape[1:3]
    input.need(fits, "4 dimensions [batch, height, width, channels] with pixels", input.shape)
    fits = weights.rank == 4 and 0 not in weights.shape and weights.shape[3] == input.shape[3]
    weights.need(fits, f"[out, height, width, {input.shape[3]}]", weights.shape)
    check_bias(bias, weights.shape[0])
    rows, columns = windows(node, input, weights)
    return ((input.shape[0], rows.size, columns.size, weights.shape[0]),)


def prepare(node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo, output: TensorInfo) -> Windows:
    return Windows(node, *windows(node, input, weights))


def transpose_conv(p: Windows, input: Array, weights: Array, bias: Array) -> Array:
    add_up = paint_term_by_term if p.node.sums == "sequential" else paint
    return add_up(input, weights, p.rows, p.columns) + bias


def case(draw: Draw, definition: Definition) -> Case:
    """Filters at least as large as the strides: XNNPACK takes no others with SAME padding."""
    strides = (draw.integer(1, 3), draw.integer(1, 3))
    padding = draw.choice((1, 2))
    filter_ = [s + draw.integer(0, 2) for s in strides]
    channels, out = draw.integer(1, 5), draw.integer(1, 9)
    image = (draw.integer(1, 2), draw.integer(1, 6), draw.integer(1, 6), channels)
    options = struct.pack("<5i", padding, strides[1], strides[0], 0, 0)
    operands = (data(image), data((out, *filter_, channels), constant=True), data((out,), constant=True))
    return Case(operands, custom_options=options[: draw.choice((20, 12))])


CONVOLUTION_2D_TRANSPOSE_BIAS = Op(
    "Convolution2DTransposeBias",
    inputs=(activation("input"), weight("weights", axis=0), bias_of("input", "weights")),
    outputs=(activation("output"),),
    definitions=(Definition("float32 float32 float32 -> float32", transpose_conv, prepare=prepare),),
    shapes=shapes,
    cases=case,
    custom=True,
)
