"""A source that remembers a few elements of all that it computed: what histograms and scatter plots are drawn from.

Of an array of n elements the places are drawn once, by a generator seeded with n: two sources that compute tensors of
the same size remember the same elements of them.
"""

from __future__ import annotations

import functools

import numpy as np

from minilite.inspection.sources import Key, Source, Values
from minilite.model import Model
from minilite.quantization.representative import Sample

Array = np.ndarray
ELEMENTS = 512
"""Of each tensor in each run, at most."""
RUNS = 8
"""The first ones, that are remembered."""


class Recorded:
    """A :class:`~minilite.inspection.sources.Source` around another one. ``samples`` are all that it was run on."""

    def __init__(self, inner: Source):
        self.inner = inner
        self.samples: list[Sample] = []
        self._kept: dict[Key, list[Array]] = {}

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def label(self) -> str:
        return self.inner.label

    @property
    def model(self) -> Model:
        return self.inner.model

    def of(self, model: Model) -> Source | None:
        return self.inner.of(model)

    def run(self, sample: Sample) -> Values:
        found = self.inner.run(sample)
        if len(self.samples) < RUNS:
            for key, array in found.items():
                self._kept.setdefault(key, []).append(_some(np.asarray(array)))
        self.samples.append(sample)
        return found

    def elements(self, key: Key) -> Array:
        """Raw values of a tensor, in one row; none for one that was never computed."""
        return np.concatenate(self._kept[key]) if key in self._kept else np.empty(0)


def _some(array: Array) -> Array:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.copy() if flat.size <= ELEMENTS else flat[_places(flat.size)]


@functools.lru_cache(maxsize=1024)
def _places(size: int) -> Array:
    return np.sort(np.random.default_rng(size).choice(size, ELEMENTS, replace=False, shuffle=False))
