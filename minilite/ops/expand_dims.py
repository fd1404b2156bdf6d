"""EXPAND_DIMS: a new dimension of size 1 before dimension ``axis``; -1 puts it last."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape, stated
from minilite.ops.axes import axis_within, drawn_axis, single
from minilite.ops.moving import EVERY, definitions, least_rank
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    position = axis_within(single(axis), input.rank + 1, axis)
    return ((*input.shape[:position], 1, *input.shape[position:]),)


def prepare(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Shape:
    return output.shape


def expand_dims(output_shape: Shape, input: Array, axis: Array) -> Array:
    return input.reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    old = shape(draw, least_rank(definition), 4)
    axis = stated(draw, drawn_axis(draw, len(old) + 1), DTYPES[definition.input_types[1]])
    return Case((data(old), axis))


EXPAND_DIMS = Op(
    "EXPAND_DIMS",
    inputs=(activation("input"), parameter("axis")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*EVERY, "uint4", "string"), "T I -> T", expand_dims, prepare, ("int32", "int64")),
    shapes=shapes,
    cases=case,
)
