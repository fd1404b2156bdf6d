"""SQUEEZE drops dimensions of size 1: those in ``squeeze_dims``, negative ones counted from the end, or else all."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops.axes import axis_within
from minilite.ops.moving import EVERY, definitions
from minilite.spec import Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    given = node.options.squeeze_dims
    if given is None or len(given) == 0:
        return (tuple(d for d in input.shape if d != 1),)
    dropped = {axis_within(axis, input.rank, input) for axis in given}
    ones = all(input.shape[axis] == 1 for axis in dropped)
    input.need(ones, f"size 1 in dimensions {sorted(dropped)}", input.shape)
    return (tuple(d for axis, d in enumerate(input.shape) if axis not in dropped),)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Shape:
    return output.shape


def squeeze(output_shape: Shape, input: Array) -> Array:
    return input.reshape(output_shape)


def case(draw: Draw, definition: object) -> Case:
    image = list(shape(draw, 1, 5, 3))
    chosen = [axis for axis in range(len(image)) if draw.choice((True, False))]
    for axis in chosen:
        image[axis] = 1
    named = draw.choice((True, True, False))
    return Case((data(image),), {"squeeze_dims": tuple(draw.choice((a, a - len(image))) for a in chosen if named)})


SQUEEZE = Op(
    "SQUEEZE",
    inputs=(activation("input"),),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*EVERY, "uint4", "string"), "T -> T", squeeze, prepare),
    shapes=shapes,
    cases=case,
    version=2,
)
