"""RESHAPE: the same elements in the same order under another shape; one dimension of -1 is worked out from the rest.

The new shape is the second operand where there is one, else the option ``new_shape``.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, boolean, constant, data, shape
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

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
    if new_shape is not None:
        return tuple(int(d) for d in new_shape.known().reshape(-1))
    target = tuple(int(d) for d in node.options.new_shape or ())
    return () if target == (0,) else target  # converters of old wrote a scalar's shape as [0]


def prepare(node: Node, input: TensorInfo, new_shape: TensorInfo | None, output: TensorInfo) -> Shape:
    return output.shape


def reshape(output_shape: Shape, input: Array, new_shape: Array | None) -> Array:
    return input.reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    old = shape(draw, 0, 4)
    new = list(draw.choice((old[::-1], (math.prod(old),), (1, *old))))
    if new and boolean(draw):
        new[draw.integer(0, len(new) - 1)] = -1
    return Case((data(old), constant(new)), {"new_shape": tuple(new)})


RESHAPE = Op(
    "RESHAPE",
    inputs=(activation("input"), parameter("new_shape", optional=True)),
    outputs=(activation("output", same_as="input"),),
    definitions=each([t for t in DTYPES if t != "string"], "T int32? -> T", reshape, prepare=prepare),
    shapes=shapes,
    cases=case,
    version=1,
)
