"""Draws and computes cases of every row, to see how much of their code that reaches (coverage)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress

from minilite.errors import OperatorError
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, alike, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.micro import has, narrowed


def main(count: int) -> None:
    for op, definition in rows():
        for one in cases(op, definition, count):
            for kernels in ("reference", "builtin", "xnnpack"):
                compute(one.model, kernels, one.inputs)
        for one in cases(*narrowed(op, definition), count) if has(op, definition, "tflm") else ():
            with suppress(OperatorError):  # operands that are not constant
                compute(one.model, "tflm", one.inputs)


def cases(op: Op, definition: Definition, count: int) -> Iterator[OneOperator]:
    for seed in range(count):
        draw = SeededDraw(seed)
        chosen = alike(draw, op, definition)
        yield build(draw, op, chosen, op.cases(draw, chosen))


if __name__ == "__main__":
    main(int(sys.argv[1]))
