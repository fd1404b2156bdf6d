"""What is in a tensor, and how it differs from another run's: numbers to be printed or read by a program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.quantization.grid import Grid
from minilite.spec import INTEGER_RANGE, TensorInfo


@dataclass(frozen=True)
class Statistics:
    """Of a tensor's values: ``low``, ``high``, ``mean`` and ``std`` are None where there are no finite numbers.
    ``real`` says that they are real numbers that integers stand for, ``at_ends`` counts integers at either end of their
    type."""

    count: int
    zeros: int
    nans: int
    infinities: int
    at_ends: int
    low: float | None
    high: float | None
    mean: float | None
    std: float | None
    real: bool


@dataclass(frozen=True)
class Change:
    """A tensor that differs between two runs. ``operator`` writes it (None: nobody does). ``changed`` of ``count``
    elements have other bits, or stand for other real numbers; ``largest`` is the largest difference of stored values,
    ``largest_real`` of the real ones they stand for; None where the shapes differ or the values are no numbers."""

    tensor: int
    name: str
    operator: int | None
    count: int
    changed: int
    largest: float | None
    largest_real: float | None


def grid(info: TensorInfo) -> Grid | None:
    """The real numbers that an integer tensor stands for; None for one that is not quantized by scales."""
    if not info.scales.size or info.type not in INTEGER_RANGE:
        return None
    zeros = info.zero_points if info.zero_points.size else np.zeros(1, np.int64)
    axis = info.axis if info.scales.size > 1 else None
    return Grid(info.type, info.scales, np.broadcast_to(zeros, info.scales.shape), axis)


def real(info: TensorInfo, value: np.ndarray) -> np.ndarray:
    """What the values stand for: ``scale * (q - zero_point)``; of others the values themselves."""
    found = grid(info)
    return value if found is None else found.dequantize(value)


def statistics(info: TensorInfo, value: np.ndarray) -> Statistics:
    """Statistics of a tensor, of real numbers where it is quantized."""
    numbers = real(info, value)
    if numbers.dtype.kind not in "biuf":
        return Statistics(value.size, 0, 0, 0, 0, None, None, None, None, False)
    with np.errstate(all="ignore"):
        wide = numbers.astype(np.float64)
        finite = wide[np.isfinite(wide)]
    low, high, mean, std = (float(f(finite)) if finite.size else None for f in (np.min, np.max, np.mean, np.std))
    ends = INTEGER_RANGE.get(info.type, ()) if info.scales.size else ()
    return Statistics(
        value.size,
        int(np.count_nonzero(wide == 0)),
        int(np.isnan(wide).sum()),
        int(np.isinf(wide).sum()),
        int(sum(np.count_nonzero(value == end) for end in ends)),
        low,
        high,
        mean,
        std,
        numbers is not value,
    )


def change(
    info: TensorInfo, operator: int | None, ours: np.ndarray, was: TensorInfo, theirs: np.ndarray
) -> Change | None:
    """How a value differs from another run's, where the tensor ``was`` perhaps of another scale; None when nothing
    does."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return Change(info.index, info.name, operator, ours.size, ours.size, None, None)
    rescaled = not (np.array_equal(info.scales, was.scales) and np.array_equal(info.zero_points, was.zero_points))
    differ = _bits_differ(ours, theirs)
    if rescaled:
        differ |= _bits_differ(real(info, ours), real(was, theirs))
    if not differ.any():
        return None
    return Change(
        info.index,
        info.name,
        operator,
        ours.size,
        int(np.count_nonzero(differ)),
        _largest(ours[differ], theirs[differ]),
        _largest(real(info, ours)[differ], real(was, theirs)[differ]),
    )


def _bits_differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype == object:
        return np.asarray(a != b)
    words = [np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(*x.shape, x.itemsize) for x in (a, b)]
    return np.asarray((words[0] != words[1]).any(-1))


def _largest(a: np.ndarray, b: np.ndarray) -> float | None:
    """The largest magnitude of a difference; NaN when something is NaN or infinite on one side only."""
    if a.dtype.kind not in "biufc":
        return None
    with np.errstate(all="ignore"):
        kind = np.complex128 if a.dtype.kind == "c" else np.float64
        return float(np.abs(a.astype(kind) - b.astype(kind)).max())
