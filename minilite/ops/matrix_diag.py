"""MATRIX_DIAG and MATRIX_SET_DIAG: vectors as the main diagonals of matrices.

    MATRIX_DIAG      output[..., i, j] = diagonal[..., i] if i == j else 0
    MATRIX_SET_DIAG  output[..., i, j] = diagonal[..., i] if i == j else input[..., i, j]

The matrices of MATRIX_SET_DIAG need not be square. MATRIX_DIAG writes the stored 0 next to quantized values, whatever
the zero point.

Source: TensorFlow Lite's matrix_diag and matrix_set_diag kernels.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray
TYPES = ("float32", "int8", "uint8", "int16", "int32", "int64")


def diag_shapes(node: Node, diagonal: TensorInfo) -> tuple[Shape]:
    diagonal.need(diagonal.rank >= 1, "1 dimension or more", diagonal.rank)
    return ((*diagonal.shape, diagonal.shape[-1]),)


def matrix_diag(node: Node, diagonal: Array) -> Array:
    size = diagonal.shape[-1]
    return matrix_set_diag(node, np.zeros((*diagonal.shape, size), diagonal.dtype), diagonal)


def set_diag_shapes(node: Node, input: TensorInfo, diagonal: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 2, "2 dimensions or more", input.rank)
    wanted = (*input.shape[:-2], min(input.shape[-2:]))
    diagonal.need(math.prod(diagonal.shape) == math.prod(wanted), f"shape {wanted}", diagonal.shape)
    return (input.shape,)


def matrix_set_diag(node: Node, input: Array, diagonal: Array) -> Array:
    output, places = input.copy(), np.arange(min(input.shape[-2:]))
    output[..., places, places] = diagonal.reshape(*input.shape[:-2], len(places))
    return output


def diag_case(draw: Draw, definition: Definition) -> Case:
    """Large matrices are mostly zeros; so often small ones, many of them."""
    size = draw.integer(1, draw.choice((1, 6)))
    return Case((data((*shape(draw, 2 if size == 1 else 0, 3), size)),))


def set_diag_case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 2, 5, 5)
    return Case((data(dims), data((*dims[:-2], min(dims[-2:])))))


MATRIX_DIAG = Op(
    "MATRIX_DIAG",
    inputs=(activation("diagonal"),),
    outputs=(activation("output", same_as="diagonal"),),
    definitions=each(TYPES, "T -> T", matrix_diag),
    shapes=diag_shapes,
    cases=diag_case,
)

MATRIX_SET_DIAG = Op(
    "MATRIX_SET_DIAG",
    inputs=(activation("input"), activation("diagonal", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T T -> T", matrix_set_diag),
    shapes=set_diag_shapes,
    cases=set_diag_case,
)
