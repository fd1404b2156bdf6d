"""Samples for a model whose inputs may be integers: real numbers are put on the inputs' own grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.inspection.places import Key
from minilite.inspection.reals import grid_of, outside, quantized
from minilite.model import Model, Tensor
from minilite.quantization.grid import Grid
from minilite.quantization.inputs import Array, Inputs
from minilite.quantization.representative import RepresentativeDataset, Sample


@dataclass
class Entered:
    """How many real numbers there were, and how many of them the grid cut off below and above."""

    elements: int = 0
    below: int = 0
    above: int = 0

    def add(self, elements: int, below: int, above: int) -> None:
        self.elements, self.below, self.above = self.elements + elements, self.below + below, self.above + above


class Samples(RepresentativeDataset):
    """Representative data (:mod:`minilite.quantization.representative`) for float and for integer models.

    ``entered`` counts, by (subgraph, tensor), the real numbers that were quantized for an input."""

    def __init__(self, model: Model, data: Any, signature: str | None = None):
        self.entered: dict[Key, Entered] = {}
        super().__init__(model, data, signature)

    def _array(self, inputs: Inputs, index: int, value: Any, where: str) -> Array:
        grid, given = single_grid(inputs.tensor(index)), np.asarray(value)
        if grid is not None and given.dtype.kind == "f":
            if not np.isfinite(given).all():
                raise ArgumentError(
                    f"{where}, input {inputs.name(index)!r}: values that are not finite have no integer."
                )
            counts = self.entered.setdefault((inputs.subgraph, index), Entered())
            counts.add(given.size, *outside(grid, given))
            value = quantized(grid, given)
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


def single_grid(tensor: Tensor) -> Grid | None:
    """The grid of an integer tensor with one positive scale; None for any other."""
    grid = grid_of(tensor)
    return grid if grid is not None and grid.scales.size == 1 and grid.scales[0] > 0 else None
