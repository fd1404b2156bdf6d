"""TILE: the input repeated ``multiples[i]`` times along dimension ``i``."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, constant, data, shape
from minilite.ops.axes import MOVED
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

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
    dtype = np.int64 if definition.input_types[1] == "int64" else np.int32
    return Case((data(image), constant([draw.integer(1, 3) for _ in image], dtype)))


TILE = Op(
    "TILE",
    inputs=(activation("input"), parameter("multiples")),
    outputs=(activation("output", same_as="input"),),
    definitions=(
        *each((*MOVED, "bool"), "T int32 -> T", tile),
        Definition("float32 int64 -> float32", tile, label="float32, int64 multiples"),
        *each(("int8", "int32"), "T int64 -> T", tile),
    ),
    shapes=shapes,
    cases=case,
    version=3,
)
