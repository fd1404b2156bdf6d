"""RESHAPE: the same elements in the same order under another shape; one dimension of -1 is worked out from the rest.

The new shape is the second operand if it is a vector, else the option ``new_shape``.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, boolean, data, shape, stated
from minilite.ops.moving import EVERY, definitions, least_rank
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, new_shape: TensorInfo | None) -> tuple[Shape]:
    target = wanted(node, new_shape)
    size, known = math.prod(input.shape), math.prod(d for d in target if d != -1)
    free = target.count(-1)
    input.need(free <= 1, "at most one free dimension (-1)", target)
    result = tuple(size // max(known, 1) if d == -1 else d for d in target)
    input.need(math.prod(result) == size, f"a shape of {size} elements for input {input.shape}", target)
    return (result,)


def wanted(node: Node, new_shape: TensorInfo | None) -> Shape:
    """The target shape as the model gives it."""
    if new_shape is not None and new_shape.rank == 1:
        return tuple(int(d) for d in new_shape.known())
    target = tuple(int(d) for d in node.options.new_shape or ())
    return () if target == (0,) else target  # converters of old wrote a scalar's shape as [0]


def prepare(node: Node, input: TensorInfo, new_shape: TensorInfo | None, output: TensorInfo) -> Shape:
    return output.shape


def reshape(output_shape: Shape, input: Array, new_shape: Array | None) -> Array:
    return input.reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    """The shape as an operand or as an option (XNNPACK cannot run the third form, an operand that is no vector)."""
    old = shape(draw, least_rank(definition), 5)
    new = list(draw.choice((old[::-1], (math.prod(old),), (1, *old), (*old, 1, 1))))
    if new and boolean(draw):
        new[draw.integer(0, len(new) - 1)] = -1
    if boolean(draw):
        return Case((data(old),), {"new_shape": tuple(new)})
    return Case((data(old), stated(draw, new)))


RESHAPE = Op(
    "RESHAPE",
    inputs=(activation("input"), parameter("new_shape", optional=True)),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*EVERY, "uint4", "string"), "T int32? -> T", reshape, prepare),
    shapes=shapes,
    cases=case,
    version=1,
)
