"""SPLIT and SPLIT_V: cut a tensor along ``axis`` into ``num_splits`` equal parts, or parts of the given sizes.

One of SPLIT_V's sizes may be -1: what the others leave.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape, stated
from minilite.ops.axes import axis_within, drawn_axis, single
from minilite.ops.moving import definitions
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
Cuts = tuple[int, list[int]]
TYPES = ("float32", "int8", "uint8", "int16", "int32", "int64")


def _parts(input: TensorInfo, axis: int, sizes: list[int]) -> tuple[Shape, ...]:
    return tuple((*input.shape[:axis], size, *input.shape[axis + 1 :]) for size in sizes)


def _cuts(axis: int, sizes: list[int]) -> Cuts:
    return axis, np.cumsum(sizes)[:-1].tolist()


def equal(node: Node, axis: TensorInfo, input: TensorInfo) -> tuple[int, list[int]]:
    """Axis and part sizes of SPLIT."""
    position = axis_within(single(axis), input.rank, axis)
    count, size = node.options.num_splits, input.shape[position]
    node.need(count == len(node.outputs), f"{count} outputs (num_splits)", len(node.outputs))
    input.need(count > 0 and size % count == 0, f"a size divisible by num_splits {count}", input.shape)
    return position, [size // count] * count


def uneven(node: Node, input: TensorInfo, size_splits: TensorInfo, axis: TensorInfo) -> tuple[int, list[int]]:
    """Axis and part sizes of SPLIT_V."""
    position = axis_within(single(axis), input.rank, axis)
    sizes = [int(s) for s in size_splits.known().reshape(-1)]
    size_splits.need(sizes.count(-1) <= 1 and min(sizes, default=0) >= -1, "sizes, at most one of them -1", sizes)
    rest = input.shape[position] - sum(s for s in sizes if s != -1)
    sizes = [rest if s == -1 else s for s in sizes]
    fits = rest >= 0 and sum(sizes) == input.shape[position]
    size_splits.need(fits, f"sizes that add up to {input.shape[position]}", sizes)
    return position, sizes


def split_shapes(node: Node, axis: TensorInfo, input: TensorInfo) -> tuple[Shape, ...]:
    return _parts(input, *equal(node, axis, input))


def split_v_shapes(node: Node, input: TensorInfo, size_splits: TensorInfo, axis: TensorInfo) -> tuple[Shape, ...]:
    parts = _parts(input, *uneven(node, input, size_splits, axis))
    node.need(len(parts) == len(node.outputs), f"{len(parts)} outputs", len(node.outputs))
    return parts


def prepare_split(node: Node, axis: TensorInfo, input: TensorInfo, *outputs: TensorInfo) -> Cuts:
    return _cuts(*equal(node, axis, input))


def prepare_split_v(
    node: Node, input: TensorInfo, size_splits: TensorInfo, axis: TensorInfo, *outputs: TensorInfo
) -> Cuts:
    return _cuts(*uneven(node, input, size_splits, axis))


def split(cuts: Cuts, axis: Array, input: Array) -> tuple[Array, ...]:
    return tuple(np.split(input, cuts[1], cuts[0]))


def split_v(cuts: Cuts, input: Array, size_splits: Array, axis: Array) -> tuple[Array, ...]:
    return tuple(np.split(input, cuts[1], cuts[0]))


def split_case(draw: Draw, definition: Definition) -> Case:
    image = list(shape(draw, 1, 4))
    axis, count = drawn_axis(draw, len(image)), draw.integer(1, 4)
    image[axis] = count * draw.integer(1, 3)
    return Case((stated(draw, axis), data(image)), {"num_splits": count}, outputs=count)


def split_v_case(draw: Draw, definition: Definition) -> Case:
    image = list(shape(draw, 1, 4))
    axis = drawn_axis(draw, len(image))
    sizes = [draw.integer(1, 3) for _ in range(draw.integer(1, 4))]
    image[axis] = sum(sizes)
    if draw.choice((False, True)):
        sizes[draw.integer(0, len(sizes) - 1)] = -1
    operands = data(image), stated(draw, sizes, DTYPES[definition.input_types[1]]), stated(draw, axis)
    return Case(operands, {"num_splits": len(sizes)}, outputs=len(sizes))


_OUTPUTS = (activation("output", same_as="input", variadic=True),)

SPLIT = Op(
    "SPLIT",
    inputs=(parameter("axis"), activation("input")),
    outputs=_OUTPUTS,
    definitions=definitions(TYPES, "I T -> T*", split, prepare_split),
    shapes=split_shapes,
    cases=split_case,
    version=5,
)
SPLIT_V = Op(
    "SPLIT_V",
    inputs=(activation("input"), parameter("size_splits"), parameter("axis")),
    outputs=_OUTPUTS,
    definitions=definitions(TYPES, "T I int32 -> T*", split_v, prepare_split_v, ("int32", "int64")),
    shapes=split_v_shapes,
    cases=split_v_case,
    version=3,
)
