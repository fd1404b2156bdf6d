"""SLICE: the box that starts at ``begin`` and has ``size``; a size of -1 reaches to the end of its dimension."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, constant, data, shape
from minilite.ops.axes import MOVED
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

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
    dtype = np.int64 if "int64 int64 ->" in definition.types else np.int32
    return Case((data(image), constant(begin, dtype), constant(size, dtype)))


SLICE = Op(
    "SLICE",
    inputs=(activation("input"), parameter("begin"), parameter("size")),
    outputs=(activation("output", same_as="input"),),
    definitions=(
        *each((*MOVED, "bool"), "T int32 int32 -> T", cut, prepare=prepare),
        Definition("float32 int64 int64 -> float32", cut, prepare, label="float32, int64 box"),
        *each(("int8", "uint8", "int16", "int32"), "T int64 int64 -> T", cut, prepare=prepare),
    ),
    shapes=shapes,
    cases=case,
    version=8,
)
