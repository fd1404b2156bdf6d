"""Broadcasting as NumPy does it, and how LiteRT's vector kernels cut the result into runs.

Where an operator's vector instructions round differently from its scalar loop, it matters which elements are
computed by which: :func:`in_vectors` says so. It follows the *fivefold* broadcast of LiteRT's optimized kernels,
which walks the output in five nested loops and hands the innermost run of elements to the vector code.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.errors import OperatorError
from minilite.spec import Node, Shape, TensorInfo


def shapes(node: Node, *operands: TensorInfo) -> tuple[Shape]:
    """The shape all operands broadcast to."""
    return (broadcast(*operands),)


def broadcast(*operands: TensorInfo) -> Shape:
    """NumPy's broadcast of the operands' shapes. Raises :class:`OperatorError` when there is none."""
    try:
        return np.broadcast_shapes(*(o.shape for o in operands))
    except ValueError:
        listed = ", ".join(f"{o} {o.shape}" for o in operands)
        raise OperatorError(f"expected shapes that broadcast together, got {listed}.") from None


def runs(shape1: Shape, shape2: Shape) -> tuple[int, bool] | None:
    """The length of the innermost run of two operands, and whether one of them is a single value along it.

    None where the shapes do not fit the fivefold pattern: there the scalar loop computes everything. The pattern, from
    the last axis to the first, each part as long as possible: equal, then the one operand 1, then equal, then the other
    operand 1, then equal.
    """
    if shape1 == shape2:
        return math.prod(shape1), False
    rank = max(len(shape1), len(shape2))
    a, b = ((1,) * (rank - len(s)) + tuple(s) for s in (shape1, shape2))
    last = max((i for i in range(rank) if a[i] != b[i]), default=None)
    if last is None:
        return math.prod(a), False
    if a[last] != 1:
        a, b = b, a
    lengths, rest = [], list(zip(a, b, strict=True))
    for belongs in (_equal, _first_is_1, _equal, _second_is_1, _equal):
        length = 1
        while rest and belongs(*rest[-1]):
            length *= max(rest.pop())
        lengths.append(length)
    if rest:
        return None
    return (lengths[0], False) if lengths[0] > 1 else (lengths[1], True)


def _equal(a: int, b: int) -> bool:
    return a == b


def _first_is_1(a: int, b: int) -> bool:
    return a == 1


def _second_is_1(a: int, b: int) -> bool:
    return b == 1


def in_vectors(shape: Shape, run: int, block: int) -> np.ndarray:
    """Which elements of an output vector code computes that takes ``block`` elements at a time from runs of ``run``."""
    position = np.arange(math.prod(shape)) % max(run, 1)
    return (position < run // block * block).reshape(shape)
