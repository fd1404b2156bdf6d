"""FULLY_CONNECTED with weights that are stored in ways of their own.

**Blocks.** int4 weights with float16 scales for blocks of each row, beside float activations, which are quantized
asymmetrically:

    output = s * (sum over blocks of s_block * (sum of q * weights) - z * s_block * (sum of weights)) + bias

Sums over blocks are float32, one after the other. XNNPACK rounds the scales of blocks to bfloat16.

**Sparse.** Of sparse int8 weights (:mod:`minilite.sparsity`) beside float activations the zero point's part is taken
from the bias, before the products are added: ``bias - z * s * (sum of weights) + s * (sum of q * weights)``.

**Shuffled.** ``weights_format`` SHUFFLED4x16INT8: uint8 input and weights with zero points of 128. The weights are
stored in pieces of 4 rows and 16 columns, each value with its highest bit flipped, so that it is an int8 with the zero
point taken off. There are 1 or 4 rows of input. Their values, flipped in the same way and 4 rows in pieces of 16
columns, are the second output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.fixed_point import Requantizer, float_activation, wrap32
from minilite.ops import hybrid
from minilite.ops.accumulate import integer_dot
from minilite.spec import Node, Shape, TensorInfo

Array = np.ndarray


@dataclass(frozen=True)
class InBlocks:
    """Float activations and weights quantized in blocks, with the scales ``[units, blocks]``."""

    node: Node
    output_shape: Shape
    way: str
    scales: Array


def prepare_in_blocks(node: Node, weights: TensorInfo, output: TensorInfo) -> InBlocks:
    weights.need(weights.type == "int4", "int4 weights in blocks", weights.type)
    scales = hybrid.block_scales(weights)
    if node.delegated:
        scales = nearest_bfloat16(scales)
    return InBlocks(node, output.shape, hybrid.way(node, "asymmetric"), scales)


def nearest_bfloat16(x: Array) -> Array:
    """float32 numbers rounded to 8 bits, half to even."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)


def in_blocks(p: InBlocks, input: Array, weights: Array, bias: Array | None) -> Array:
    units, terms = weights.shape
    q, z, scales = hybrid.quantized(input.astype(np.float32).reshape(-1, terms), p.way)
    output, sums = np.zeros((len(q), units), np.float32), np.zeros(units, np.float32)
    for block, columns in enumerate(np.split(np.arange(terms), p.scales.shape[1])):
        s, w = p.scales[:, block], weights[:, columns]
        output += integer_dot(q[:, columns], w.T).astype(np.float32) * s
        sums += s * w.sum(axis=1, dtype=np.int32).astype(np.float32)
    output = (output - z.astype(np.float32) * sums) * scales
    return float_activation(p.node, output if bias is None else output + bias).reshape(p.output_shape)


@dataclass(frozen=True)
class Sparse:
    """Float activations and sparse weights, with one scale or one for each unit."""

    node: Node
    output_shape: Shape
    way: str
    scales: Array


def sparse(p: Sparse, input: Array, weights: Array, bias: Array | None) -> Array:
    units, terms = weights.shape
    q, z, scales = hybrid.quantized(input.astype(np.float32).reshape(-1, terms), p.way)
    output = np.broadcast_to(np.float32(0) if bias is None else bias, (len(q), units))
    one = p.scales.size == 1  # the product with one scale is rounded before anything else
    scales, per_unit = (scales * p.scales, np.float32(1)) if one else (scales, p.scales)
    output = output - scales * z.astype(np.float32) * per_unit * weights.sum(axis=1, dtype=np.int32).astype(np.float32)
    output = output + integer_dot(q, weights.T).astype(np.float32) * (scales * per_unit)
    return float_activation(p.node, output).reshape(p.output_shape)


# ---- shuffled ----------------------------------------------------------------------------------------------------

ROWS, COLUMNS = 4, 16
"""Of a piece."""


def shuffled_shapes(node: Node, input: TensorInfo, weights: TensorInfo, rows: int) -> tuple[Shape, Shape]:
    """Of a shuffled layer: its result's, two-dimensional, and its shuffled input's."""
    units, terms = weights.shape
    weights.need(units % ROWS == 0 and terms % COLUMNS == 0, "multiples of 4 units and of 16 terms", weights.shape)
    input.need(rows in (1, 4), "1 or 4 rows beside shuffled weights", rows)
    zeros = (input.zero_point, weights.zero_point)
    node.need(zeros == (128, 128) or input.type != "uint8", "zero points of 128 beside shuffled weights", zeros)
    return (rows, units), (rows, terms)


def shuffled(array: Array) -> Array:
    """A matrix in pieces of up to 4 rows and 16 columns, highest bits flipped: how it is stored."""
    rows, columns = array.shape
    height = min(rows, ROWS)
    pieces = array.reshape(rows // height, height, columns // COLUMNS, COLUMNS).transpose(0, 2, 1, 3)
    return pieces.reshape(rows, columns) ^ np.uint8(0x80)


def unshuffled(array: Array) -> Array:
    """The int8 matrix of stored weights."""
    rows, columns = array.shape
    pieces = array.view(np.int8).reshape(rows // ROWS, columns // COLUMNS, ROWS, COLUMNS).transpose(0, 2, 1, 3)
    return pieces.reshape(rows, columns)


@dataclass(frozen=True)
class Shuffled:
    """A shuffled layer."""

    output_shape: Shape
    requantize: Requantizer


def shuffled_layer(p: Shuffled, input: Array, weights: Array, bias: Array) -> tuple[Array, Array]:
    rows = input.reshape(-1, weights.shape[1])
    flipped = (rows ^ np.uint8(0x80)).view(np.int8).astype(np.int32)
    acc = wrap32(integer_dot(flipped, unshuffled(weights).astype(np.int32).T) + bias)
    return p.requantize(acc).reshape(p.output_shape), shuffled(rows)
