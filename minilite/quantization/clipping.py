"""Searched clipping: scales that make the squared error of weights least, instead of reaching the largest magnitude.

A few large weights stretch a grid of 16 steps. Saturating them costs less than what all others gain: for each channel,

    scale = argmin over s of  sum of h * (w - s * clip(round(w / s), low, high)) ** 2

over a fan of fractions of the scale that reaches the largest magnitude. ``h`` is 1, or how much the error of each
weight matters. Sources: Banner, Nahshan and Soudry 2019, "Post training 4-bit quantization of convolutional networks
for rapid-deployment" (clipping); Choukroun et al. 2019, "Low-bit quantization of neural networks for efficient
inference" (the search for the least squared error, OMSE).
"""

from __future__ import annotations

import numpy as np

from minilite.quantization.grid import Array, Grid
from minilite.quantization.numbers import LITERT, Numbers
from minilite.quantization.weight import Choice, Rounded, Weight

FRACTIONS = np.linspace(1.15, 0.35, 81, dtype=np.float32)
"""Of the scale that reaches the largest magnitude. Those above 1 let the middle of a channel's values fall better."""


def clipped(numbers: Numbers = LITERT) -> Choice:
    """A choice of searched clipping; ``numbers`` gives the widest scales."""

    def choose(weight: Weight) -> Rounded:
        grid = numbers.weight(weight.values, weight.axis, weight.bits)
        rows = by_channel(weight.values, weight.axis)
        limits = weight.limits
        scales = searched(rows, grid.scales, limits)
        chosen = Grid(grid.type, scales, grid.zero_points, grid.axis)
        return Rounded(chosen, from_channels(steps(rows, scales, limits), weight.values.shape, weight.axis))

    return choose


def by_channel(values: Array, axis: int | None) -> Array:
    """The values as a matrix with a row for each scale."""
    return values.reshape(1, -1) if axis is None else np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def from_channels(rows: Array, shape: tuple[int, ...], axis: int | None) -> Array:
    """The inverse of :func:`by_channel`."""
    if axis is None:
        return rows.reshape(shape)
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.moveaxis(rows.reshape(moved), 0, axis)


def steps(rows: Array, scales: Array, limits: tuple[int, int]) -> Array:
    """The nearest integers of rows that have a scale each."""
    return np.clip(np.rint(rows / scales[:, None]), *limits).astype(np.int64)


def searched(rows: Array, widest: Array, limits: tuple[int, int], importance: Array | None = None) -> Array:
    """The best scale of each row, among fractions of the widest one. ``importance`` has the shape of the rows or of
    one of them."""
    best, least = widest, np.full(len(rows), np.inf)
    for fraction in FRACTIONS:
        scales = (widest * fraction).astype(np.float32)
        squares = (steps(rows, scales, limits) * scales[:, None] - rows) ** 2
        error = (squares if importance is None else squares * importance).sum(axis=1, dtype=np.float64)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return best
