"""A seeded source of choices, and a program that draws and computes cases of every row (for coverage)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from tests.one_operator import build
from tests.ours import compute
from tests.strategies import alike, rows

T = TypeVar("T")


class SeededDraw:
    """A :class:`minilite.cases.Draw` that a seed decides."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high, endpoint=True))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random.integers(len(options)))]


def main(count: int) -> None:
    for op, definition in rows():
        for seed in range(count):
            draw = SeededDraw(seed)
            chosen = alike(draw, op, definition)
            one = build(draw, op, chosen, op.cases(draw, chosen))
            for kernels in ("reference", "builtin", "xnnpack"):
                compute(one.model, kernels, one.inputs)


if __name__ == "__main__":
    main(int(sys.argv[1]))
