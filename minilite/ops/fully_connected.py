"""FULLY_CONNECTED: every output unit is one row of weights times the input.

    output[n, o] = bias[o] + sum over i of input[n, i] * weights[o, i]

input of any shape, read as [rows, terms]; weights [units, terms]; bias [units]. The output is [rows, units], or with
``keep_num_dims`` the input's shape with ``units`` in place of the last dimension.

Integers accumulate ``(input - z_input) * (weights - z_weights)``, requantized by ``s_input * s_weights / s_output``,
which LiteRT's reference kernel does in float64, unlike every other operator's. int8, int4 and int2 weights may be
quantized per-axis along dimension 0; zero points other than 0 need uint8, or int8 per-tensor, weights.

Float activations with integer weights are quantized on the way in, a row at a time (:mod:`minilite.ops.hybrid`),
symmetrically unless the option ``asymmetric_quantize_inputs`` is set. LiteRT's optimized kernel for int4 weights, which
wants them constant and at least 4 x 32, is symmetric all the same.
Sources: Jacob et al. 2018, section 2; the TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, boolean, data
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
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None) -> tuple[Shape]:
    weights.need(weights.rank == 2 and weights.shape[1] > 0, "2 dimensions [units, terms]", weights.shape)
    units, terms = weights.shape
    check_bias(bias, units)
    fused = node.options.fused_activation_function
    node.need(fused == "NONE" or fused in ACTIVATION_BOUNDS, "NONE or a clipping activation", fused)
    format_ = node.options.weights_format
    node.need(format_ == "DEFAULT", "weights_format DEFAULT", format_, "Convert the model without shuffled weights.")
    if node.options.keep_num_dims:
        input.need(input.rank > 0 and input.shape[-1] == terms, f"{terms} elements in the last dimension", input.shape)
        return ((*input.shape[:-1], units),)
    size = math.prod(input.shape)
    input.need(size % terms == 0, f"rows of {terms} elements", input.shape)
    return ((size // terms, units),)


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
    rounding = "int64" if weights.type == "int16" else "float64" if wide else node.arithmetic
    return Prepared(
        output.shape,
        input.zero_point,
        weights.zero_point if shiftable else 0,
        wide,
        requantizer(node, real_multiplier(input, weights, output, rounding), output, rounding),
    )


def wide_sums(node: Node, input: TensorInfo, bias: TensorInfo | None) -> bool:
    """Whether the accumulators are int64: int16 activations with an int64 bias; without a bias the option decides, and
    where it says nothing LiteRT's kernels disagree."""
    if input.type != "int16":
        return False
    if bias is not None:
        return bias.type == "int64"
    unset = node.arithmetic == "float64"
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


def prepare_hybrid(
    node: Node, input: TensorInfo, weights: TensorInfo, bias: TensorInfo | None, output: TensorInfo
) -> HybridPrepared:
    units, terms = weights.shape
    packed = weights.type == "int4" and weights.constant and units >= 4 and terms >= 32 and terms % 2 == 0
    symmetric = not node.options.asymmetric_quantize_inputs or (packed and node.arithmetic == "half up")
    way = hybrid.way(node, "symmetric" if symmetric else "asymmetric")
    return HybridPrepared(node, output.shape, way, hybrid.weight_scales(weights, 0))


def hybrid_(p: HybridPrepared, input: Array, weights: Array, bias: Array | None) -> Array:
    steps, scales = hybrid.quantize_rows(input.reshape(-1, weights.shape[1]), 1, p.way)
    w = weights.view(np.int8)  # uint8 weights hold int8 values: what the first converters wrote
    acc = integer_dot(steps, w.T).astype(np.float32) * (scales * p.scales)
    return float_activation(p.node, acc if bias is None else acc + bias).reshape(p.output_shape)


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
    outputs=(activation("output"),),
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
        Definition("int16 int16 int64? -> int16", integer, prepare, label="int16 int16"),
        Definition("float32 int8 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
        Definition("float32 uint8 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid uint8"),
        Definition("float32 int4 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int4"),
        Definition("float32 int2 float32? -> float32", hybrid_, prepare_hybrid, label="hybrid int2"),
    ),
    shapes=shapes,
    cases=case,
    version=14,
)
