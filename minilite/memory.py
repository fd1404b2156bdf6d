"""How much memory a plan asks for, estimated before any of it is taken.

A damaged or hostile file of a few bytes can declare tensors of any size. What a plan needs at once is therefore added
up from its shapes: the tensors that are alive, and what the definition of the step at work takes for its
intermediates. More than ``max_memory`` of :class:`minilite.Limits` is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minilite.errors import OperatorError
from minilite.limits import to_raise
from minilite.ops.windows import axes, cropped
from minilite.spec import DTYPES, Node, TensorInfo

WORKING = 80
"""Bytes of intermediates for each element of the largest output: what the hungriest definitions were measured to
take."""

WORKING_OF = {
    "CONV_3D": 16,
    "MAX_POOL_2D": 28,
    **dict.fromkeys(
        (
            *(
                "CONCATENATION",
                "PAD",
                "PADV2",
                "MIRROR_PAD",
                "SLICE",
                "STRIDED_SLICE",
                "SPLIT",
                "SPLIT_V",
                "PACK",
                "TILE",
            ),
            *(
                "UNPACK",
                "TRANSPOSE",
                "RESHAPE",
                "SQUEEZE",
                "EXPAND_DIMS",
                "GATHER",
                "FILL",
                "BROADCAST_TO",
            ),
            *("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
            *("BATCH_TO_SPACE_ND", "REVERSE_V2", "DYNAMIC_UPDATE_SLICE", "SPARSE_TO_DENSE"),
        ),
        8,
    ),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "ONE_HOT", "ADD_N", "MATRIX_DIAG", "MATRIX_SET_DIAG"), 16),
    **dict.fromkeys(("RELU", "RELU6", "DEQUANTIZE"), 16),
    "CUMSUM": 24,
}
"""The same for operators with large outputs in ordinary models: measured, or those that only move elements."""

FLOAT_WORKING_OF = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "AVERAGE_POOL_2D", "PRELU"), 16),
    **dict.fromkeys(("RELU", "RELU6"), 8),
}
"""The same where outputs are float32: nothing is widened."""

READING = 40
"""Bytes of intermediates for each element of the inputs: of operators that read all of them, such as reductions."""

READING_OF = {
    **dict.fromkeys(
        (
            *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE", "RANK", "GATHER", "GATHER_ND", "SLICE", "STRIDED_SLICE"),
            *("SPLIT", "SPLIT_V", "UNPACK", "EMBEDDING_LOOKUP", "ASSIGN_VARIABLE", "READ_VARIABLE"),
            *("CONV_3D", "CONV_3D_TRANSPOSE", "FILL", "BROADCAST_TO", "PAD", "PADV2", "MIRROR_PAD", "REVERSE_V2"),
            *("DYNAMIC_UPDATE_SLICE", "RESIZE_NEAREST_NEIGHBOR", "CONCATENATION", "PACK", "TRANSPOSE", "TILE"),
        ),
        8,
    ),
    **dict.fromkeys(
        (
            *("SUM", "MEAN", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL", "REDUCE_ANY"),
            *("ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"),
        ),
        16,
    ),
    "RFFT2D": 96,
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"), 80),
}
"""The same where it is another number: of operators that pick elements or move them, and of the hungriest."""


@dataclass(frozen=True)
class Products:
    """What operators that multiply and add up take for each element of the output, the input and the weights. An output
    that is as large as weights and input together is the most that they compute beside, hence the sum."""

    output: int
    input: int
    weights: int


PRODUCTS = {"float": Products(28, 0, 8), "integer": Products(52, 16, 16), "hybrid": Products(52, 24, 16)}
"""By what is multiplied: floats, integers, or floats that become integers first."""

MULTIPLYING = ("FULLY_CONNECTED", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
WEIGHTS = 1
"""Their operand with the weights; the others are as inputs."""

STRING = 64
"""Bytes for each string, the empty one included."""


def too_much(limit: int) -> str:
    """The end of every message about the limit."""
    return f"expected at most max_memory={limit}, {limit / 2**30:.1f} GiB. {to_raise('max_memory')}"


def tensor_bytes(info: TensorInfo) -> int:
    """Bytes of a tensor's elements."""
    if info.type == "string":
        return math.prod(info.shape) * STRING
    return math.prod(info.shape) * np.dtype(DTYPES.get(info.type, np.int8)).itemsize


