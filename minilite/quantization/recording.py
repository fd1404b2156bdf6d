"""Float runs of a model on samples, and what they leave behind: each tensor's extremes, sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.constants import constant_array
from minilite.engines import engine as engine_called
from minilite.errors import ArgumentError
from minilite.interpreter import Interpreter
from minilite.model import Model
from minilite.quantization.histogram import Histogram
from minilite.quantization.representative import Sample
from minilite.watching import watched

Array = np.ndarray
Key = tuple[int, int]
"""Subgraph index, tensor index."""


@dataclass(frozen=True)
class Settings:
    """How samples are run, and what is kept of them.

    ``histograms``: count values, too. ``largest``: values beyond plus or minus this are not looked at.
    ``reset_variables``: before each sample; else state goes on from one to the next, as in the interpreter."""

    kernels: str = "builtin"
    engine: str = "auto"
    histograms: bool = False
    largest: float | None = None
    reset_variables: bool = False


@dataclass(frozen=True, eq=False)
class Recording:
    """What was seen in samples that follow each other, ``first`` being the index of the first.

    ``lows`` and ``highs`` have a row for each sample and a column for each tensor, float32; inf and -inf stand for a
    tensor that was not computed. ``histograms``, one for each tensor, are over all the samples."""

    first: int
    lows: Array
    highs: Array
    histograms: tuple[Histogram, ...] | None = None


def observed(model: Model) -> tuple[Key, ...]:
    """The tensors that have a range: float32, and no constants of the file."""
    return tuple(
        (s, i)
        for s, graph in enumerate(model.subgraphs)
        for i, tensor in enumerate(graph.tensors)
        if tensor.type == "FLOAT32" and tensor.sparsity is None and constant_array(model, tensor, i) is None
    )


def name_of(model: Model, key: Key) -> str:
    """The tensor's name, or its number where it has none."""
    return model.subgraphs[key[0]].tensors[key[1]].name or f"tensor {key[1]} of subgraph {key[0]}"


class Recorder:
    """An interpreter that is watched while it runs samples."""

    def __init__(self, model: Model, settings: Settings):
        self.model, self.settings = model, settings
        self.keys = observed(model)
        self._place = {key: position for position, key in enumerate(self.keys)}
        self._interpreter = Interpreter(
            model,
            kernels=settings.kernels,
            engine=settled(settings.engine),
            experimental_preserve_all_tensors=True,
        )
        self._histograms: list[Histogram] = []
        self._lows: list[Any] = []
        self._highs: list[Any] = []
        self._wrong: set[Key] = set()
        self._variables = [p for (s, i), p in self._place.items() if model.subgraphs[s].tensors[i].is_variable]
        self._begins = True

    def record(self, samples: Iterable[Sample], first: int) -> Recording:
        """Run samples, one after the other. Raises :class:`ArgumentError` when a tensor is NaN or infinite."""
        self._histograms = [Histogram() for _ in self.keys] if self.settings.histograms else []
        with watched(self._interpreter, self._see):
            rows = [self._row(sample, first + i) for i, sample in enumerate(samples)]
        lows, highs = np.array(rows, np.float32).reshape(len(rows), 2, len(self.keys)).swapaxes(0, 1)
        return Recording(first, lows, highs, tuple(self._histograms) if self._histograms else None)

    def _row(self, sample: Sample, position: int) -> tuple[list[Any], list[Any]]:
        """Each tensor's lowest and highest value in one sample."""
        self._lows, self._highs = [np.inf] * len(self.keys), [-np.inf] * len(self.keys)
        self._wrong.clear()
        if self.settings.reset_variables:
            self._interpreter.reset_all_variables()
        if self.settings.reset_variables or self._begins:
            for place in self._variables:  # what they begin with is read as well
                self._lows[place] = self._highs[place] = 0.0
        self._begins = False
        session = self._interpreter._session(sample.subgraph)
        session.feed(sample.arrays)
        session.invoke()
        if self._wrong:
            raise ArgumentError(self._not_finite(position))
        return self._lows, self._highs

    def _see(self, subgraph: int, tensor: int, array: Array) -> None:
        place = self._place.get((subgraph, tensor))
        if place is None or not array.size:
            return
        low, high = array.min(), array.max()
        if not (low > -np.inf and high < np.inf):
            self._wrong.add((subgraph, tensor))
            return
        largest = self.settings.largest
        if largest is not None and (low < -largest or high > largest):
            array = array[np.abs(array) <= largest]
            if not array.size:
                return
            low, high = array.min(), array.max()
        self._lows[place], self._highs[place] = min(low, self._lows[place]), max(high, self._highs[place])
        if self._histograms:
            self._histograms[place].add(array, low, high)

    def _not_finite(self, position: int) -> str:
        key = next(key for key in self._order() if key in self._wrong)
        more = f", and {len(self._wrong) - 1} more tensors after it" if len(self._wrong) > 1 else ""
        return (
            f"sample {position}: tensor {key[1]} {name_of(self.model, key)!r} of subgraph {key[0]} is computed as NaN "
            f"or infinite{more}. Ranges measured from it would be wrong; look at the operator that computes it, or "
            "leave the sample out."
        )

    def _order(self) -> Iterator[Key]:
        """The tensors in the order they are computed, called subgraphs first."""
        for s in reversed(range(len(self.model.subgraphs))):
            graph = self.model.subgraphs[s]
            yield from ((s, i) for i in graph.inputs)
            yield from ((s, i) for operator in graph.operators for i in operator.outputs or ())
        yield from self.keys


def settled(engine: str) -> str:
    """``auto`` as the compiled engine where it can be used. The interpreter's own ``auto`` begins with definitions and
    goes over to compiled code at a moment that depends on the clock; the last bits of float sums would, too."""
    return "numpy" if engine == "auto" and engine_called("auto").name == "numpy" else engine.replace("auto", "numba")
