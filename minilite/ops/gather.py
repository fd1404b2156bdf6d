"""GATHER: the slices of ``input`` along ``axis`` that ``positions`` name.

    output[b..., i..., p..., j...] = input[b..., i..., positions[b..., p...], j...]

with ``batch_dims`` leading dimensions ``b`` shared by both. An index outside the dimension is an error.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Arg, Case, Draw, shape
from minilite.errors import OperatorError
from minilite.ops.axes import axis_within
from minilite.ops.moving import USUAL, definitions, least_rank, moved
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def _axes(node: Node, input: TensorInfo, positions: TensorInfo) -> tuple[int, int]:
    axis = axis_within(node.options.axis, input.rank, input)
    batch = node.options.batch_dims
    batch = batch + positions.rank if batch < 0 else batch
    node.need(0 <= batch <= min(axis, positions.rank), f"batch_dims in [0, {min(axis, positions.rank)}]", batch)
    return axis, batch


def shapes(node: Node, input: TensorInfo, positions: TensorInfo) -> tuple[Shape]:
    axis, batch = _axes(node, input, positions)
    positions.need(
        positions.shape[:batch] == input.shape[:batch], f"batch dimensions {input.shape[:batch]}", positions.shape
    )
    return ((*input.shape[:axis], *positions.shape[batch:], *input.shape[axis + 1 :]),)


def prepare(node: Node, input: TensorInfo, positions: TensorInfo, output: TensorInfo) -> tuple[int, int, Shape]:
    return (*_axes(node, input, positions), output.shape)


def gather(p: tuple[int, int, Shape], input: Array, positions: Array) -> Array:
    axis, batch, output_shape = p
    size = input.shape[axis]
    if positions.size and not (positions.min() >= 0 and positions.max() < size):
        wrong = positions[(positions < 0) | (positions >= size)].reshape(-1)[0]
        raise OperatorError(f"expected positions in [0, {size}) of dimension {axis}, got {wrong}.")
    if not batch:
        return np.take(input, positions, axis)
    batches = math.prod(input.shape[:batch])
    rows = input.reshape(batches, math.prod(input.shape[batch:axis]), size, math.prod(input.shape[axis + 1 :]))
    picked = rows[np.arange(batches)[:, None], :, positions.reshape(batches, -1 if batches else 0)]
    return np.moveaxis(picked, 2, 1).reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 1 if definition.label == "string" else 4, 4)
    axis = draw.integer(0, len(image) - 1)
    if definition.label == "int4":  # LiteRT moves whole bytes
        image = (*image, 2)
    batch = draw.choice((0, draw.integer(0, axis)))
    chosen = (*image[:batch], *shape(draw, least_rank(definition), 2, 4))
    positions = draw.random.integers(0, image[axis], chosen).astype(DTYPES[definition.input_types[1]])
    options = {"axis": draw.choice((axis, axis - len(image))), "batch_dims": batch}
    return Case(
        (moved(draw, image, definition), Arg(positions.shape, positions, constant=draw.choice((True, False)))), options
    )


GATHER = Op(
    "GATHER",
    inputs=(activation("input"), parameter("positions")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(
        (*USUAL, "float16", "bfloat16", "int4", "string"), "T I -> T", gather, prepare, ("int32", "int64", "int16")
    ),
    shapes=shapes,
    cases=case,
    version=8,
)
