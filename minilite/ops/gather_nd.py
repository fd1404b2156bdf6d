"""GATHER_ND: the slices of ``input`` that the rows of ``indices`` name.

    output[i..., j...] = input[indices[i..., 0], indices[i..., 1], ..., j...]

An index outside its dimension is an error.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape
from minilite.errors import OperatorError
from minilite.ops.moving import USUAL, definitions, least_rank
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, indices: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 1, "at least 1 dimension", input.shape)
    indices.need(indices.rank >= 1, "at least 1 dimension", indices.shape)
    depth = indices.shape[-1]
    indices.need(depth <= input.rank, f"at most {input.rank} indices in a row", depth)
    return ((*indices.shape[:-1], *input.shape[depth:]),)


def gather_nd(node: Node, input: Array, indices: Array) -> Array:
    sizes = input.shape[: indices.shape[-1]]
    if indices.size and bool(((indices < 0) | (indices >= np.array(sizes))).any()):
        raise OperatorError(f"expected indices in [0, size) of the dimensions {list(sizes)}, got one outside.")
    return np.asarray(input[tuple(np.moveaxis(indices.astype(np.intp), -1, 0))])


def case(draw: Draw, definition: Definition) -> Case:
    image = shape(draw, 1, 4, 4)
    depth = draw.integer(1, len(image))
    rows = shape(draw, least_rank(definition), 3, 4)
    picked = [draw.random.integers(0, size, rows) for size in image[:depth]]
    return Case((data(image), fed(np.stack(picked, -1), DTYPES[definition.input_types[1]])))


GATHER_ND = Op(
    "GATHER_ND",
    inputs=(activation("input"), parameter("indices")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(
        (*USUAL, "float16", "bfloat16", "string"), "T I -> T", gather_nd, indices=("int32", "int64", "int16")
    ),
    shapes=shapes,
    cases=case,
    version=6,
)
