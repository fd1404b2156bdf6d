"""TRANSPOSE: dimension ``i`` of the output is dimension ``perm[i]`` of the input."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, shape, stated
from minilite.ops.axes import axis_within
from minilite.ops.moving import ALL, definitions, moved
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def permutation(input: TensorInfo, perm: TensorInfo) -> Shape:
    """``perm`` counted from 0, each dimension once."""
    order = tuple(axis_within(axis, input.rank, perm) for axis in perm.known().reshape(-1))
    perm.need(sorted(order) == list(range(input.rank)), f"a permutation of {input.rank} dimensions", order)
    return order


def shapes(node: Node, input: TensorInfo, perm: TensorInfo) -> tuple[Shape]:
    return (tuple(input.shape[axis] for axis in permutation(input, perm)),)


def prepare(node: Node, input: TensorInfo, perm: TensorInfo, output: TensorInfo) -> Shape:
    return permutation(input, perm)


def transpose(order: Shape, input: Array, perm: Array) -> Array:
    return np.ascontiguousarray(input.transpose(order))


def case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 6, 4)
    order, left = [], list(range(len(image)))
    while left:
        order.append(left.pop(draw.integer(0, len(left) - 1)))
    return Case((moved(draw, image, definition), stated(draw, order)))


TRANSPOSE = Op(
    "TRANSPOSE",
    inputs=(activation("input"), parameter("perm")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "int4", "uint4"), "T I -> T", transpose, prepare),
    shapes=shapes,
    cases=case,
    version=9,
)
