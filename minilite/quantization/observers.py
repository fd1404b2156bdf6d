"""What is remembered of all samples' extremes: as much for ten thousand as for one hundred.

Observers are given recordings (:class:`minilite.quantization.recording.Recording`) and take them row by row.
"""

from __future__ import annotations

import numpy as np

from minilite.quantization.recording import Recording

Array = np.ndarray

BLOCKS = 64
"""Into how many stretches the samples are divided at most."""

HELD_BACK = 10
"""Every so many samples one is kept aside."""


class Peaks:
    """The highest values of each tensor, and how they came about. The order of recordings does not matter.

    Arrays are float32 vectors with an element for each tensor, except where it says otherwise:

    most              over all samples; -inf for a tensor that was never computed
    sample            int64: the first sample that has it; -1 for none
    second            the highest value of all other samples
    mean              float64: of the samples' highest values
    others, held      the highest in nine of ten samples, and in every tenth
    blocks            (64, tensors): the highest in stretches of ``2**shift`` samples
    """

    def __init__(self, tensors: int):
        self.most, self.second, self.others, self.held = np.full((4, tensors), -np.inf, np.float32)
        self.sample = np.full(tensors, -1)
        self.blocks = np.full((BLOCKS, tensors), -np.inf, np.float32)
        self.shift = 0
        self._sum, self._count = np.zeros(tensors), np.zeros(tensors, np.int64)

    @property
    def mean(self) -> Array:
        """NaN for a tensor that was never computed."""
        return np.divide(self._sum, self._count, out=np.full(len(self._sum), np.nan), where=self._count > 0)

    def add(self, rows: Array, index: Array) -> None:
        """Take the samples' highest values, a row for each, ``index`` being their numbers."""
        self._take_highest(rows, index)
        aside = index % HELD_BACK == HELD_BACK - 1
        self.held = np.maximum(self.held, rows[aside].max(axis=0, initial=-np.inf))
        self.others = np.maximum(self.others, rows[~aside].max(axis=0, initial=-np.inf))
        seen = rows > -np.inf
        for row in np.where(seen, rows, 0):  # one by one: sums of floats depend on how they are divided
            self._sum += row
        self._count += seen.sum(axis=0)
        self._coarsen(int(index[-1]))
        np.maximum.at(self.blocks, index >> self.shift, rows)

    def _take_highest(self, rows: Array, index: Array) -> None:
        top, where = rows.max(axis=0), index[rows.argmax(axis=0)]
        earlier = (top == self.most) & (where < self.sample)
        self.sample = np.where((top > self.most) | earlier, where, self.sample)
        known = np.sort(np.concatenate([self.most[None], self.second[None], rows]), axis=0)
        self.most, self.second = known[-1], known[-2]

    def _coarsen(self, last: int) -> None:
        """Have a block for sample ``last``."""
        while last >> self.shift >= BLOCKS:
            half = self.blocks.reshape(-1, 2, self.blocks.shape[1]).max(axis=1)
            self.blocks = np.concatenate([half, np.full_like(half, -np.inf)])
            self.shift += 1


class Extremes:
    """The :class:`Peaks` of tensors at both ends: ``highs`` of their values, ``lows`` of the values' negatives."""

    def __init__(self, tensors: int):
        self.samples = 0
        self.lows, self.highs = Peaks(tensors), Peaks(tensors)

    def add(self, recording: Recording) -> None:
        """Take the samples of a recording."""
        count = len(recording.lows)
        index = np.arange(recording.first, recording.first + count)
        self.samples += count
        self.lows.add(-recording.lows, index)
        self.highs.add(recording.highs, index)

    @property
    def computed(self) -> Array:
        """Which tensors were computed at all."""
        return np.asarray(self.highs.most > -np.inf)

    @property
    def ranges(self) -> tuple[Array, Array]:
        """Lowest and highest values over all samples, each a vector."""
        return -self.lows.most, self.highs.most


class MovingAverage:
    """litert-quantizer's statistics: exponential moving averages of the samples' extremes, in their order.

    The first sample as it is; from then on ``q = 0.95 q + 0.05 x`` in float32, each product rounded. Recordings must be
    given in the samples' order."""

    def __init__(self, tensors: int):
        self.ranges = np.full((2, tensors), np.nan, np.float32)

    def add(self, recording: Recording) -> None:
        """Take the samples of a recording, the one after those taken before."""
        for row in np.stack([recording.lows, recording.highs], axis=1):
            averaged = KEPT * self.ranges + NEW * row
            averaged = np.where(np.isnan(self.ranges), row, averaged)
            self.ranges = np.where(np.isfinite(row), averaged, self.ranges)


KEPT, NEW = np.float32(0.95), np.float32(1.0 - 0.95)
