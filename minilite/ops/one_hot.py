"""ONE_HOT: ``on_value`` at the places that indices name along a new axis of ``depth``, ``off_value`` elsewhere.

    output[i..., d, j...] = on_value if indices[i..., j...] == d else off_value

An ``axis`` of -1 is the last one. An index outside [0, depth) has ``off_value`` everywhere. int64 indices are compared
by their low 32 bits.

Source: TensorFlow Lite's one_hot kernel.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape, stated
from minilite.ops.axes import single
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(
    node: Node, indices: TensorInfo, depth: TensorInfo, on_value: TensorInfo, off_value: TensorInfo
) -> tuple[Shape]:
    axis, size = _axis(node, indices), single(depth)
    depth.need(size >= 0, "a depth of 0 or more", size)
    for value in (on_value, off_value):
        value.need(math.prod(value.shape) == 1, "one element", f"shape {value.shape}")
    return ((*indices.shape[:axis], size, *indices.shape[axis:]),)


def _axis(node: Node, indices: TensorInfo) -> int:
    axis = int(node.options.axis)
    node.need(-1 <= axis <= indices.rank, f"an axis in [-1, {indices.rank}]", axis)
    return indices.rank if axis == -1 else axis


def prepare(node: Node, indices: TensorInfo, depth: TensorInfo, *rest: TensorInfo) -> tuple[int, Array]:
    """The axis, and the numbers along it."""
    axis = _axis(node, indices)
    numbers = np.arange(single(depth), dtype=np.int32)
    return axis, numbers.reshape(-1, *[1] * (indices.rank - axis))


def one_hot(prepared: tuple[int, Array], indices: Array, depth: Array, on_value: Array, off_value: Array) -> Array:
    axis, numbers = prepared
    here = np.expand_dims(indices.astype(np.int32), axis) == numbers
    return np.where(here, on_value.reshape(()), off_value.reshape(()))


def case(draw: Draw, definition: Definition) -> Case:
    dims, depth = shape(draw, 0, 3, 4), draw.integer(1, 5)
    indices = draw.random.integers(-1, depth, dims, endpoint=True)
    if definition.input_types[0] == "int64":
        indices = indices + draw.choice((0, 0, 2**32))
    values = [data(draw.choice(((), (1,)))) for _ in range(2)]
    axis = draw.integer(-1, len(dims))
    given = fed(indices, DTYPES[definition.input_types[0]])
    return Case((given, stated(draw, draw.choice((depth, [depth]))), *values), {"axis": axis})


ONE_HOT = Op(
    "ONE_HOT",
    inputs=(
        parameter("indices"),
        parameter("depth"),
        activation("on_value"),
        activation("off_value", same_as="on_value"),
    ),
    outputs=(activation("output", same_as="on_value"),),
    definitions=tuple(
        Definition(f"{index} int32 {value} {value} -> {value}", one_hot, prepare, label=value)
        for value in ("float32", "int8", "uint8", "int32", "int64", "bool")
        for index in ("int32", "int64")
    ),
    shapes=shapes,
    cases=case,
)
