"""REVERSE_V2 and REVERSE_SEQUENCE: elements in opposite order.

    REVERSE_V2        output[..., i, ...] = input[..., size - 1 - i, ...]        along every one of ``axis``
    REVERSE_SEQUENCE  output[b, i, ...] = input[b, seq_lengths[b] - 1 - i, ...]  for i < seq_lengths[b]
                      output[b, i, ...] = input[b, i, ...]                       for the others

REVERSE_V2 takes a vector of axes, in any order and counted from either end; LiteRT has no kernel for axes with others
between them. In REVERSE_SEQUENCE the options ``batch_dim`` and ``seq_dim`` say which dimensions ``b`` and ``i`` are.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape, stated
from minilite.errors import OperatorError
from minilite.ops.axes import axis_within
from minilite.ops.moving import USUAL, definitions
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def _axes(input: TensorInfo, axis: TensorInfo) -> tuple[int, ...]:
    values = axis.known()
    axis.need(values.ndim == 1, "a vector", f"shape {values.shape}")
    axes = sorted(axis_within(a, input.rank, axis) for a in values)
    neighbours = all(b == a + 1 for a, b in itertools.pairwise(axes))
    axis.need(neighbours, "different axes side by side", values.tolist())
    return tuple(axes)


def reverse_shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    input.need(input.rank <= 8, "at most 8 dimensions", input.rank)
    _axes(input, axis)
    return (input.shape,)


def prepare_reverse(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> tuple[int, ...]:
    return _axes(input, axis)


def reverse(axes: tuple[int, ...], input: Array, axis: Array) -> Array:
    return np.flip(input, axes)


def reverse_case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 1, 6, 4)
    first = draw.integer(0, len(dims) - 1)
    axes = [draw.choice((a, a - len(dims))) for a in range(first, draw.integer(first, len(dims) - 1) + 1)]
    return Case((data(dims), stated(draw, draw.choice((axes, axes[::-1])))))


@dataclass(frozen=True)
class Prepared:
    """The two dimensions, and the shapes that lay lengths and positions along them."""

    batch_shape: Shape
    seq_shape: Shape
    seq_dim: int


def sequence_shapes(node: Node, input: TensorInfo, seq_lengths: TensorInfo) -> tuple[Shape]:
    batch, seq = node.options.batch_dim, node.options.seq_dim
    for name, dim in (("batch_dim", batch), ("seq_dim", seq)):
        node.need(0 <= dim < input.rank, f"{name} in [0, {input.rank})", dim)
    node.need(batch != seq, "batch_dim other than seq_dim", batch)
    wanted = (input.shape[batch],)
    seq_lengths.need(seq_lengths.shape == wanted, f"shape {wanted}, a length for each batch", seq_lengths.shape)
    return (input.shape,)


def prepare_sequence(node: Node, input: TensorInfo, seq_lengths: TensorInfo, output: TensorInfo) -> Prepared:
    batch, seq = int(node.options.batch_dim), int(node.options.seq_dim)
    along = [tuple(-1 if i == dim else 1 for i in range(input.rank)) for dim in (batch, seq)]
    return Prepared(along[0], along[1], seq)


def reverse_sequence(p: Prepared, input: Array, seq_lengths: Array) -> Array:
    size = input.shape[p.seq_dim]
    if seq_lengths.max(initial=0) > size:
        raise OperatorError(f"expected lengths of at most {size}, got {seq_lengths.max()}.")
    if not input.size:
        return input
    lengths, position = seq_lengths.reshape(p.batch_shape), np.arange(size).reshape(p.seq_shape)
    source = np.where(position < lengths, lengths - 1 - position, position)
    return np.take_along_axis(input, source, p.seq_dim)


def sequence_case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 2, 5, 5)
    batch = draw.integer(0, len(dims) - 1)
    seq = draw.choice([i for i in range(len(dims)) if i != batch])
    lengths = draw.random.integers(draw.choice((0, 0, -2)), dims[seq], dims[batch], endpoint=True)
    options = {"batch_dim": batch, "seq_dim": seq}
    return Case((data(dims), fed(lengths, DTYPES[definition.input_types[1]])), options)


REVERSE_V2 = Op(
    "REVERSE_V2",
    inputs=(activation("input"), parameter("axis")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*USUAL, "float16", "bfloat16"), "T I -> T", reverse, prepare_reverse),
    shapes=reverse_shapes,
    cases=reverse_case,
    version=4,
)

REVERSE_SEQUENCE = Op(
    "REVERSE_SEQUENCE",
    inputs=(activation("input"), parameter("seq_lengths")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(
        ("float32", "uint8", "int16", "int32", "int64"),
        "T I -> T",
        reverse_sequence,
        prepare_sequence,
        ("int32", "int64"),
    ),
    shapes=sequence_shapes,
    cases=sequence_case,
)
