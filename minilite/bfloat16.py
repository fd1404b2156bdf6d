"""bfloat16: the upper half of a float32. NumPy has no such type; arrays of it hold the bits, as uint16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray


def widened(bits: Array) -> Array:
    """The same numbers in float32."""
    return np.left_shift(np.asarray(bits, np.uint32), 16).view(np.float32)


def narrowed(x: Array) -> Array:
    """The bits of the nearest bfloat16 numbers of float32 ones, half to even; NaN keeps its sign only."""
    x = np.asarray(x, np.float32)
    wide = x.view(np.uint32)
    rounded = wide + np.uint32(0x7FFF) + (wide >> 16 & 1)
    nan = np.where(np.signbit(x), np.uint32(0xFFC00000), np.uint32(0x7FC00000))
    return (np.where(np.isnan(x), nan, rounded) >> 16).astype(np.uint16)


def on_bits(compute: Callable[..., Array]) -> Callable[..., Array]:
    """A definition's ``compute`` on float32, for operands and results of bfloat16."""

    def compute_on_bits(prepared: Any, *arrays: Array) -> Array:
        return narrowed(compute(prepared, *map(widened, arrays)))

    return compute_on_bits
