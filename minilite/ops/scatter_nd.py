"""SCATTER_ND and SPARSE_TO_DENSE: a tensor with values at the places that the rows of ``indices`` name.

    SCATTER_ND       output[indices[i..., 0], indices[i..., 1], ..., j...] += updates[i..., j...], starting from zeros
    SPARSE_TO_DENSE  output[indices[i, 0], indices[i, 1], ...] = values[i], or the one ``values``; ``default_value``
                     elsewhere

SCATTER_ND adds up what falls on one place, in order: floats are rounded after each addition, integers wrap, bools stay
true. In SPARSE_TO_DENSE the last one counts. Its ``indices`` are [count, rank], with a rank of at most 4, or [count] or
a scalar for an output of one dimension. An index outside its dimension is an error.

Sources: TensorFlow Lite's scatter_nd and sparse_to_dense kernels.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, any_integers, boolean, data, fed, shape, stated
from minilite.errors import OperatorError
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def _wanted(shape: TensorInfo) -> Shape:
    values = shape.known()
    shape.need(values.ndim == 1, "a vector", f"shape {values.shape}")
    shape.need(bool((values >= 0).all()), "dimensions of 0 or more", values)
    return tuple(int(d) for d in values)


def scatter_shapes(node: Node, indices: TensorInfo, updates: TensorInfo, shape: TensorInfo) -> tuple[Shape]:
    wanted = _wanted(shape)
    for info in (indices, updates):
        info.need(info.rank >= 1, "1 dimension or more", info.rank)
    depth = indices.shape[-1]
    indices.need(depth <= len(wanted), f"at most {len(wanted)} indices in a row", depth)
    expected = (*indices.shape[:-1], *wanted[depth:])
    updates.need(updates.shape == expected, f"shape {expected}", updates.shape)
    return (wanted,)


def prepare(node: Node, *tensors: TensorInfo) -> Shape:
    """The output shape."""
    return tensors[-1].shape


def scatter_nd(wanted: Shape, indices: Array, updates: Array, shape: Array) -> Array:
    depth = indices.shape[-1]
    rows = _rows(indices.reshape(math.prod(indices.shape[:-1]), depth), wanted[:depth])
    output = np.zeros((math.prod(wanted[:depth]), math.prod(wanted[depth:])), updates.dtype)
    np.add.at(output, rows, updates.reshape(len(rows), output.shape[1]))
    return output.reshape(wanted)


def _rows(indices: Array, sizes: Shape) -> Array:
    """Each row of indices as one index. Raises OperatorError for one outside."""
    if bool(((indices < 0) | (indices >= np.array(sizes, np.int64))).any()):
        raise OperatorError(f"expected indices in [0, size) of the dimensions {list(sizes)}, got one outside.")
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    return (indices.astype(np.int64) * np.array(strides, np.int64)).sum(1)


def dense_shapes(
    node: Node, indices: TensorInfo, output_shape: TensorInfo, values: TensorInfo, default_value: TensorInfo
) -> tuple[Shape]:
    wanted = _wanted(output_shape)
    indices.need(indices.rank <= 2, "at most 2 dimensions", indices.rank)
    rank = indices.shape[1] if indices.rank == 2 else 1
    output_shape.need(len(wanted) == rank <= 4, f"as many dimensions as indices in a row, {rank}, at most 4", wanted)
    count = indices.shape[0] if indices.rank else 1
    values.need(values.shape in ((), (count,)), f"a scalar or shape ({count},)", values.shape)
    default_value.need(math.prod(default_value.shape) == 1, "one element", f"shape {default_value.shape}")
    return (wanted,)


def sparse_to_dense(wanted: Shape, indices: Array, output_shape: Array, values: Array, default_value: Array) -> Array:
    output = np.full(math.prod(wanted), default_value.reshape(()))
    rows = indices if indices.ndim == 2 else indices.reshape(-1, 1)
    output[_rows(rows, wanted)] = values
    return output.reshape(wanted)


def scatter_case(draw: Draw, definition: Definition) -> Case:
    wanted = shape(draw, 1, 4, 4)
    depth = draw.integer(1, len(wanted))
    rows = shape(draw, 1 if depth == len(wanted) else 0, 3, 4)
    if boolean(draw):  # most places are named, many of them repeatedly
        rows = (2 * math.prod(wanted[:depth]),)
    indices = np.stack([draw.random.integers(0, size, rows) for size in wanted[:depth]], -1)
    given, type_ = (*rows, *wanted[depth:]), definition.label
    updates = any_integers(draw, given, type_) if type_ in ("int32", "int64") else data(given)
    return Case((fed(indices, np.int32), updates, stated(draw, wanted)))


def dense_case(draw: Draw, definition: Definition) -> Case:
    wanted = shape(draw, 1, 4, 5)
    count = draw.integer(1, 6)
    indices = np.stack([draw.random.integers(0, size, count) for size in wanted], -1)
    if len(wanted) == 1 and boolean(draw):
        indices = indices[:, 0] if boolean(draw) else indices[0, 0]
        count = indices.size
    index, dims = DTYPES[definition.input_types[0]], DTYPES[definition.input_types[1]]
    values = data(draw.choice(((count,), ())))
    return Case((fed(indices, index), stated(draw, wanted, dims), values, data(draw.choice(((), (1,))))))


SCATTER_ND = Op(
    "SCATTER_ND",
    inputs=(parameter("indices"), activation("updates"), parameter("shape")),
    outputs=(activation("output", same_as="updates"),),
    definitions=tuple(
        Definition(f"int32 {t} int32 -> {t}", scatter_nd, prepare, label=t)
        for t in ("float32", "int8", "uint8", "int32", "int64", "bool")
    ),
    shapes=scatter_shapes,
    cases=scatter_case,
)

SPARSE_TO_DENSE = Op(
    "SPARSE_TO_DENSE",
    inputs=(
        parameter("indices"),
        parameter("output_shape"),
        activation("values"),
        activation("default_value", same_as="values"),
    ),
    outputs=(activation("output", same_as="values"),),
    definitions=tuple(
        Definition(f"{index} {dims} {t} {t} -> {t}", sparse_to_dense, prepare, label=t)
        for t in ("float32", "int8", "uint8", "int32", "int64")
        for index in ("int32", "int64")
        for dims in ("int32", "int64")
    ),
    shapes=dense_shapes,
    cases=dense_case,
    version=3,
)
