"""FILL: a tensor of shape ``dims`` with ``value`` everywhere."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape, stated
from minilite.ops.moving import ALL, definitions
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, dims: TensorInfo, value: TensorInfo) -> tuple[Shape]:
    value.need(value.rank == 0, "a scalar", value.shape)
    wanted = dims.known().reshape(-1)
    dims.need(bool((wanted >= 0).all()), "dimensions of 0 or more", wanted)
    return (tuple(int(d) for d in wanted),)


def fill(node: Node, dims: Array, value: Array) -> Array:
    return np.full(dims, value)


def case(draw: Draw, definition: Definition) -> Case:
    value = fed(b"two words", object) if definition.label == "string" else data(())
    return Case((stated(draw, shape(draw, 0, 4), DTYPES[definition.input_types[0]]), value))


FILL = Op(
    "FILL",
    inputs=(parameter("dims"), activation("value")),
    outputs=(activation("output", same_as="value"),),
    definitions=definitions((*ALL, "string"), "I T -> T", fill, indices=("int32", "int64")),
    shapes=shapes,
    cases=case,
    version=5,
)
