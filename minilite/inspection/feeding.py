"""Samples for a model whose inputs may be integers: real numbers are put on the inputs' own grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.model import Model, Tensor
from minilite.quantization.grid import Grid
from minilite.quantization.inputs import Array, Inputs
from minilite.quantization.representative import RepresentativeDataset, Sample
from minilite.spec import INTEGER_RANGE


class Samples(RepresentativeDataset):
    """Representative data (:mod:`minilite.quantization.representative`) for float and for integer models."""

    def _array(self, inputs: Inputs, index: int, value: Any, where: str) -> Array:
        grid, given = grid_of(inputs.tensor(index)), np.asarray(value)
        if grid is not None and given.dtype.kind == "f" and np.isfinite(given).all():
            value = entered(grid, given)
        return super()._array(inputs, index, value, where)


def one_sample(model: Model, inputs: Any, signature: str | None = None) -> Sample:
    """Inputs of one run: an array, a list of arrays in the model's order, or a dictionary by name."""
    if isinstance(inputs, list | tuple) and all(hasattr(a, "__array__") for a in inputs):
        inputs = [list(inputs)]
    elif isinstance(inputs, dict):
        inputs = [inputs]
    found = list(Samples(model, inputs, signature))
    if len(found) != 1:
        raise ArgumentError(f"one run has one sample, got {len(found)}; choose one: inputs[:1].")
    return found[0]


def grid_of(tensor: Tensor) -> Grid | None:
    """The grid of an integer tensor with one scale; None for any other."""
    q, type_ = tensor.quantization, str(tensor.type).lower()
    if type_ not in INTEGER_RANGE or q is None or q.scales is None or q.scales.size != 1 or not q.scales[0] > 0:
        return None
    zero = q.zero_points if q.zero_points is not None and q.zero_points.size else np.zeros(1, np.int64)
    return Grid(type_, q.scales, zero)


def entered(grid: Grid, reals: Array) -> Array:
    """``clip(rint(real / scale) + zero_point)``."""
    steps = np.rint(np.asarray(reals, np.float64) / float(grid.scales[0])) + int(grid.zero_points[0])
    return grid.stored(np.clip(steps, *grid.limits))
