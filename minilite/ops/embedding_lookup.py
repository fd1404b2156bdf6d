"""EMBEDDING_LOOKUP: the rows of a table that ``lookup`` names.

    output[i, ...] = value[lookup[i], ...]

lookup [count], value [rows, ...] of 2 dimensions or more. A row outside the table is an error.

An int8, int4 or int2 table with a float output is dequantized on the way: ``output = value * scale``, in float32, with
one scale or one for each row (``quantized_dimension`` 0; TFLite Micro takes the first for all) and zero points of 0; a
float16 output is rounded once more. Packed tables of 2 dimensions may be quantized in blocks, with a float16 scale for
each ``block_size`` values of a row. uint8 tables are read as int8, which is what the converters of old put there.
LiteRT reads packed rows from whole bytes: of int4 rows of odd length, or int2 rows whose length is no multiple of 4, it
answers something else than is defined here.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Arg, Case, Draw, data, shape
from minilite.errors import OperatorError
from minilite.ops.hybrid import block_scales, weight_scales
from minilite.ops.moving import EVERY, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter, weight

Array = np.ndarray
PACKED = {"int4": 2, "int2": 4}
"""Values a byte."""


def shapes(node: Node, lookup: TensorInfo, value: TensorInfo) -> tuple[Shape]:
    lookup.need(lookup.rank == 1, "1 dimension", lookup.shape)
    value.need(value.rank >= 2, "2 dimensions or more", value.shape)
    return ((lookup.shape[0], *value.shape[1:]),)


def check_rows(lookup: Array, rows: int) -> None:
    """Raise :class:`OperatorError` unless all indices are rows of a table."""
    wrong = lookup[(lookup < 0) | (lookup >= rows)]
    if wrong.size:
        raise OperatorError(f"expected rows in [0, {rows}), got {wrong.reshape(-1)[0]}.")


def rows(node: Node, lookup: Array, value: Array) -> Array:
    check_rows(lookup, len(value))
    return value[lookup]


def prepare(node: Node, lookup: TensorInfo, value: TensorInfo, output: TensorInfo) -> tuple[Array, np.dtype]:
    """A scale for each row, or for each block of each row: ``[rows, blocks]``, float32."""
    if value.block_scales is not None:
        return block_scales(value), np.dtype(output.dtype)
    scales = weight_scales(value, 0)
    value.need(value.zero_point == 0, "a zero point of 0", value.zero_point)
    scales = scales[:1] if node.arithmetic == "first scale" else scales
    return np.broadcast_to(scales, value.shape[:1])[:, None], np.dtype(output.dtype)


def dequantized(p: tuple[Array, np.dtype], lookup: Array, value: Array) -> Array:
    scales, dtype = p
    check_rows(lookup, len(value))
    picked = value[lookup].view(np.int8).astype(np.float32)
    count = scales.shape[1]
    in_blocks = picked.reshape(len(lookup), count, math.prod(value.shape[1:]) // max(count, 1))
    return (in_blocks * scales[lookup][..., None]).astype(dtype).reshape(picked.shape)


def case(draw: Draw, definition: Definition) -> Case:
    """Tables of 2 to 4 dimensions; packed ones have rows of whole bytes."""
    type_ = definition.input_types[1]
    table = (draw.integer(1, 6), *shape(draw, 1, 3, 4))
    block = 0
    if type_ in PACKED:
        table = (*table[:-1], PACKED[type_] * table[-1])
    lookup = draw.random.integers(0, table[0], draw.integer(0, 6)).astype(np.int32)
    floats = definition.output_types[0].startswith("float") and type_ != definition.output_types[0]
    packed = True if type_ in PACKED else None
    if packed and floats and len(table) == 2:
        block = draw.choice((0, PACKED[type_], table[-1]))
    zero_point = 0 if floats else None
    value = data(table, per_axis=None if floats else False, zero_point=zero_point, constant=packed, block=block)
    return Case((Arg(lookup.shape, lookup, constant=draw.choice((False, True))), value))


EMBEDDING_LOOKUP = Op(
    "EMBEDDING_LOOKUP",
    inputs=(parameter("lookup"), weight("value", axis=0)),
    outputs=(activation("output", same_as="value"),),
    definitions=(
        *definitions((*EVERY, "int2"), "I T -> T", rows),
        *(
            Definition(f"int32 {t} -> {output}", dequantized, prepare, label=f"hybrid {t}{suffix}")
            for t in ("int8", "uint8", "int4", "int2")
            for output, suffix in (("float32", ""), ("float16", " float16"))
        ),
    ),
    shapes=shapes,
    cases=case,
    version=5,
)
