"""FULLY_CONNECTED: every output unit is one row of weights times the input.

    output[n, o] = bias[o] + sum over i of input[n, i] * weights[o, i]

input of any shape, read as [rows, terms]; weights [units, terms]; bias [units]. The output is [rows, units], or with
``keep_num_dims`` the input's shape with ``units`` in place of the last dimension.

Integers accumulate ``(input - z_input) * (weights - z_weights)``, requantized by ``s_input * s_weights / s_output``,
which LiteRT's reference kernel does in float64, unlike every other operator's, and TFLite Micro's in fixed point
(int64 sums by :func:`minilite.fixed_point.multiply_int64`). int8, int4 and int2 weights may be
quantized per-axis along dimension 0; zero points other than 0 need uint8, or int8 per-tensor, weights.

Float activations with integer weights are quantized on the way in, a row at a time (:mod:`minilite.ops.hybrid`),
symmetrically unless the option ``asymmetric_quantize_inputs`` is set. LiteRT's optimized kernel for int4 weights, which
wants them constant and at least 4 x 32, is symmetric all the same.
Weights may be sparse, quantized in blocks, or shuffled: :mod:`minilite.ops.stored_weights`. Of sparse float32 weights
LiteRT's optimized kernel takes plain rows and blocks of 1 x 4, of int8 ones both kernels take blocks of 1 x 16; here
every layout is taken, of all types. It takes blocks of int4 in constant matrices of at least 4 x 32, and leaves the
activation out.
Sources: Jacob et al. 2018, section 2; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, boolean, data
from minilite.cases import Sparse as Sparse_
from minilite.fixed_point import (
    ACTIVATION_BOUNDS,
    Requantizer,
    float_activation,
    output_multiplier,
    requantizer,
    wrap32,
)
from minilite.ops import hybrid
from minilite.ops.accumulate import float_dot, integer_dot
from minilite.ops.conv_2d import check_bias, scales_case
from minilite.ops.stored_weights import (
    InBlocks,
    Shuffled,
    Sparse,
    in_blocks,
    prepare_in_blocks,
    shuffled_layer,
    shuffled_shapes,
    sparse,
)
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, parameter, weight

Array = np.ndarray
SHUFFLED = "SHUFFLED4x16INT8"


def shapes(node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None) -> tuple[Shape, ...]:
    weights.need(weights.rank == 2 and weights.shape[1] > 0, "2 dimensions [units, terms]", weights.shape)
    units, terms = weights.shape
    check_bias(bias, units)
    fused = node.options.fused_activation_function
    node.need(fused == "NONE" or fused in ACTIVATION_BOUNDS, "NONE or a clipping activation", fused)
    size = math.prod(input.shape)
    input.need(size % terms == 0, f"rows of {terms} elements", input.shape)
    rows: Shape = (size // terms,)
    if node.options.keep_num_dims:
        input.need(input.rank > 0 and input.shape[-1] == terms, f"{terms} elements in the last dimension", input.shape)
        rows = input.shape[:-1]
    format_ = node.options.weights_format
    if format_ == SHUFFLED:
        return ((*rows, units), shuffled_shapes(node, input, weights, size // terms)[1])
    node.need(format_ == "DEFAULT", f"weights_format DEFAULT or {SHUFFLED}", format_)
    return ((*rows, units),)


def float_(node: Node, input: Array, weights: Array, bias: Array | None) -> Array:
    acc = float_dot(input.reshape(-1, weights.shape[1]), np.ascontiguousarray(weights.T), node.sums)
    acc = float_activation(node, acc if bias is None else acc + bias)
    return acc.reshape(*_leading(node, input), len(weights))


def _leading(node: Node, input: Array) -> Shape:
    return input.shape[:-1] if node.options.keep_num_dims else (-1,)


@dataclass(frozen=True)
class Prepared:
    """Integers of a quantized layer. ``wide``: accumulators are int64, else they wrap at int32."""

    output_shape: Shape
    input_zero_point: int
    weights_zero_point: int
    wide: bool
    requantize: Requantizer


def prepare(
    node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None, output: TensorInfo
) -> Prepared:
    per_axis = hybrid.weight_scales(weights, 0).size > 1
    shiftable = weights.type == "uint8" or (weights.type == "int8" and not per_axis)
    weights.need(shiftable or not weights.zero_points.any(), "zero points of 0", weights.zero_points)
    wide = weights.type == "int16" or wide_sums(node, input, bias)
    in_floats = wide and weights.type != "int16" and node.arithmetic != "double rounding"
    rounding = "float64" if in_floats else "int64" if wide else node.arithmetic
    if weights.sparsity is not None and weights.type == "int8":
        rounding = "double rounding"
    product = "float64" if node.arithmetic == "double rounding" else rounding
    return Prepared(
        output.shape,
        input.zero_point,
        weights.zero_point if shiftable else 0,
        wide,
        requantizer(node, real_multiplier(input, weights, output, product), output, rounding),
    )


def wide_sums(node: Node, input: TensorInfo, bias: TensorInfo | None) -> bool:
    """Whether the accumulators are int64: int16 activations with an int64 bias; without a bias the option decides, and
    where it says nothing LiteRT's kernels disagree."""
    if input.type != "int16":
        return False
    if bias is not None:
        return bias.type == "int64"
    unset = node.arithmetic in ("float64", "double rounding")
    return {"INT64": True, "INT32": False}.get(str(node.options.get("quantized_bias_type")), unset)


