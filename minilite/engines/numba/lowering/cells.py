"""What all LSTMs have in common: their cell, its sizes, and where rows are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Place
from minilite.engines.numba.lowering.task import Task

Array = np.ndarray
INPUT, FORGET, CELL, OUTPUT = GATES = range(4)
OUTPUT_STATE, CELL_STATE = 18, 19


class Cells:
    """The cells of a task. ``together`` says that definitions take the rows of a step at once, not one by one."""

    def __init__(self, task: Task):
        from minilite.ops import lstm

        self.task, input = task, task.input(0)
        self.cell: Any = lstm.cell_of(task.node.inputs)
        self.outputs, self.cells = self.cell.sizes
        self.terms = input.shape[-1]
        self.together = major = lstm.time_major(task.node)
        leading = input.shape[:-1] if input.rank == 3 else (1, *input.shape[:-1])
        self.time, self.batch = leading if major else leading[::-1]
        self._steps = (self.batch, 1) if major else (1, self.time)

    @property
    def places(self) -> tuple[Place, ...]:
        """Input, output and both states."""
        task = self.task
        tensors = (task.input(0), task.output, task.input(OUTPUT_STATE), task.input(CELL_STATE))
        return tuple(Place(info.index) for info in tensors)

    def strides(self, size: int) -> tuple[int, ...]:
        """Bytes from step to step and from row to row of the input and of the output, by the size of an element."""
        return tuple(step * count * size for count in (self.terms, self.outputs) for step in self._steps)

    def by_gate(self, arrays: Sequence[Array | None]) -> Array:
        """Arrays of the gates ``[cells, ...]`` as ``[channels, ...]``: 16 cells of each gate beside each other. A gate
        that is not there is zeros."""
        there = next(a for a in arrays if a is not None)
        wide = np.zeros((4, packing.padded(self.cells, packing.LANES), *there.shape[1:]), there.dtype)
        for gate, array in enumerate(arrays):
            if array is not None:
                wide[gate, : self.cells] = array
        blocks = wide.reshape(4, -1, packing.LANES, *there.shape[1:]).swapaxes(0, 1)
        return np.ascontiguousarray(blocks).reshape(-1, *there.shape[1:])

    def work(self, each: float) -> int:
        """Nanoseconds, by those of a product of a row with a matrix."""
        products = 4 * self.cells * (self.terms + self.outputs)
        return int(self.time * self.batch * (products * each + 20 * self.cells))
