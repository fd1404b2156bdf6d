"""PACK stacks tensors of one shape along a new dimension ``axis``; UNPACK takes them apart again.

    output[..., i, ...] = inputs[i][...]            outputs[i][...] = input[..., i, ...]

All tensors share scale and zero point: nothing is rescaled.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops.axes import axis_within, drawn_axis
from minilite.ops.moving import definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
NUMBERS = ("float32", "int8", "uint8", "int16", "int32")


def pack_shapes(node: Node, *values: TensorInfo) -> tuple[Shape]:
    node.need(len(values) == node.options.values_count, f"{node.options.values_count} inputs", len(values))
    first = values[0]
    for value in values:
        value.need(value.shape == first.shape, f"shape {first.shape} like the first input", value.shape)
    axis = axis_within(node.options.axis, first.rank + 1, first)
    return ((*first.shape[:axis], len(values), *first.shape[axis:]),)


def unpack_shapes(node: Node, input: TensorInfo) -> tuple[Shape, ...]:
    axis, count = axis_within(node.options.axis, input.rank, input), node.options.num
    node.need(len(node.outputs) == count, f"{count} outputs (num)", len(node.outputs))
    input.need(input.shape[axis] == count, f"size {count} (num) in dimension {axis}", input.shape)
    return ((*input.shape[:axis], *input.shape[axis + 1 :]),) * count


def _needs_one_scale(node: Node, tensors: tuple[TensorInfo, ...]) -> Node:
    first = tensors[0]
    for other in tensors[1:]:
        same = np.array_equal(first.scales, other.scales) and np.array_equal(first.zero_points, other.zero_points)
        other.need(same, f"scale and zero point of {first}", (other.scales.tolist(), other.zero_points.tolist()))
    return node


def prepare(node: Node, *tensors: TensorInfo) -> Node:
    return _needs_one_scale(node, tensors)


def pack(node: Node, *values: Array) -> Array:
    return np.stack(values, node.options.axis)


def unpack(node: Node, input: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(input, node.options.axis, 0))


def pack_case(draw: Draw, definition: Definition) -> Case:
    part, count = shape(draw, 0, 4, 4), draw.integer(1, 4)
    return Case((data(part),) * count, {"values_count": count, "axis": drawn_axis(draw, len(part) + 1)})


def unpack_case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 4, 4)
    axis = drawn_axis(draw, len(image))
    return Case((data(image),), {"num": image[axis], "axis": axis}, outputs=image[axis])


PACK = Op(
    "PACK",
    inputs=(activation("values", same_as="values", variadic=True),),
    outputs=(activation("output", same_as="values"),),
    definitions=definitions((*NUMBERS, "int64", "uint32"), "T* -> T", pack, prepare),
    shapes=pack_shapes,
    cases=pack_case,
    version=5,
)
UNPACK = Op(
    "UNPACK",
    inputs=(activation("input"),),
    outputs=(activation("outputs", same_as="input", variadic=True),),
    definitions=definitions((*NUMBERS, "bool", "float16", "bfloat16"), "T -> T*", unpack, prepare),
    shapes=unpack_shapes,
    cases=unpack_case,
    version=6,
)
