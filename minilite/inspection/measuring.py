"""How far two arrays of the same tensor are apart, summed over samples in constant memory.

With x from one side and y from the other, as real numbers, over all elements of all samples, in float64:

    SQNR   = 10 log10(sum of x**2 / sum of (y - x)**2)  dB, infinite where they are equal
    cosine = sum of x*y / sqrt(sum of x**2 * sum of y**2)
    bias   = mean of y - x
    gain   = sum of x*y / sum of x**2, the factor by which y is x, as nearly as can be
    steps  = round((y - x) / scale), counted: a histogram in units of the last place of an integer tensor

Elements differ when they are not equal; where only one side is integers, when rounding alone does not explain it: when
they are more than half a step apart. Elements that are the same infinity, or NaN, on both sides are equal and counted
in no sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.inspection.reals import PIECE, dequantized, grid_of, is_real
from minilite.model import Tensor
from minilite.quantization.grid import Grid

Array = np.ndarray
ENDS = 64
"""The histogram's last steps on both sides: all that is farther is counted there."""


@dataclass(frozen=True)
class Element:
    """One element in which two runs differ: the sample's number, the place in the tensor and both raw values."""

    sample: int
    index: tuple[int, ...]
    a: Any
    b: Any


@dataclass(frozen=True)
class Difference:
    """Two tensors compared; see the module. ``largest`` is the largest magnitude of a real difference; ``steps`` is
    None where neither side is integers, or was until it was dequantized, and where their scales vary within the tensor.
    For what is no number, only the counts and ``first`` mean anything; all that is real is NaN. ``range_a`` are the
    ends of x where only y's grid tells what can be held: where the sides are not of the same kind."""

    elements: int
    different: int
    largest: float
    sqnr: float
    cosine: float
    bias: float
    steps: dict[int, int] | None
    first: Element | None
    gain: float = math.nan
    range_a: tuple[float, float] | None = None

    @property
    def share(self) -> float:
        """The share of elements that differ."""
        return self.different / self.elements if self.elements else 0.0

    @property
    def largest_step(self) -> int | None:
        """The largest difference in steps of the integer type, up to :data:`ENDS`."""
        return None if self.steps is None else max((abs(s) for s in self.steps), default=0)


