"""DILATE: elements moved apart, with a padding value between them.

    output[i0 * dilations[0], i1 * dilations[1], ...] = input[i0, i1, ...]

and ``padding_value`` everywhere else. dilations [rank], 1 or more each; output dimension k is ``(size_k - 1) *
dilations[k] + 1``. No dimension may be empty.

Source: the interior padding of StableHLO's ``pad``.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, data, shape, stated
from minilite.ops.moving import ALL, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, dilations: TensorInfo, padding_value: TensorInfo) -> tuple[Shape]:
    input.need(input.rank > 0 and min(input.shape) > 0, "1 dimension or more, none of them 0", input.shape)
    padding_value.need(math.prod(padding_value.shape) == 1, "one element", f"shape {padding_value.shape}")
    dilations.need(dilations.shape == (input.rank,), f"shape {(input.rank,)}", dilations.shape)
    factors = dilations.known()
    dilations.need(int(factors.min()) >= 1, "dilations of 1 or more", factors.tolist())
    return (tuple((d - 1) * int(f) + 1 for d, f in zip(input.shape, factors, strict=True)),)


def prepare(
    node: Node, input: TensorInfo, dilations: TensorInfo, padding_value: TensorInfo, output: TensorInfo
) -> Shape:
    return output.shape


def dilate(output_shape: Shape, input: Array, dilations: Array, padding_value: Array) -> Array:
    output = np.full(output_shape, padding_value.reshape(()), input.dtype)
    output[tuple(slice(None, None, int(step)) for step in dilations)] = input
    return output


def case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 1, 5, 4)
    factors = [draw.choice((1, 2, 3)) for _ in dims]
    return Case((data(dims), stated(draw, factors), data(())))


DILATE = Op(
    "DILATE",
    inputs=(activation("input"), parameter("dilations"), activation("padding_value", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "complex128"), "T I T -> T", dilate, prepare),
    shapes=shapes,
    cases=case,
)
