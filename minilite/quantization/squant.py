"""Rounding weights without data, for inputs as they usually are.

What comes into a layer is seldom centred around 0, RELU sees to that, and neighbouring pixels of a channel are much
alike. So errors within a row of weights should cancel: within each kernel (the taps of one input channel), and within
the row as a whole. That is the error for inputs of energy

    H = I + KERNEL * (1 between taps of the same input channel) + ROW * (1 everywhere)

and the integers are those :mod:`minilite.quantization.hessian_rounding` finds for it, with the best of some scales for
each row. Source: Guo et al. 2022, "SQuant: On-the-fly data-free quantization via diagonal Hessian approximation", whose
three terms these are; the scales and the way to the integers are GPTQ's here.
"""

from __future__ import annotations

import numpy as np

from minilite.quantization.clipping import by_channel, clipped, from_channels
from minilite.quantization.grid import Array, Grid
from minilite.quantization.hessian_rounding import FRACTIONS, best_of
from minilite.quantization.numbers import LITERT, Numbers
from minilite.quantization.weight import Choice, Rounded, Weight

KERNEL, ROW = 1.0, 0.3


def squant(numbers: Numbers = LITERT) -> Choice:
    """A choice of integers that needs no data; ``numbers`` gives the widest scales. Tables that are looked up and
    weights with one scale for all get a searched clip (:mod:`minilite.quantization.clipping`)."""
    clip = clipped(numbers)

    def choose(weight: Weight) -> Rounded:
        if weight.axis is None or "EMBEDDING_LOOKUP" in weight.operators:
            return clip(weight)
        grid = numbers.weight(weight.values, weight.axis, weight.bits)
        rows = by_channel(weight.values, weight.axis).astype(np.float64)
        tries = [grid.scales[:, None] * np.float32(f) for f in FRACTIONS[weight.bits]]
        energy = assumed_energy(rows.shape[1], _channels(weight.values.shape, weight.axis))
        q, scales = best_of(tries, rows, energy, weight.limits)
        chosen = Grid(grid.type, scales[:, 0].copy(), grid.zero_points, grid.axis)
        return Rounded(chosen, from_channels(q, weight.values.shape, weight.axis).astype(np.int64))

    return choose


def _channels(shape: tuple[int, ...], axis: int) -> int:
    """How many input channels a row of weights takes turns with: filters of images end in them, but for those of
    DEPTHWISE_CONV_2D, which have one. 0 for matrices, whose rows have one term of each."""
    return 0 if len(shape) != 4 else 1 if axis == 3 else shape[3]


def assumed_energy(terms: int, channels: int) -> Array:
    """The energy of a row's inputs, of which every ``channels``-th belongs to the same channel (0: none do)."""
    energy = np.eye(terms) + ROW
    if channels:
        channel = np.arange(terms) % channels
        energy += KERNEL * (channel[:, None] == channel)
    return energy
