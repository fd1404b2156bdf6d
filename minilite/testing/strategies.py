"""Hypothesis drives the rows' own descriptions of their valid cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from minilite.spec import Definition, Op
from minilite.testing.one_operator import OneOperator, alike, build

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
