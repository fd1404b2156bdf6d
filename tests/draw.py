"""Draws and computes cases of every row, to see how much of their code that reaches (coverage)."""

from __future__ import annotations

import sys

from minilite.testing.kit import rows
from minilite.testing.one_operator import alike, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw


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
