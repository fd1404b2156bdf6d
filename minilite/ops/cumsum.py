"""CUMSUM: the sum of everything up to each element, along one axis.

    output[..., i, ...] = 0 + input[..., 0, ...] + ... + input[..., i, ...]

With the option ``exclusive`` the sum ends before ``i``; with ``reverse`` it runs from the other end. Floats are rounded
after each addition; integers wrap.

Source: TensorFlow Lite's cumsum kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, any_integers, boolean, data, shape, stated
from minilite.ops.axes import axis_within, drawn_axis, single
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    axis: int
    exclusive: bool
    reverse: bool


def shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 1, "1 dimension or more", input.rank)
    axis_within(single(axis), input.rank, axis)
    return (input.shape,)


def prepare(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared:
    along = axis_within(single(axis), input.rank, axis)
    return Prepared(along, bool(node.options.exclusive), bool(node.options.reverse))


def cumsum(p: Prepared, input: Array, axis: Array) -> Array:
    terms = np.flip(input, p.axis) if p.reverse else input
    zero = np.zeros_like(np.take(input, [], p.axis), shape=(*input.shape[: p.axis], 1, *input.shape[p.axis + 1 :]))
    sums = np.add.accumulate(np.concatenate([zero, terms], p.axis), p.axis, dtype=input.dtype)
    kept = np.moveaxis(sums, p.axis, 0)[: input.shape[p.axis]] if p.exclusive else np.moveaxis(sums, p.axis, 0)[1:]
    sums = np.moveaxis(kept, 0, p.axis)
    return np.flip(sums, p.axis) if p.reverse else sums


def case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 1, 5)
    given = data(dims) if definition.label == "float32" else any_integers(draw, dims, definition.label)
    options = {"exclusive": boolean(draw), "reverse": boolean(draw)}
    axis = drawn_axis(draw, len(dims))
    return Case((given, stated(draw, draw.choice((axis, [axis])))), options)


CUMSUM = Op(
    "CUMSUM",
    inputs=(activation("input"), parameter("axis")),
    outputs=(activation("output"),),
    definitions=each(("float32", "int32", "int64"), "T int32 -> T", cumsum, prepare=prepare),
    shapes=shapes,
    cases=case,
)
