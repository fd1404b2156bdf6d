"""Integers that stand for themselves, without scale and zero point: they wrap, and what would not be a number is refused."""

from __future__ import annotations

import numpy as np

from minilite.errors import OperatorError
from minilite.spec import Node

Array = np.ndarray

BOUNDS: dict[str, tuple[int, int | None]] = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


def integer_activation(node: Node, x: Array) -> Array:
    """The fused activation on plain integers."""
    bounds = BOUNDS.get(str(node.options.fused_activation_function))
    return x if bounds is None else np.clip(x, *bounds)


def need_divisors(divisor: Array, zero: int = 0) -> None:
    """Raise :class:`OperatorError` where the divisor (a stored value, with its zero point) is 0."""
    if (divisor == zero).any():
        where = [int(i) for i in np.argwhere(np.asarray(divisor) == zero)[0]]
        raise OperatorError(f"Division by 0: expected a divisor without zeros, got one at {where}.")
