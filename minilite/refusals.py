"""What LiteRT's kernels ask of an operator's quantization before they compute anything.

A rule looks at a node whose types have a kernel, and raises :class:`minilite.errors.OperatorError`. Rules that a row
needs to compute at all stand in the row; these are the others. They hold for nodes that no delegate takes. Where a rule
says scale and zero point, LiteRT reads those of a tensor with one scale; of all others, both are 0.
Source: the Prepare functions of TensorFlow Lite's kernels.
"""

from __future__ import annotations

from collections.abc import Callable

from minilite.spec import INTEGER_RANGE, Node, TensorInfo

Rule = Callable[[Node], None]
EIGHT_OR_SIXTEEN = ("int8", "uint8", "int16")


def _scale(info: TensorInfo) -> float:
    return float(info.scales[0]) if info.scales.size == 1 else 0.0


def _zero_point(info: TensorInfo) -> int:
    return info.zero_point if info.scales.size == 1 else 0


def _input(node: Node, position: int) -> TensorInfo | None:
    return node.inputs[position] if position < len(node.inputs) else None


def _same(position: int = 0, types: tuple[str, ...] = ()) -> Rule:
    """The output has the scale and zero point of an input."""

    def check(node: Node) -> None:
        input, output = _input(node, position), node.outputs[0]
        if input is None or (types and input.type not in types):
            return
        wanted, got = ((_scale(i), _zero_point(i)) for i in (input, output))
        output.need(wanted == got, f"the scale and zero point {wanted} of {input}", got)

    return check


def _symmetric_int16(node: Node) -> None:
    """Operands of int16 have the zero point 0."""
    for info in (*node.inputs, *node.outputs):
        if info is not None and info.type == "int16":
            info.need(_zero_point(info) == 0, "zero point 0 (int16)", _zero_point(info))


def _symmetric_beside_int16(node: Node) -> None:
    """Where the first operand is int16, all have the zero point 0."""
    first = _input(node, 0)
    for info in (*node.inputs, *node.outputs):
        if info is not None and first is not None and first.type == "int16":
            info.need(_zero_point(info) == 0, "zero point 0 (beside int16)", _zero_point(info))


def _symmetric_bias(position: int, beside: tuple[str, ...] = EIGHT_OR_SIXTEEN) -> Rule:
    """The bias of outputs of these types has the zero point 0."""

    def check(node: Node) -> None:
        bias = _input(node, position)
        if bias is not None and node.outputs[0].type in beside:
            bias.need(_zero_point(bias) == 0, "a bias with zero point 0", _zero_point(bias))

    return check


def _both_int16(node: Node) -> None:
    input = _input(node, 0)
    if input is not None and input.type == node.outputs[0].type == "int16":
        _symmetric_int16(node)


def _near_bias(input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None, output: TensorInfo) -> None:
    """A bias has the scale of the products, to 2 % of the output's."""
    if bias is not None:
        product, scale = _scale(input) * _scale(weights), _scale(output)
        near = scale != 0 and abs(product - _scale(bias)) / scale <= 0.02
        bias.need(near, f"the scale {product} of input times weights, to 2 % of the output's {scale}", _scale(bias))


def _fully_connected(node: Node) -> None:
    """Several scales are for signed weights; zero points for those of 8 bits that are not sparse."""
    input, weights, bias, output = _input(node, 0), _input(node, 1), _input(node, 2), node.outputs[0]
    if input is None or weights is None:
        return
    if weights.type in ("int4", "int2") or (input.type == "int8" and weights.sparsity is not None):
        weights.need(not weights.zero_points.any(), "zero points of 0", weights.zero_points[:4])
    if input.type not in EIGHT_OR_SIXTEEN:
        return
    if weights.scales.size > 1:
        weights.need(weights.type != "uint8", "one scale (weights of uint8)", f"{weights.scales.size} scales")
    else:
        _near_bias(input, weights, bias, output)


