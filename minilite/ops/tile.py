"""TILE: the input repeated ``multiples[i]`` times along dimension ``i``."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape, stated
from minilite.ops.moving import ALL, definitions
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, multiples: TensorInfo) -> tuple[Shape]:
    counts = multiples.known().reshape(-1)
    right = counts.size == input.rank and bool((counts >= 0).all())
    multiples.need(right, f"{input.rank} counts of 0 or more", counts)
    return (tuple(d * int(count) for d, count in zip(input.shape, counts, strict=True)),)


def tile(node: Node, input: Array, multiples: Array) -> Array:
    return np.tile(input, multiples)


def case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 4, 4)
    multiples = [draw.integer(1, 3) for _ in image]
    return Case((data(image), stated(draw, multiples, DTYPES[definition.input_types[1]])))


TILE = Op(
    "TILE",
    inputs=(activation("input"), parameter("multiples")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "string"), "T I -> T", tile, indices=("int32", "int64")),
    shapes=shapes,
    cases=case,
    version=3,
)
