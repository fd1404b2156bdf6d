"""From a histogram of a tensor's values to a range that leaves some of them out.

``percentile``  so many percent of the values are in the range, as many left out below as above.

``entropy``     the symmetric threshold at which the quantized distribution tells most about the true one: the one with
                the least Kullback-Leibler divergence of the values, those outside moved to the ends, from what is left
                of them in so many levels. Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017. Zeros are
                left out of the count, because they are always represented exactly; and any other value that many
                elements share, such as a constant background's, counts only as much as the values around it, because
                it would draw the threshold in (6.7 instead of 44.8 dB in the worst tensor we have seen).

``mse``         the range with the least mean squared error. Within it, a value is off by at most half a step, in the
                mean square step**2 / 12; outside, by its distance from the end. Zeros are always exact. Source: the
                model of R. Banner et al., "Post training 4-bit quantization of convolutional networks for
                rapid-deployment", NeurIPS 2019, with counted values in the place of an assumed distribution.

A range returned holds 0, or ends at the lowest or highest value, and is never wider than the values.
"""

from __future__ import annotations

import numpy as np

from minilite.quantization.histogram import Histogram

Array = np.ndarray
Range = tuple[float, float]

STEPS = {"int8": 255, "uint8": 255, "int16": 65534}
"""From the lowest to the highest integer; of int16, around 0."""


def percentile(histogram: Histogram, percent: float) -> Range:
    """The range that holds ``percent`` of the values, ends of bins; those that are not cut off are the extremes."""
    below = np.cumsum(histogram.counts)
    cut = (100.0 - percent) / 200.0 * below[-1]
    first = int(np.searchsorted(below, cut, side="right"))
    last = len(below) - int(np.searchsorted(np.cumsum(histogram.counts[::-1]), cut, side="right"))
    edges = histogram.edges
    return max(edges[first], histogram.low), min(edges[last], histogram.high)


CANDIDATES = 128
"""Thresholds that are tried."""


def entropy(histogram: Histogram, type_: str) -> Range:
    """The range of least divergence for a type."""
    levels = STEPS[type_] + 1
    counts = _without_peaks(histogram)
    largest = max(abs(histogram.low), abs(histogram.high))
    best, found = np.inf, largest
    for threshold in largest * np.arange(CANDIDATES, 0, -1) / CANDIDATES:
        begin = max(int(np.floor(-threshold / histogram.width)) - histogram.first, 0)
        end = min(int(np.ceil(threshold / histogram.width)) - histogram.first, len(counts))
        if end - begin <= levels:
            break
        divergence = _divergence(counts, begin, end, levels)
        if divergence < best:
            best, found = divergence, threshold
    return max(histogram.low, -found), min(histogram.high, found)


def _without_peaks(histogram: Histogram) -> Array:
    """The counts, those of zeros and of single values that many elements share taken down to their neighbours'."""
    counts = histogram.counts.astype(np.float64)
    if -histogram.first in range(len(counts)):
        counts[-histogram.first] -= histogram.zeros
    around = np.pad(counts, 1)
    fuller = np.maximum(around[:-2], around[2:])
    return np.where(counts > 2 * fuller + NOT_BY_CHANCE, fuller, counts)


NOT_BY_CHANCE = 10
"""Elements that a bin must have more than twice its neighbours, to be taken for a single value."""

NEVER_SEEN = 1e-4
"""Stands for the count of a bin that the quantized distribution leaves empty, so that the divergence is finite."""


def _divergence(counts: Array, begin: int, end: int, levels: int) -> float:
    """Of the counts, those outside moved to the ends, from the inner ones spread over their levels' occupied bins."""
    inner = counts[begin:end]
    true = inner.copy()
    true[0] += counts[:begin].sum()
    true[-1] += counts[end:].sum()
    level = np.arange(len(inner)) * levels // len(inner)
    occupied = inner > 0
    share = np.bincount(level, inner) / np.maximum(np.bincount(level, occupied), 1)
    spread = np.where(occupied, share[level], NEVER_SEEN)
    there = true > 0
    true, spread = true[there] / true.sum(), spread[there] / spread.sum()
    return float((true * np.log(true / spread)).sum())


FRACTIONS = 64
"""Of each end, that are tried; then as many between the neighbours of the best one."""


def mse(histogram: Histogram, type_: str) -> Range:
    """The range of least squared error for a type."""
    if histogram.low == histogram.high:
        return histogram.low, histogram.high
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    fractions = np.arange(1, FRACTIONS + 1) / FRACTIONS
    i, j = _least(histogram, low * fractions, high * fractions, type_)
    finer = np.linspace(-1, 1, FRACTIONS + 1) / FRACTIONS
    lows, highs = (np.clip(fractions[k] + finer, finer[-1], 1) * end for k, end in ((i, low), (j, high)))
    i, j = _least(histogram, lows, highs, type_)
    return max(float(lows[i]), histogram.low), min(float(highs[j]), histogram.high)


def _least(histogram: Histogram, lows: Array, highs: Array, type_: str) -> tuple[int, int]:
    """Which of the lows and which of the highs give the least error together."""
    counts, edges = histogram.counts, histogram.edges
    middles = (edges[:-1] + edges[1:]) / 2
    below, error_below = _beyond(-middles[::-1], counts[::-1], -lows)
    above, error_above = _beyond(middles, counts, highs)
    inside = histogram.total - histogram.zeros - below[:, None] - above
    half = np.maximum(-lows[:, None], highs)
    step = (2 * half if type_ == "int16" else highs - lows[:, None]) / STEPS[type_]
    errors = error_below[:, None] + error_above + inside * step**2 / 12
    i, j = np.unravel_index(np.argmin(errors), errors.shape)
    return int(i), int(j)


def _beyond(values: Array, counts: Array, ends: Array) -> tuple[Array, Array]:
    """How many of the ascending values lie beyond each end, and the sum of their squared distances from it."""
    first = np.searchsorted(values, ends, side="right")
    zeroth, linear, square = (_from(counts * values**power)[first] for power in (0, 1, 2))
    return zeroth, np.maximum(square - 2 * ends * linear + ends**2 * zeroth, 0)


def _from(values: Array) -> Array:
    """The sums of the values from each one on; 0 after the last."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)
