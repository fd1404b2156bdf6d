"""SLICE: the box that starts at ``begin`` and has ``size``; a size of -1 reaches to the end of its dimension."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, shape, stated
from minilite.ops.moving import ALL, definitions, moved
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def box(input: TensorInfo, begin: TensorInfo, size: TensorInfo) -> tuple[slice, ...]:
    """The box as slices, checked to lie inside the input."""
    starts, sizes = begin.known().reshape(-1), size.known().reshape(-1)
    begin.need(starts.size == input.rank, f"{input.rank} values", starts.size)
    size.need(sizes.size == input.rank, f"{input.rank} values", sizes.size)
    bounds = []
    for whole, start, length in zip(input.shape, map(int, starts), map(int, sizes), strict=True):
        stop = whole if length == -1 else start + length
        size.need(length >= -1 and 0 <= start <= stop <= whole, f"a box inside {input.shape}", (starts, sizes))
        bounds.append(slice(start, stop))
    return tuple(bounds)


def shapes(node: Node, input: TensorInfo, begin: TensorInfo, size: TensorInfo) -> tuple[Shape]:
    return (tuple(s.stop - s.start for s in box(input, begin, size)),)


def prepare(node: Node, input: TensorInfo, begin: TensorInfo, size: TensorInfo, output: TensorInfo) -> object:
    return box(input, begin, size)


def cut(bounds: tuple[slice, ...], input: Array, begin: Array, size: Array) -> Array:
    return input[bounds]


def case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 5)
    begin = [draw.integer(0, d - 1) for d in image]
    size = [draw.choice((-1, draw.integer(1, d - b))) for d, b in zip(image, begin, strict=True)]
    dtype = DTYPES[definition.input_types[1]]
    return Case((moved(draw, image, definition), stated(draw, begin, dtype), stated(draw, size, dtype)))


SLICE = Op(
    "SLICE",
    inputs=(activation("input"), parameter("begin"), parameter("size")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "int4", "string"), "T I I -> T", cut, prepare, ("int32", "int64")),
    shapes=shapes,
    cases=case,
    version=8,
)
