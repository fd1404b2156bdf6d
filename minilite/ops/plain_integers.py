"""Integers that stand for themselves, without scale and zero point: they wrap, and are not divided by 0."""

from __future__ import annotations

import numpy as np

from minilite.errors import OperatorError
from minilite.fixed_point import ACTIVATION_BOUNDS
from minilite.spec import Node

Array = np.ndarray


def integer_activation(node: Node, x: Array) -> Array:
    """The fused activation on plain integers."""
    low, high = ACTIVATION_BOUNDS.get(str(node.options.fused_activation_function), (None, None))
    return x if low is None else np.clip(x, max(low, np.iinfo(x.dtype).min), high)


def need_divisors(divisor: Array, zero: int = 0) -> None:
    """Raise :class:`OperatorError` where the divisor (a stored value, with its zero point) is 0."""
    zeros = np.argwhere(divisor == zero).tolist()
    if zeros:
        raise OperatorError(f"Division by 0: expected a divisor without zeros, got one at {zeros[0]}.")
