"""DENSIFY: a sparse constant with its zeros.

    output = input

The file stores the input's elements without most of its zeros, in the order of a tree that ``SparsityParameters``
describe: dimensions in any order, dense or in compressed rows, divided into blocks or not (:mod:`minilite.sparsity`).
Of integers the missing elements are 0, whatever the zero point.

LiteRT gets blocks wrong whose dimensions, three or more, stand in an order that is not its own inverse.
Source: LiteRT's densify and its sparsity format converter.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, Sparse, data
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.constant and input.sparsity is not None, "a sparse constant", "a tensor with all its elements")
    return (input.shape,)


def same(node: Node, input: np.ndarray) -> np.ndarray:
    return input


def layout(draw: Draw, shape: Shape) -> Sparse:
    """Any order of dimensions and formats, with up to two dimensions in blocks. One value at least is stored."""
    rank = len(shape)
    block_map = tuple(d for d in range(rank) if draw.choice((False, True)))[:2]
    order = (*_shuffled(draw, range(rank)), *_shuffled(draw, range(rank, rank + len(block_map))))
    formats = tuple(draw.choice(("DENSE", "SPARSE_CSR")) for _ in shape)
    sizes = tuple(draw.choice([s for s in (1, 2, 3, 4) if shape[d] % s == 0]) for d in block_map)
    return Sparse(formats + ("DENSE",) * len(block_map), order, block_map, sizes)


def _shuffled(draw: Draw, values: range) -> tuple[int, ...]:
    left, order = list(values), []
    while left:
        order.append(left.pop(draw.integer(0, len(left) - 1)))
    return tuple(order)


def case(draw: Draw, definition: Definition) -> Case:
    shape = tuple(2 * d for d in cases.shape(draw, 1, 4, 4))
    return Case((data(shape, constant=True, sparse=layout(draw, shape), zero_point=0),))


DENSIFY = Op(
    "DENSIFY",
    inputs=(activation("input"),),
    outputs=(activation("output", same_as="input"),),
    definitions=each(("float32", "float16", "int8"), "T -> T", same),
    shapes=shapes,
    cases=case,
)
