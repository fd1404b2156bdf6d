"""FILL: a tensor of shape ``dims`` with ``value`` everywhere."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, constant, data, shape
from minilite.ops.axes import MOVED
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, dims: TensorInfo, value: TensorInfo) -> tuple[Shape]:
    value.need(value.rank == 0, "a scalar", value.shape)
    wanted = dims.known().reshape(-1)
    dims.need(bool((wanted >= 0).all()), "dimensions of 0 or more", wanted)
    return (tuple(int(d) for d in wanted),)


def fill(node: Node, dims: Array, value: Array) -> Array:
    return np.full(dims, value)


def case(draw: Draw, definition: Definition) -> Case:
    dtype = np.int64 if definition.input_types[0] == "int64" else np.int32
    return Case((constant(shape(draw, 0, 4), dtype), data(())))


_TYPES = (*MOVED, "bool")

FILL = Op(
    "FILL",
    inputs=(parameter("dims"), activation("value")),
    outputs=(activation("output", same_as="value"),),
    definitions=tuple(
        Definition(f"{i} {t} -> {t}", fill, label=t if i == "int32" else f"{t}, int64 dims")
        for i in ("int32", "int64")
        for t in _TYPES
    ),
    shapes=shapes,
    cases=case,
    version=5,
)