def real_multiplier(input: TensorInfo, weights: TensorInfo, output: TensorInfo, rounding: str | None) -> Any:
    """``s_input * s_weights / s_output``, rounded where the kernel rounds it."""
    if rounding == "float32":
        return output_multiplier(input, weights, output, "ratio")
    return output_multiplier(
        input, weights, output, "float64" if rounding == "float64" or weights.scales.size > 1 else "float32"
    )


def integer(p: Prepared, input: Array, weights: Array, bias: Array | None) -> Array:
    x = input.reshape(-1, weights.shape[1]).astype(np.int32) - p.input_zero_point
    acc = integer_dot(x, (weights.astype(np.int32) - p.weights_zero_point).T)
    acc = acc if bias is None else acc + bias
    return p.requantize(acc if p.wide else wrap32(acc)).reshape(p.output_shape)


@dataclass(frozen=True)
class HybridPrepared:
    """A layer of float activations and quantized weights."""

    node: Node
    output_shape: Shape
    way: str
    scales: Array

    @property
    def order(self) -> str:
        """See :func:`minilite.ops.hybrid.to_floats`."""
        return "fused" if self.way == "xnnpack" else "product"


def prepare_hybrid(
    node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None, output: TensorInfo
) -> HybridPrepared | InBlocks | Sparse:
    units, terms = weights.shape
    if weights.block_scales is not None:
        return prepare_in_blocks(node, weights, output)
    packed = weights.type == "int4" and weights.constant and units >= 4 and terms >= 32 and terms % 2 == 0
    symmetric = not node.options.asymmetric_quantize_inputs or (packed and node.arithmetic == "half up")
    way = hybrid.way(node, "symmetric" if symmetric else "asymmetric")
    prepared = HybridPrepared if weights.sparsity is None else Sparse
    return prepared(node, output.shape, way, hybrid.weight_scales(weights, 0))


def hybrid_(p: HybridPrepared | InBlocks | Sparse, input: Array, weights: Array, bias: Array | None) -> Array:
    if isinstance(p, InBlocks):
        return in_blocks(p, input, weights, bias)
    if isinstance(p, Sparse):
        return sparse(p, input, weights, bias)
    steps, scales = hybrid.quantize_rows(input.reshape(-1, weights.shape[1]), 1, p.way)
    w = weights.view(np.int8)  # uint8 weights hold int8 values: what the first converters wrote
    real = hybrid.to_floats(integer_dot(steps, w.T), scales, p.scales, bias, p.order)
    return float_activation(p.node, real).reshape(p.output_shape)


def prepare_shuffled(
    node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo, output: TensorInfo, workspace: TensorInfo
) -> Shuffled:
    node.need(node.options.weights_format == SHUFFLED, f"weights_format {SHUFFLED}", node.options.weights_format)
    real = real_multiplier(input, weights, output, "half up")
    return Shuffled(output.shape, dataclasses.replace(requantizer(node, real, output, "double rounding"), zero_point=0))


def shuffled_case(draw: Draw, definition: Definition) -> Case:
    units, terms = 4 * draw.integer(1, 6), 16 * draw.integer(1, 6)
    options = {"weights_format": SHUFFLED, "keep_num_dims": boolean(draw)}
    operands = [data((n, terms), zero_point=128, scale=draw.random.uniform(0.001, 0.1)) for n in (1, units)]
    rows = dataclasses.replace(operands[0], shape=(draw.choice((1, 4)), terms))
    scale = rows.scale * operands[1].scale * terms * draw.random.uniform(0.01, 3.0)  # type: ignore[operator]  # given above
    weights = dataclasses.replace(operands[1], constant=True)
    return Case((rows, weights, data((units,))), options, 2, output_scale=scale, output_zero_point=0)


def in_blocks_case(draw: Draw, definition: Definition) -> Case:
    """XNNPACK wants blocks of a multiple of 32, LiteRT's own kernel 4 units at least."""
    size = draw.choice((32, 64, 96))
    units, terms = draw.integer(4, 19), size * draw.integer(1, 3)
    weights = dataclasses.replace(hybrid.weights_case(draw, (units, terms), "int4"), block=size)
    optional = draw.choice((data((units,)), None))
    return Case((data((*cases.shape(draw, 0, 2, 4), terms)), weights, optional), {"keep_num_dims": boolean(draw)})


