"""How much memory a plan asks for, estimated before any of it is taken.

A damaged or hostile file of a few bytes can declare tensors of any size. What a plan needs at once is therefore added
up from its shapes: the tensors that are alive, and what the definition of the step at work takes for its
intermediates. More than the limit is an error. The limit holds for the shapes a file declares; inputs that a caller
resized are the caller's own wish, and no limit holds then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minilite.errors import OperatorError
from minilite.spec import DTYPES, Node, TensorInfo

DEFAULT_LIMIT = 2 * 2**30
"""Bytes."""

WORKING = 80
"""Bytes of intermediates for each output element: what the hungriest definitions were measured to take."""

WORKING_OF = {"CONV_2D": 28, "DEPTHWISE_CONV_2D": 24, "FULLY_CONNECTED": 28, "MAX_POOL_2D": 20}
"""The same for operators with large outputs in ordinary models, measured one by one."""


def tensor_bytes(info: TensorInfo) -> int:
    """Bytes of a tensor's elements."""
    return math.prod(info.shape) * np.dtype(DTYPES.get(info.type, np.int8)).itemsize


def check_step(node: Node, limit: int | None, alive: int = 0) -> None:
    """Raise :class:`OperatorError` when the node needs more than ``limit`` bytes beside the ``alive`` ones."""
    if limit is None:
        return
    elements = max((math.prod(o.shape) for o in node.outputs), default=0)
    needed = alive + elements * WORKING_OF.get(node.op, WORKING)
    if needed > limit:
        shapes = ", ".join(str(list(o.shape)) for o in node.outputs[:4])
        raise OperatorError(
            f"computing outputs of shape {shapes} may take {needed / 2**30:.1f} GiB: expected at most the memory limit "
            f"of {limit / 2**30:.1f} GiB. If the model is to be trusted, pass memory_limit=None."
        )


def alive_bytes(infos: Iterable[TensorInfo]) -> int:
    """Bytes of tensors that are not constants of the file."""
    return sum(tensor_bytes(i) for i in infos if not i.constant)
