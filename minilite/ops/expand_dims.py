"""EXPAND_DIMS: a new dimension of size 1 before dimension ``axis``; -1 puts it last."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, constant, data, shape
from minilite.ops.axes import MOVED, axis_within, drawn_axis, single
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    position = axis_within(single(axis), input.rank + 1, axis)
    return ((*input.shape[:position], 1, *input.shape[position:]),)


def prepare(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Shape:
    return output.shape


def expand_dims(output_shape: Shape, input: Array, axis: Array) -> Array:
    return input.reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    old = shape(draw, 0, 4)
    dtype = np.int64 if "int64 ->" in definition.types else np.int32
    return Case((data(old), constant(drawn_axis(draw, len(old) + 1), dtype)))


EXPAND_DIMS = Op(
    "EXPAND_DIMS",
    inputs=(activation("input"), parameter("axis")),
    outputs=(activation("output", same_as="input"),),
    definitions=(
        *each((*MOVED, "bool"), "T int32 -> T", expand_dims, prepare=prepare),
        Definition("float32 int64 -> float32", expand_dims, prepare, label="float32, int64 axis"),
    ),
    shapes=shapes,
    cases=case,
)