def sparse_case(draw: Draw, definition: Definition) -> Case:
    """The layouts that LiteRT's kernels take: rows, and of float32 blocks of 1 x 4, of int8 of 1 x 16. Products of two
    times -128 would overflow the 16 bits in which LiteRT adds pairs of them."""
    type_ = definition.input_types[1]
    size = draw.choice((1, 4)) if type_ == "float32" else 16
    units, terms = draw.integer(1, 19), draw.integer(1, 6) * size
    layout = Sparse_(("DENSE", "SPARSE_CSR"), (0, 1))
    if size > 1:
        layout = Sparse_(("DENSE", "SPARSE_CSR", "DENSE"), (0, 1, 2), (1,), (size,))
    options = cases.activated(draw) | {"keep_num_dims": boolean(draw), "asymmetric_quantize_inputs": boolean(draw)}
    weights = data((units, terms)) if type_ == "float32" else hybrid.weights_case(draw, (units, terms), type_)
    input = data((*cases.shape(draw, 0, 2, 4), terms))
    weights = dataclasses.replace(weights, constant=True, sparse=layout)
    return Case((input, weights, draw.choice((data((units,)), None))), options)


def any_case(draw: Draw, definition: Definition) -> Case:
    kinds = {"shuffled": shuffled_case, "blocks": in_blocks_case, "sparse": sparse_case}
    return kinds.get(definition.label.split()[0], case)(draw, definition)


def case(draw: Draw, definition: Definition) -> Case:
    """Inputs of all ranks, kept or flattened, with and without a bias."""
    type_, bias_type = (t.rstrip("?") for t in definition.input_types[1:])
    units, terms = draw.integer(1, 19), draw.choice((1, 2, 3, 8, 17, 32, 40, 64, 100))
    options = cases.activated(draw) | {"keep_num_dims": boolean(draw), "asymmetric_quantize_inputs": boolean(draw)}
    if "int16" in definition.input_types:
        options["quantized_bias_type"] = bias_type.upper()
    leading = cases.shape(draw, 0, 3, 4)
    split = draw.choice((1, 2, 4)) if terms % 4 == 0 and not options["keep_num_dims"] else 1
    input = (*leading, terms) if split == 1 else (*leading, split, terms // split)
    s_input, s_weights, s_output = scales_case(draw, definition, options, terms)
    weights = data((units, terms), scale=s_weights, constant=True if type_ == "int2" else None)
    if definition.label.startswith("hybrid"):
        weights = hybrid.weights_case(draw, (units, terms), type_)
    optional = (data((units,)), None) if definition.input_types[2].endswith("?") else (data((units,)),)
    return Case((data(input, scale=s_input), weights, draw.choice(optional)), options, output_scale=s_output)


FULLY_CONNECTED = Op(
    "FULLY_CONNECTED",
    inputs=(activation("input"), weight("weights", axis=0), bias_of("input", "weights", optional=True)),
    outputs=(activation("output"), parameter("shuffled_input", optional=True)),
    definitions=(
        Definition("float32 float32 float32? -> float32", float_),
        Definition("int8 int8 int32? -> int8", integer, prepare),
        Definition("int8 int4 int32? -> int8", integer, prepare, label="int8 int4"),
        Definition("int8 int2 int32? -> int8", integer, prepare, label="int8 int2"),
        Definition("uint8 uint8 int32? -> uint8", integer, prepare),
        Definition("uint8 uint8 int32 -> int16", integer, prepare, label="uint8 to int16"),
        Definition("int16 int8 int64? -> int16", integer, prepare),
        Definition("int16 int8 int32? -> int16", integer, prepare, label="int16 bias32"),
        Definition("int16 int4 int64? -> int16", integer, prepare, label="int16 int4"),
        Definition("int16 int2 int64? -> int16", integer, prepare, label="int16 int2"),
        Definition("int16 int16 int64? -> int16", integer, prepare, label="int16 int16"),
        Definition("float32 int8 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
        Definition("float32 uint8 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid uint8"),
        Definition("float32 int4 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int4"),
        Definition("float32 int2 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int2"),
        Definition("uint8 uint8 int32 -> int16 uint8", shuffled_layer, prepare_shuffled, label="shuffled"),
        # as above, but weights of another kind are drawn
        Definition("float32 int4 float32? -> float32", hybrid_, prepare_hybrid, label="blocks of int4"),
        Definition("float32 float32 float32? -> float32", float_, label="sparse float32"),
        Definition("int8 int8 int32? -> int8", integer, prepare, label="sparse int8"),
        Definition("float32 int8 float32? -> float32", hybrid_, prepare_hybrid, label="sparse hybrid"),
    ),
    shapes=shapes,
    cases=any_case,
    version=14,
)
