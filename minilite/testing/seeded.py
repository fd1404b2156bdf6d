"""A source of choices that a seed decides; no Hypothesis needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class SeededDraw:
    """A :class:`minilite.cases.Draw` that a seed decides."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high, endpoint=True))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random.integers(len(options)))]
