"""SHAPE: the input's dimensions, as int32 or int64 (option ``out_type``). RANK: how many there are.

Both are known as soon as the input's shape is, so they are computed while planning.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops.moving import EVERY, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shape_shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    return ((input.rank,),)


def rank_shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    return ((),)


def dimensions(node: Node, input: Array) -> Array:
    return np.array(input.shape, node.outputs[0].dtype)


def rank(node: Node, input: Array) -> Array:
    return np.array(input.ndim, np.int32)


def case(draw: Draw, definition: Definition) -> Case:
    options = {"out_type": definition.output_types[0].upper()} if definition.compute is dimensions else {}
    return Case((data(shape(draw, 1, 5)),), options)  # LiteRT's own interpreter cannot read an empty output


SHAPE = Op(
    "SHAPE",
    inputs=(activation("input"),),
    outputs=(parameter("output"),),
    definitions=definitions((*EVERY, "uint4", "string"), "T -> I", dimensions, indices=("int32", "int64")),
    shapes=shape_shapes,
    cases=case,
    of_shapes=True,
)
RANK = Op(
    "RANK",
    inputs=(activation("input"),),
    outputs=(parameter("output"),),
    definitions=definitions((*EVERY, "uint4", "string"), "T -> I", rank),
    shapes=rank_shapes,
    cases=case,
    of_shapes=True,
)