class Measure:
    """Collects a :class:`Difference` of two tensors, sample by sample."""

    def __init__(self, a: Tensor, b: Tensor, step: float | None = None):
        """``step`` is what floats on either side are counted in, which come from a grid that is not theirs."""
        self._a, self._b = grid_of(a), grid_of(b)
        self._same = a.type == b.type and (self._a is None if self._b is None else self._b.alike(self._a))
        self._real = is_real(a) and is_real(b)
        self._step = _step(self._b) or _step(self._a) or step
        self.elements = self.different = 0
        self._xx = self._yy = self._xy = self._ee = self._e = self._largest = 0.0
        self._histogram = np.zeros(2 * ENDS + 1, np.int64)
        self._first: Element | None = None
        self._low, self._high = math.inf, -math.inf

    def add(self, sample: int, a: Array, b: Array) -> None:
        """One sample's raw arrays, of equal shapes."""
        a, b = np.asarray(a), np.asarray(b)
        if not a.size:
            return
        self.elements += a.size
        if not self._real:
            self._count(sample, a, b, _unequal(a, b))
            return
        for start, x, y in self._pieces(a, b):
            error, differs = self._sum(x.astype(np.float64), y.astype(np.float64))
            if not differs:
                self._histogram[ENDS] += error.size
            else:
                self._count(sample, a, b, error != 0 if self._step is None else self._steps_of(error), start)

    def _pieces(self, a: Array, b: Array) -> Iterator[tuple[int, Array, Array]]:
        """The real numbers of both sides, some at a time, and where they start."""
        if any(g is not None and g.axis is not None for g in (self._a, self._b)):
            yield 0, dequantized(self._a, a).reshape(-1), dequantized(self._b, b).reshape(-1)
            return
        one, other = (np.ascontiguousarray(array).reshape(-1) for array in (a, b))
        for i in range(0, a.size, PIECE):
            yield i, dequantized(self._a, one[i : i + PIECE]), dequantized(self._b, other[i : i + PIECE])

    def _sum(self, x: Array, y: Array) -> tuple[Array, bool]:
        """Add to the sums. The errors, and whether there are any; what is not finite is in no other sum."""
        with np.errstate(all="ignore"):
            error = y - x
            square = _dot(error, error)
            if not math.isfinite(square):
                same = (x == y) | (np.isnan(x) & np.isnan(y))
                error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
                finite = np.isfinite(x) & np.isfinite(y)
                x, y = np.where(finite, x, 0.0), np.where(finite, y, 0.0)
                square = _dot(error, error)
            differs = bool(square) or bool(error.any())  # squares may be less than float64's least
            if x.size and not self._same and self._b is not None:
                self._low, self._high = min(self._low, float(x.min())), max(self._high, float(x.max()))
            if differs:
                self._largest = max(self._largest, float(np.abs(error).max()))
                self._ee += square
                self._e += float(error.sum())
            square = _dot(x, x)
            self._xx += square
            self._yy += _dot(y, y) if differs else square
            self._xy += _dot(x, y) if differs else square
        return error, differs

    def _steps_of(self, error: Array) -> Array:
        """Count errors in steps. Which of them are any."""
        assert self._step is not None
        steps = np.rint(np.clip(error / self._step, -ENDS, ENDS)).astype(np.int64)
        self._histogram += np.bincount(steps + ENDS, minlength=2 * ENDS + 1)
        return steps != 0

    def _count(self, sample: int, a: Array, b: Array, differ: Array, start: int = 0) -> None:
        """Count elements that differ; ``differ`` says it of those from ``start`` on."""
        count = int(np.count_nonzero(differ))
        if count and self._first is None:
            place = np.unravel_index(start + int(np.argmax(differ.reshape(-1))), a.shape)
            self._first = Element(sample, tuple(map(int, place)), _plain(a[place]), _plain(b[place]))
        self.different += count

    def result(self) -> Difference | None:
        """What was measured; None where nothing was added."""
        if not self.elements:
            return None
        steps = None if self._step is None or not self._real else self._steps()
        real = (self._largest, self._sqnr(), self._cosine(), self._e / self.elements)
        largest, sqnr, cosine, bias = real if self._real else (math.nan,) * 4
        gain = self._xy / self._xx if self._real and self._xx else math.nan
        range_a = (self._low, self._high) if self._low <= self._high else None
        counts = self.elements, self.different
        return Difference(*counts, largest, sqnr, cosine, bias, steps, self._first, gain, range_a)

    def _steps(self) -> dict[int, int]:
        return {int(i) - ENDS: int(self._histogram[i]) for i in np.flatnonzero(self._histogram)}

    def _sqnr(self) -> float:
        if self._ee == 0:
            return math.inf
        ratio = self._xx / self._ee
        return 10 * math.log10(ratio) if ratio and math.isfinite(self._ee) else -math.inf

    def _cosine(self) -> float:
        length = math.sqrt(self._xx) * math.sqrt(self._yy)
        if length:
            return min(1.0, self._xy / length) if self._ee else 1.0
        return 1.0 if self._xx == self._yy else 0.0


def _step(grid: Grid | None) -> float | None:
    """The step of a grid that has one: a damaged file's scales may be 0, or no numbers."""
    scale = float(grid.scales[0]) if grid is not None and grid.axis is None else 0.0
    return scale if 0 < scale < math.inf else None


def _dot(x: Array, y: Array) -> float:
    """The sum of products, on this thread: for vectors of this size others of BLAS's cost more than they help."""
    return float(np.einsum("i,i->", x, y))


def _unequal(a: Array, b: Array) -> Array:
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)))
    return np.asarray(a != b)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
