"""How much memory a plan asks for, estimated before any of it is taken.

A damaged or hostile file of a few bytes can declare tensors of any size. What a plan needs at once is therefore added
up from its shapes: the tensors that are alive, and what the definition of the step at work takes for its
intermediates. More than ``max_memory`` of :class:`minilite.Limits` is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minilite.errors import OperatorError
from minilite.limits import to_raise
from minilite.spec import DTYPES, Node, TensorInfo

WORKING = 80
"""Bytes of intermediates for each output element: what the hungriest definitions were measured to take."""

WORKING_OF = {
    "CONV_3D": 16,
    **dict.fromkeys(("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"), 28),
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
                "DEQUANTIZE",
            ),
            *("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "RELU", "RELU6"),
            *("BATCH_TO_SPACE_ND", "REVERSE_V2", "DYNAMIC_UPDATE_SLICE", "SPARSE_TO_DENSE"),
        ),
        8,
    ),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "ONE_HOT", "CUMSUM", "ADD_N", "MATRIX_DIAG", "MATRIX_SET_DIAG"), 16),
}
"""The same for operators with large outputs in ordinary models: measured, or those that only move elements."""

FLOAT_WORKING_OF = dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "AVERAGE_POOL_2D", "PRELU"), 16)
"""The same where outputs are float32: nothing is widened."""

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


def check_step(node: Node, limit: int | None, alive: int = 0) -> None:
    """Raise :class:`OperatorError` when the node needs more than ``limit`` bytes beside the ``alive`` ones."""
    if limit is None:
        return
    elements = max((math.prod(o.shape) for o in node.outputs), default=0)
    needed = alive + elements * _working(node)
    if needed > limit:
        shapes = ", ".join(str(list(o.shape)) for o in node.outputs[:4])
        raise OperatorError(f"computing outputs of shape {shapes} may take {needed / 2**30:.1f} GiB: {too_much(limit)}")


def _working(node: Node) -> int:
    if node.outputs and node.outputs[0].type == "float32" and node.op in FLOAT_WORKING_OF:
        return FLOAT_WORKING_OF[node.op]
    return WORKING_OF.get(node.op, WORKING)


def alive_bytes(infos: Iterable[TensorInfo]) -> int:
    """Bytes of tensors that are not stored in the file, element by element."""
    return sum(tensor_bytes(i) for i in infos if not i.constant or i.sparsity is not None)
