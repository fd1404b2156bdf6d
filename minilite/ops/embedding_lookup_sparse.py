"""EMBEDDING_LOOKUP_SPARSE: rows of a table, weighted and combined.

A sparse tensor of lookups: entry n stands at ``indices[n]`` in a tensor of shape ``dense_shape``, names row ``ids[n]``
of ``value`` and weighs ``weights[n]``. What stands at the same place but for the last dimension is combined:

    SUM    output[p] = sum over n at p of weights[n] * value[ids[n]]
    MEAN   the same, divided by the sum of the weights
    SQRTN  the same, divided by the square root of the sum of their squares

output [*dense_shape[:-1], *value.shape[1:]], 0 where there is nothing to combine. All in float32, entry after entry. An
entry whose place differs from the one before begins a new combination; as LiteRT does, a place that is begun twice is
divided twice. Rows and places outside their tensors are errors.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from minilite.cases import Case, Draw, constant, data, fed, shape
from minilite.errors import OperatorError
from minilite.ops.embedding_lookup import check_rows
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(
    node: Node,
    ids: TensorInfo,
    indices: TensorInfo,
    dense_shape: TensorInfo,
    weights: TensorInfo,
    value: TensorInfo,
) -> tuple[Shape]:
    for info, rank in ((ids, 1), (indices, 2), (dense_shape, 1), (weights, 1)):
        info.need(info.rank == rank, f"{rank} dimension(s)", info.shape)
    value.need(value.rank >= 2, "2 dimensions or more", value.shape)
    indices.need(indices.shape[0] == ids.shape[0] == weights.shape[0], f"{ids.shape[0]} entries", indices.shape)
    fits = dense_shape.shape[0] == indices.shape[1] > 0
    dense_shape.need(fits, f"{indices.shape[1]} dimensions, at least 1", dense_shape.shape[0])
    sizes = tuple(int(d) for d in dense_shape.known())
    dense_shape.need(min(sizes) >= 0, "dimensions of 0 or more", sizes)
    node.need(node.options.combiner in DIVISORS, f"a combiner out of {', '.join(DIVISORS)}", node.options.combiner)
    return ((*sizes[:-1], *value.shape[1:]),)


def prepare(node: Node, *operands: TensorInfo) -> tuple[str, Shape]:
    return node.options.combiner, operands[-1].shape


def combine(
    p: tuple[str, Shape], ids: Array, indices: Array, dense_shape: Array, weights: Array, value: Array
) -> Array:
    combiner, output_shape = p
    check_rows(ids, len(value))
    places = _places(indices[:, :-1], dense_shape[:-1])
    output = np.zeros((math.prod(output_shape[: len(dense_shape) - 1]), *value.shape[1:]), value.dtype)
    begins = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(places)] if len(places) else []
    for first, last in pairwise(begins):
        row = output[places[first]]
        for entry in range(first, last):
            row += value[ids[entry]] * weights[entry]
        row /= DIVISORS[combiner](weights[first:last])
    return output.reshape(output_shape)


def _one(weights: Array) -> Array:
    return np.ones((), weights.dtype)


def _sum(weights: Array) -> Array:
    return np.asarray(np.cumsum(weights)[-1])


def _root(weights: Array) -> Array:
    return np.sqrt(_sum(weights * weights))


DIVISORS = {"SUM": _one, "MEAN": _sum, "SQRTN": _root}


def _places(indices: Array, sizes: Array) -> Array:
    """The entries' places, counted through."""
    if np.any((indices < 0) | (indices >= sizes)):
        raise OperatorError(f"expected indices within {sizes.tolist()}, got some outside.")
    strides = np.cumprod([1, *sizes[:0:-1].tolist()], dtype=np.int64)[::-1][: indices.shape[1]]
    return (indices.astype(np.int64) * strides).sum(axis=1)


def case(draw: Draw, definition: Definition) -> Case:
    """Lookups in order, and out of it."""
    dense, table = shape(draw, 1, 3, 4), shape(draw, 2, 4, 4)
    count = draw.integer(0, 8)
    indices = draw.random.integers(0, dense, (count, len(dense)))
    if draw.choice((True, True, False)):
        indices = indices[np.lexsort(indices.T[::-1])]
    ids = draw.random.integers(0, table[0], count)
    return Case(
        (fed(ids, np.int32), fed(indices, np.int32), constant(dense), data((count,), 0.1, 2.0), data(table)),
        {"combiner": draw.choice(("SUM", "MEAN", "SQRTN"))},
    )


EMBEDDING_LOOKUP_SPARSE = Op(
    "EMBEDDING_LOOKUP_SPARSE",
    inputs=(
        parameter("ids"),
        parameter("indices"),
        parameter("dense_shape"),
        activation("weights"),
        activation("value"),
    ),
    outputs=(activation("output"),),
    definitions=(Definition("int32 int32 int32 float32 float32 -> float32", combine, prepare, label="float32"),),
    shapes=shapes,
    cases=case,
)
