"""A new value for a tensor, from what a person gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.inspection.reals import quantized
from minilite.inspection.tensor_changes import grid
from minilite.spec import INTEGER_RANGE, TensorInfo


def patched_value(info: TensorInfo, old: np.ndarray, value: Any, where: Any = ..., real: bool = False) -> np.ndarray:
    """``old`` with ``value`` at the subscript ``where``; read-only.

    Integers must be whole and within the tensor's type. ``real`` quantizes as QUANTIZE does: ``round(value / scale) +
    zero_point``, halves away from zero, saturated. Raises :class:`ArgumentError` for values that do not fit."""
    new = np.array(old)
    try:
        given = np.asarray(value)
        if real:
            given = _quantized(info, new, given, where)
        _check(info, given)
        new[where] = given
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{info} of shape {list(new.shape)}: {error}.") from None
    new.flags.writeable = False
    return new


def _quantized(info: TensorInfo, old: np.ndarray, given: np.ndarray, where: Any) -> np.ndarray:
    steps = grid(info)
    if steps is None:
        return given
    wanted = np.zeros(old.shape, np.float32)
    wanted[where] = given
    return np.asarray(quantized(steps, wanted)[where])


def _check(info: TensorInfo, given: np.ndarray) -> None:
    kind = np.dtype(info.dtype).kind
    if given.dtype.kind not in "biufc" and kind != "O":
        raise ArgumentError(f"{info}: expected numbers, got {given.dtype}.")
    if given.dtype.kind == "c" and kind != "c":
        raise ArgumentError(f"{info}: expected real numbers, got complex ones.")
    if kind not in "iu" or not given.size:
        return
    low, high = INTEGER_RANGE.get(info.type) or (np.iinfo(info.dtype).min, np.iinfo(info.dtype).max)
    if not np.isfinite(given).all() or (given != np.rint(given)).any() or given.min() < low or given.max() > high:
        advice = " For real numbers say real=True." if info.scales.size else ""
        raise ArgumentError(
            f"{info}: expected whole numbers from {low} to {high} ({info.type.upper()}), got values from {given.min()} "
            f"to {given.max()}.{advice}"
        )
