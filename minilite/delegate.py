"""Which nodes LiteRT's XNNPACK delegate takes, operator by operator.

Taking is a matter of the node, not of the operator: types, constant operands, scale ratios and options decide. A node
that is not taken runs on the optimized kernels. Read from the delegate's source and measured on LiteRT 2.3.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minilite.spec import INTEGER_RANGE, Node, TensorInfo


def _per_tensor_8_bit(info: TensorInfo | None) -> bool:
    return info is not None and info.type in ("int8", "uint8") and info.scales.size == 1 and info.axis == 0


def _quantize(node: Node) -> bool:
    input, output = node.inputs[0], node.outputs[0]
    if input is None or not _per_tensor_8_bit(output):
        return False
    if input.type == "float32":
        return True
    ratio_fits = _per_tensor_8_bit(input) and 1 / 256 <= input.scale / output.scale <= 128
    return input.type == output.type and bool(ratio_fits)


# ---- element by element ------------------------------------------------------------------------------------------


def _elementwise(node: Node) -> bool:
    """float32 throughout, or one 8-bit type throughout with one scale each; up to 6 dimensions."""
    tensors = (*node.inputs, *node.outputs)
    if any(t is None or t.rank > 6 or t.type != node.outputs[0].type for t in tensors):
        return False
    return node.outputs[0].type == "float32" or all(map(_per_tensor_8_bit, tensors))


def _clips(node: Node) -> bool:
    return str(node.options.fused_activation_function) in ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def _scales(node: Node) -> list[np.float32]:
    return [t.scale for t in (*node.inputs, *node.outputs) if t is not None]


def _add(node: Node) -> bool:
    if not (_elementwise(node) and _clips(node)):
        return False
    if node.outputs[0].type == "float32":
        return True
    s1, s2, output = _scales(node)
    return all(bool(2.0**-10 <= s / output < 2.0**8) for s in (s1, s2))


def _mul(node: Node) -> bool:
    if not (_elementwise(node) and _clips(node)):
        return False
    if node.outputs[0].type == "float32":
        return True
    s1, s2, output = _scales(node)
    return bool(2.0**-16 <= s1 * s2 / output < 2.0**8)


def _div(node: Node) -> bool:
    return _elementwise(node) and _clips(node) and node.outputs[0].type == "float32"


def _leaky_relu(node: Node) -> bool:
    if not _elementwise(node) or node.outputs[0].type == "float32":
        return _elementwise(node)
    input, output = _scales(node)
    alpha = np.float32(node.options.alpha)
    ratio = input / output
    negative = ratio * alpha
    usual = np.isfinite(alpha) and abs(alpha) >= np.finfo(np.float32).tiny
    return bool(usual and 2.0**-8 <= ratio <= 128 and -127.99609375 <= negative <= 128 and abs(negative) >= 2.0**-8)


# ---- sums of products --------------------------------------------------------------------------------------------


def _sums(
    node: Node,
    input: TensorInfo | None,
    weights: TensorInfo | None,
    bias: TensorInfo | None,
    axis: int,
    signed: tuple[str, ...] = ("int8",),
) -> bool:
    """float32 or 8 bits throughout, weights and bias constant. The weights of float32 activations are float32 or one of
    the ``signed`` types, as are those of int8; they are quantized per-tensor or along ``axis``."""
    output = node.outputs[0]
    if input is None or weights is None or input.type != output.type or not (_clips(node) and _static_bias(bias)):
        return False
    if not weights.constant or weights.sparsity is not None or (weights.scales.size > 1 and weights.axis != axis):
        return False
    if input.type == "float32":
        return weights.type in ("float32", *signed)
    fits = _per_tensor_8_bit(weights) if input.type == "uint8" else weights.type in signed
    return fits and input.type == output.type and _per_tensor_8_bit(input) and _per_tensor_8_bit(output)


def _static_bias(bias: TensorInfo | None) -> bool:
    if bias is None:
        return True
    quantized = bias.type == "int32" and bias.quantized and bias.axis == 0
    return bias.constant and bias.rank == 1 and (bias.type == "float32" or quantized)


def _conv_2d(node: Node) -> bool:
    input, filter, bias = node.inputs
    return bias is not None and _sums(node, input, filter, bias, 0)


def _depthwise_conv_2d(node: Node) -> bool:
    input, filter, *rest = node.inputs
    if input is None or filter is None or not rest or rest[0] is None or input.type != filter.type:
        return False
    multiplier = node.options.depth_multiplier
    return multiplier > 0 and filter.shape[3] % multiplier == 0 and _sums(node, input, filter, rest[0], 3)


def _transpose_conv(node: Node) -> bool:
    output_shape, weights, input, *rest = node.inputs
    if output_shape is None or not output_shape.constant or weights is None:
        return False
    spatial, stride = zip(weights.shape[1:3], node.outputs[0].shape[1:3], strict=True), _strides(node)
    if node.options.padding == "VALID":
        fits = all(filter <= size for filter, size in spatial)
    else:
        fits = all(filter >= step for filter, step in zip(weights.shape[1:3], stride, strict=True))
    return fits and _sums(node, input, weights, rest[0] if rest else None, 0)


def _strides(node: Node) -> tuple[int, int]:
    return node.options.stride_h, node.options.stride_w


def _fully_connected(node: Node) -> bool:
    input, weights, *rest = node.inputs
    if weights is None or weights.rank != 2 or node.options.weights_format != "DEFAULT" or node.version == 8:
        return False
    if input is not None and input.type == "int8" and weights.zero_points.any():
        return False
    if weights.block_scales is not None and not _blocks_fit(weights.block_size, weights.block_scales):
        return False
    units, terms = weights.shape
    signed = ["int8", *["int4"] * (terms % 2 == 0), *["int2"] * (terms % 4 == 0 and weights.scales.size == units)]
    return _sums(node, input, weights, rest[0] if rest else None, 0, tuple(signed))


def _blocks_fit(size: int, scales: np.ndarray) -> bool:
    normal = np.isfinite(scales) & (scales >= np.finfo(np.float16).tiny)
    return size % 32 == 0 and bool(normal.all())


def _batch_matmul(node: Node) -> bool:
    """float32, float32 times int8, or int8 throughout with an rhs whose zero point is 0."""
    lhs, rhs = node.inputs
    if lhs is None or rhs is None or lhs.type != node.outputs[0].type:
        return False
    if lhs.type == "float32":
        along = rhs.rank - (2 if node.options.adj_y else 1)
        return rhs.type == "float32" or (rhs.type == "int8" and (rhs.scales.size == 1 or rhs.axis == along))
    return rhs.type == lhs.type == "int8" and rhs.zero_point == 0 and rhs.scales.size == lhs.scales.size == 1


# ---- pooling and reducing ----------------------------------------------------------------------------------------


def _float_or_8_bit(node: Node) -> bool:
    """The first operand and the output are both float32, or both of one 8-bit type with one scale."""
    input, output = node.inputs[0], node.outputs[0]
    if input is None or input.type != output.type:
        return False
    return input.type == "float32" or (_per_tensor_8_bit(input) and _per_tensor_8_bit(output))


def _pool(node: Node) -> bool:
    filter = (node.options.filter_height, node.options.filter_width)
    strides = (node.options.stride_h, node.options.stride_w)
    overlaps = all(s <= f for s, f in zip(strides, filter, strict=True))
    return _float_or_8_bit(node) and _clips(node) and overlaps


def _average_pool(node: Node) -> bool:
    return node.outputs[0].type == "float32" and _pool(node)


def _reduce(node: Node) -> bool:
    input, axis = node.inputs[0], node.inputs[1]
    if input is None or axis is None or not (axis.constant and axis.type == "int32" and axis.rank <= 1):
        return False
    few = axis.value is not None and 1 <= axis.value.size <= 6
    return _float_or_8_bit(node) and 0 < input.rank <= 6 and few


def _softmax(node: Node) -> bool:
    types = {t.type for t in (*node.inputs, *node.outputs) if t is not None}
    return types in ({"float32"}, {"float16"}) and float(node.options.beta) == 1


def _resize(node: Node) -> bool:
    size = node.inputs[1]
    return size is not None and size.constant and size.type == "int32" and _float_or_8_bit(node)


TAKES: dict[str, Callable[[Node], bool]] = {
    "MEAN": _reduce,
    "REDUCE_MAX": _reduce,
    "REDUCE_MIN": _reduce,
    "SUM": _reduce,
    "RESIZE_BILINEAR": _resize,
    "SOFTMAX": _softmax,
    "AVERAGE_POOL_2D": _average_pool,
    "MAX_POOL_2D": _pool,
    "ADD": _add,
    "SUB": _add,
    "MUL": _mul,
    "DIV": _div,
    "LEAKY_RELU": _leaky_relu,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
    "QUANTIZE": _quantize,
    "ELU": _elementwise,
    "LOGISTIC": _elementwise,
    "TANH": _elementwise,
}


def takes(node: Node) -> bool:
    """Whether the XNNPACK delegate computes this node."""
    accepts = TAKES.get(node.op)
    return accepts is not None and accepts(node)


def check(node: Node) -> None:
    """Raise :class:`OperatorError` for quantization that XNNPACK refuses in a node the delegate takes: scales that are
    no positive normal numbers, zero points outside the type, or other than 0 beside several scales."""
    for info in (*node.inputs, *node.outputs):
        if info is None or not info.quantized or info.type not in ("int8", "uint8", "int4", "int2"):
            continue
        normal = np.isfinite(info.scales) & (info.scales >= np.finfo(np.float32).tiny)
        info.need(normal.all(), "scales that are positive normal numbers (XNNPACK)", info.scales[~normal][:4])
        low, high = INTEGER_RANGE[info.type] if info.scales.size == 1 else (0, 8 if info.type == "int4" else 0)
        inside = (info.zero_points >= low) & (info.zero_points <= high)
        info.need(inside.all(), f"zero points in [{low}, {high}] (XNNPACK)", info.zero_points[~inside][:4])
