"""Hypothesis drives the rows' own descriptions of their valid cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from minilite.cases import Draw
from minilite.ops import OPS
from minilite.spec import Definition, Op
from tests.one_operator import OneOperator, build

T = TypeVar("T")


class HypothesisDraw:
    """A :class:`minilite.cases.Draw` whose choices Hypothesis makes and shrinks; bulk data comes from a drawn seed."""

    def __init__(self, draw: st.DrawFn):
        self._draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


@st.composite
def one_operator(draw: st.DrawFn, op: Op, definition: Definition) -> OneOperator:
    """Valid one-operator models of one row and one combination of types, or any other one of the same label."""
    source = HypothesisDraw(draw)
    chosen = alike(source, op, definition)
    return build(source, op, chosen, op.cases(source, chosen))


def alike(draw: Draw, op: Op, definition: Definition) -> Definition:
    """One of the row's combinations of types with the label of this one."""
    same = [d for d in op.definitions if (d.label, d.arithmetic) == (definition.label, definition.arithmetic)]
    return draw.choice(same) if len(same) > 1 else definition


def rows() -> list[tuple[Op, Definition]]:
    """Every operator and every combination of types, once for each label."""
    unique = {(op.name, d.label): (op, d) for op in OPS.values() for d in reversed(op.definitions)}
    return [unique[key] for key in sorted(unique)]
