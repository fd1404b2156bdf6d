"""BATCH_MATMUL: products of matrices, one for each index of the leading dimensions, which broadcast.

    output[..., m, n] = sum over k of lhs[..., m, k] * rhs[..., k, n]

lhs [..., m, k] ([..., k, m] with ``adj_x``), rhs [..., k, n] ([..., n, k] with ``adj_y``); up to five dimensions each.

Integers accumulate ``(lhs - z_lhs) * (rhs - z_rhs)``, requantized by ``s_lhs * s_rhs / s_output`` (the product is
rounded to float32, but in ``tflm``); int16 has int64 accumulators. int8 operands with an int32 output are plain
integers: nothing is shifted or scaled, sums wrap. The rhs may be quantized per-axis along ``n``; LiteRT's kernels take
its scale for 0 then and answer the zero point everywhere.

A float lhs with an int8 rhs is quantized on the way in, a row at a time (:mod:`minilite.ops.hybrid`), symmetrically
unless the option ``asymmetric_quantize_inputs`` is set. LiteRT mixes up the rows' scales when more than one leading
dimension is larger than 1, and with XNNPACK it answers zeros when the rhs is not a constant; here every row has its
own scale, and the rhs may come from anywhere.
Source: LiteRT's batch_matmul kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, boolean, data
from minilite.fixed_point import Requantizer, output_multiplier, requantizer, wrap32
from minilite.ops import hybrid
from minilite.ops.accumulate import float_dot, integer_dot
from minilite.ops.conv_2d import scales_case
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, lhs: TensorInfo, rhs: TensorInfo) -> tuple[Shape]:
    for operand in (lhs, rhs):
        operand.need(2 <= operand.rank <= 5, "2 to 5 dimensions", operand.shape)
    m, k = lhs.shape[-2:][:: -1 if node.options.adj_x else 1]
    terms, n = rhs.shape[-2:][:: -1 if node.options.adj_y else 1]
    rhs.need(terms == k, f"{k} terms to multiply with lhs {lhs.shape}", rhs.shape)
    try:
        leading = np.broadcast_shapes(lhs.shape[:-2], rhs.shape[:-2])
    except ValueError:
        rhs.need(False, f"leading dimensions that broadcast with {lhs.shape[:-2]}", rhs.shape[:-2])
        raise
    return ((*leading, m, n),)


def straight(node: Node, lhs: Array, rhs: Array) -> tuple[Array, Array]:
    """The operands as [..., m, k] and [..., k, n]."""
    return (lhs.swapaxes(-1, -2) if node.options.adj_x else lhs, rhs.swapaxes(-1, -2) if node.options.adj_y else rhs)


def _columns(node: Node, rhs: TensorInfo) -> int:
    """The dimension of the rhs that holds its columns ``n``."""
    return rhs.rank - (2 if node.options.adj_y else 1)


def float_(node: Node, lhs: Array, rhs: Array) -> Array:
    return float_dot(*straight(node, lhs, rhs), node.sums)


def plain(node: Node, lhs: Array, rhs: Array) -> Array:
    return integer_dot(*straight(node, lhs, rhs)).astype(np.int32)


@dataclass(frozen=True)
class Prepared:
    """Integers of a quantized product. ``wide``: accumulators are int64, else they wrap at int32."""

    node: Node
    lhs_zero_point: int
    rhs_zero_point: int
    wide: bool
    requantize: Requantizer


def prepare(node: Node, lhs: TensorInfo, rhs: TensorInfo, output: TensorInfo) -> Prepared:
    wide = lhs.type == "int16"
    hybrid.weight_scales(rhs, _columns(node, rhs))
    product = {"float32": "ratio", "float64 ratios": "float64"}.get(node.arithmetic or "", "float32")
    rounding = "float32" if node.arithmetic == "float32" else "double rounding"
    real = output_multiplier(lhs, rhs, output, product)
    requantize = requantizer(node, real, output, "int64" if wide else rounding)
    return Prepared(node, lhs.zero_point, rhs.zero_point, wide, requantize)


def integer(p: Prepared, lhs: Array, rhs: Array) -> Array:
    a, b = straight(p.node, lhs.astype(np.int32) - p.lhs_zero_point, rhs.astype(np.int32) - p.rhs_zero_point)
    acc = integer_dot(a, b)
    return p.requantize(acc if p.wide else wrap32(acc))


@dataclass(frozen=True)
class HybridPrepared:
    """A product of floats with quantized numbers."""

    node: Node
    way: str
    scales: Array


def prepare_hybrid(node: Node, lhs: TensorInfo, rhs: TensorInfo, output: TensorInfo) -> HybridPrepared:
    scales = hybrid.weight_scales(rhs, _columns(node, rhs))
    way = hybrid.way(node, "asymmetric" if node.options.asymmetric_quantize_inputs else "symmetric")
    return HybridPrepared(node, way, scales)


def hybrid_(p: HybridPrepared, lhs: Array, rhs: Array) -> Array:
    a, b = straight(p.node, lhs, rhs)
    steps, scales = hybrid.quantize_rows(a, a.ndim - 1, p.way)
    return hybrid.to_floats(integer_dot(steps, b), scales, p.scales, None, "row" if p.way == "xnnpack" else "product")


def case(draw: Draw, definition: Definition) -> Case:
    """All ranks, broadcast leading dimensions, operands transposed or not."""
    is_hybrid = definition.label == "hybrid int8"
    leading = cases.shape(draw, 0, 3, 3) if not is_hybrid else (*[1] * draw.integer(0, 2), draw.integer(1, 3))
    m, k, n = draw.integer(1, 9), draw.choice((1, 2, 3, 8, 17, 64)), draw.integer(1, 19)
    options = {"adj_x": boolean(draw), "adj_y": boolean(draw), "asymmetric_quantize_inputs": boolean(draw)}
    lhs = cases.broadcastable(draw, leading) + ((k, m) if options["adj_x"] else (m, k))
    rhs = cases.broadcastable(draw, leading) + ((n, k) if options["adj_y"] else (k, n))
    if is_hybrid:
        per_axis = boolean(draw) and not options["adj_y"]
        return Case((data(lhs), hybrid.weights_case(draw, rhs, "int8", per_axis, constant=True)), options)
    zero_point = 0 if definition.input_types[0] == "int16" else None
    s_lhs, s_rhs, s_output = scales_case(draw, definition, options, k)
    factor = data(rhs, scale=s_rhs, constant=boolean(draw), per_axis=False, zero_point=zero_point)
    return Case((data(lhs, scale=s_lhs), factor), options, output_scale=s_output)


BATCH_MATMUL = Op(
    "BATCH_MATMUL",
    inputs=(activation("lhs"), activation("rhs", axis=-1)),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", float_),
        Definition("int8 int8 -> int8", integer, prepare),
        Definition("int8 int8 -> int32", plain, label="int8 to int32", quantized=False),
        Definition("int16 int16 -> int16", integer, prepare),
        Definition("int16 int8 -> int16", integer, prepare, label="int16 int8"),
        Definition("float32 int8 -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
    ),
    shapes=shapes,
    cases=case,
    version=4,
)