def _convolution(input_position: int, bias_position: int) -> Rule:
    """uint8 has one scale for all weights, and a bias with the scale of the products."""

    def check(node: Node) -> None:
        input, weights, output = _input(node, input_position), _input(node, 1), node.outputs[0]
        if input is not None and weights is not None and input.type == "uint8":
            weights.need(weights.scales.size <= 1, "one scale (weights of uint8)", f"{weights.scales.size} scales")
            _near_bias(input, weights, _input(node, bias_position), output)

    return check


def _inside(node: Node) -> None:
    """Zero points are values of their type. (Some of these kernels do not ask, and compute with what is left of the
    zero point in as many bits.)"""
    for info in (*node.inputs, *node.outputs):
        if info is not None and info.type in EIGHT_OR_SIXTEEN:
            low, high = INTEGER_RANGE[info.type]
            info.need(low <= _zero_point(info) <= high, f"a zero point in [{low}, {high}]", _zero_point(info))


def _embedding_lookup(node: Node) -> None:
    values, output = _input(node, 1), node.outputs[0]
    if values is not None and values.scales.size > 1:
        able = values.type in ("uint8", "int8", "int4", "int2") and output.type in ("float32", "float16")
        wanted = "one scale, or 8 bits at most that become floats"
        values.need(able, wanted, f"{values.scales.size} scales ({values.type} to {output.type})")


def _dequantize(node: Node) -> None:
    input = _input(node, 0)
    if input is not None and input.type == "int16":
        input.need(input.scales.size <= 1, "one scale (int16)", f"{input.scales.size} scales")


def _product(node: Node) -> None:
    input = _input(node, 0)
    if input is not None and not input.quantized:
        _same(0, EIGHT_OR_SIXTEEN)(node)


RULES: dict[str, tuple[Rule, ...]] = {
    "ABS": (_symmetric_int16,),
    "AVERAGE_POOL_2D": (_inside,),
    "BATCH_MATMUL": (_symmetric_beside_int16,),
    "CONCATENATION": (_symmetric_int16,),
    "CONV_2D": (_symmetric_int16, _symmetric_bias(2), _convolution(0, 2), _inside),
    "DEPTHWISE_CONV_2D": (_symmetric_int16, _symmetric_bias(2), _convolution(0, 2), _inside),
    "DEQUANTIZE": (_symmetric_int16, _dequantize, _inside),
    "EMBEDDING_LOOKUP": (_embedding_lookup,),
    "EXP": (_symmetric_int16,),
    "EXPAND_DIMS": (_same(), _symmetric_int16),
    "FILL": (_same(1), _symmetric_int16),
    "FULLY_CONNECTED": (_both_int16, _fully_connected, _inside),
    "HARD_SWISH": (_inside,),
    "LOG": (_symmetric_int16,),
    "MAX_POOL_2D": (_inside,),
    "MIRROR_PAD": (_same(0, EIGHT_OR_SIXTEEN), _symmetric_int16),
    "NumericVerify": (_inside,),
    "PAD": (_inside,),
    "PADV2": (_inside,),
    "QUANTIZE": (_both_int16,),
    "REDUCE_MAX": (_same(0, EIGHT_OR_SIXTEEN),),
    "REDUCE_MIN": (_same(0, EIGHT_OR_SIXTEEN),),
    "REDUCE_PROD": (_product,),
    "RSQRT": (_symmetric_int16,),
    "SQUARED_DIFFERENCE": (_inside,),
    "SUB": (_inside,),
    "SVDF": (_inside,),
    "TRANSPOSE_CONV": (_symmetric_int16, _symmetric_bias(3, ("int8", "int16")), _convolution(2, 3), _inside),
}


MICRO: dict[str, tuple[Rule, ...]] = {"FULLY_CONNECTED": (_fully_connected,)}
"""TFLite Micro's."""


def check(node: Node) -> None:
    """Raise :class:`minilite.errors.OperatorError` for quantization that the kernel of a node refuses."""
    for rule in (MICRO if node.kernels == "tflm" else RULES).get(node.op, ()):
        rule(node)