def check_step(node: Node, limit: int | None, alive: int = 0, own: bool = True) -> None:
    """Raise :class:`OperatorError` when the node needs more than ``limit`` bytes beside the ``alive`` ones. What a row
    of the caller's takes is not known here; its outputs are guessed at."""
    if limit is None:
        return
    needed = alive + (step_bytes(node) if own else _largest(node) * WORKING)
    if needed > limit:
        shapes = ", ".join(str(list(o.shape)) for o in node.outputs[:4])
        raise OperatorError(f"computing outputs of shape {shapes} may take {needed / 2**30:.1f} GiB: {too_much(limit)}")


def step_bytes(node: Node) -> int:
    """What computing a node takes beside its inputs: its outputs, and the definition's intermediates."""
    largest = _largest(node)
    if node.op in MULTIPLYING:
        return _multiplying(node, largest) + (_windows(node) if node.op == "CONV_2D" else 0)
    read = sum(math.prod(i.shape) for i in node.inputs if i is not None)
    working, reading = _working(node)
    most = max(largest * working, read * reading)
    return most + _padded(node) if node.op == "STABLEHLO_REDUCE_WINDOW" else most


def _largest(node: Node) -> int:
    return max((math.prod(o.shape) for o in node.outputs), default=0)


def _multiplying(node: Node, largest: int) -> int:
    take = PRODUCTS[_factors(node)]
    total = largest * take.output
    for place, info in enumerate(node.inputs):
        if info is not None:
            total += math.prod(info.shape) * (take.weights if place == WEIGHTS else take.input)
    return total


def _factors(node: Node) -> str:
    types = [i.type for i in node.inputs[:3] if i is not None]
    if node.op == "TRANSPOSE_CONV":
        types = types[1:]
    floats = [t == "float32" for t in types[:2]]
    return "float" if all(floats) else "hybrid" if any(floats) else "integer"


def _windows(node: Node) -> int:
    """A line of windows, which CONV_2D lays out as a matrix (and twice, if there are groups)."""
    image, filter = (i.shape for i in node.inputs[:2] if i is not None)
    (rows, _), (columns, _) = map(cropped, axes(node.options, image, filter[1:]))
    return 2 * 8 * columns.output * rows.filter * columns.filter * image[3]


def _padded(node: Node) -> int:
    """The input with its elements moved apart and padded, which windows slide over."""
    from minilite.ops.stablehlo_pad import numbers, padded_shape  # no operator's module is imported before it is needed

    input = node.inputs[0]
    assert input is not None
    padding = numbers(node.options.padding) or (0,) * 2 * input.rank
    base = numbers(node.options.base_dilations) or (1,) * input.rank
    shape = padded_shape(input.shape, padding[::2], tuple(d - 1 for d in base), padding[1::2])
    return 2 * math.prod(shape) * np.dtype(DTYPES[input.type]).itemsize


def _working(node: Node) -> tuple[int, int]:
    """Bytes for each element of the largest output, and of the inputs."""
    if node.outputs and node.outputs[0].type == "float32" and node.op in FLOAT_WORKING_OF:
        return FLOAT_WORKING_OF[node.op], 8
    return WORKING_OF.get(node.op, WORKING), READING_OF.get(node.op, READING)


def held_bytes(arrays: Iterable[np.ndarray]) -> int:
    """Bytes of arrays that are there."""
    return sum(a.size * STRING if a.dtype == object else a.nbytes for a in arrays)


def alive_bytes(infos: Iterable[TensorInfo]) -> int:
    """Bytes of tensors that are not stored in the file, element by element."""
    return sum(tensor_bytes(i) for i in infos if not i.constant or i.sparsity is not None)
