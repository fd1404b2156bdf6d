"""Elementary functions and conversions as LiteRT's C++ has them on x86.

The C library's float functions are all but correctly rounded; NumPy's float32 ones are not. So every function here is
computed in float64 and rounded once to the precision of its argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Function = Callable[[Array], Array]


def from_float64(function: Function) -> Function:
    """The function in float64, its result rounded to the precision of the argument."""

    def rounded(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(np.asarray(x, np.float64))).astype(np.asarray(x).dtype)

    return rounded


def _erfc(x: Array) -> Array:
    return np.fromiter(map(math.erfc, x.reshape(-1).tolist()), np.float64, x.size).reshape(x.shape)


exp = from_float64(np.exp)
expm1 = from_float64(np.expm1)
log = from_float64(np.log)
sin = from_float64(np.sin)
cos = from_float64(np.cos)
tanh = from_float64(np.tanh)
erfc = from_float64(_erfc)


def to_int32(x: Any) -> Any:
    """``static_cast<int32_t>`` of floats as x86 does it, as int64: towards zero; NaN and what does not fit become
    INT32_MIN."""
    x = np.asarray(x)
    return np.where(np.abs(x) < 2.0**31, x, -(2.0**31)).astype(np.int64)
