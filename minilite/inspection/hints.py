"""Why an operator may be off in a comparison: what a scale's being wrong looks like from outside.

    contradiction  scales in the file contradict each other (:mod:`.inconsistencies`): a bias that is not on
                   s_input * s_weights shows at the operator that adds it, whichever of the three is wrong
    constants      weights or a bias that are not the other side's, beyond what quantizing does (:mod:`.weights_apart`)
    input          an input's numbers lie outside of its grid; said at the operator that reads it first
    room           the other side's values take little of what the result's grid holds, or do not fit it
    scales         both sides are integers of the same type, and one has a scale several times the other's
    gain           the results are the other side's times a constant. Where an operator hands integers on as they are,
                   their scale is wrong. One that multiplies by weights divides by that scale, and takes no harm from a
                   wrong one: there it is the weights

Nothing here is measured for its own sake; the numbers are those of :mod:`.measuring`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from minilite.inspection.blame import Verdict, verdicts
from minilite.inspection.constants_apart import constants_apart
from minilite.inspection.inconsistencies import times
from minilite.inspection.measuring import Difference
from minilite.inspection.places import Key, operator_name
from minilite.inspection.reals import grid_of
from minilite.model import Model
from minilite.ops import OPS
from minilite.quantization.grid import Grid
from minilite.spec import Operand

LITTLE, MUCH = 0.3, 1.5
"""Shares of a grid: less than the one is little, more than the other does not fit."""
CLAMPED = 0.01
LOW = 25.0
"""dB below which values that do not fit matter."""
APART = 1.5
"""Scales that are that many times as large are worth a word."""
GAIN, COSINE = 0.1, 0.995
"""A constant factor is one that is off by so much, between values that have such a cosine."""


class Hints:
    """Hints for the results of ``b``; ``accumulated`` are their differences to the counterparts in ``a``."""

    def __init__(self, a: Model, b: Model, counterparts: Mapping[Key, Key], accumulated: Mapping[Key, Difference]):
        self.a, self.b, self.counterparts, self.accumulated = a, b, counterparts, accumulated
        used = {k: v for k, d in accumulated.items() if (v := self._used(k, d)) is not None}
        self.used = used
        self.verdicts: tuple[Verdict, ...] = () if a is b else verdicts(b, used, {})
        self.constants = {} if a is b else constants_apart(a, b, counterparts)
        self.readers = _first_readers(b)

    def of(self, key: Key, operator: Key, isolated: Difference | None) -> tuple[str, ...]:
        """Those of a result and of the operator that computes it."""
        found = isolated or self.accumulated[key]
        return tuple(
            (
                *self._contradictions(operator),
                *self.constants.get(operator, ()),
                *self._inputs(operator),
                *self._room(key, operator, found),
                *self._gains(key, operator, found),
            )
        )

    def _contradictions(self, operator: Key) -> Iterator[str]:
        for verdict in self.verdicts:
            if verdict.found.operator in self.constants:  # these know better
                verdict = dataclasses.replace(verdict, at=verdict.found.operator, evidence="")
            if operator == verdict.found.operator:
                yield verdict.said(operator)
            elif operator == verdict.at:
                other = f"operator {verdict.found.operator[1]} {verdict.found.name}"
                yield f"{other} contradicts the scale of the result: it is {times(verdict.factor)} what fits there."

    def _inputs(self, operator: Key) -> Iterator[str]:
        for key, reader in self.readers.items():
            found, grid = self.accumulated.get(key), self._grid(key)
            if reader != operator or found is None or grid is None or found.range_a is None or found.share <= CLAMPED:
                continue
            low, high = (f"{v:.4g}" for v in found.range_a)
            holds = " to ".join(f"{v:.4g}" for v in grid.range)
            yield (
                f"{found.share:.1%} of the input's numbers, {low} to {high}, lie outside of what its grid holds "
                f"({holds}) and were clamped: its scale or zero point is wrong, or the data are scaled otherwise."
            )

    def _room(self, key: Key, operator: Key, found: Difference) -> Iterator[str]:
        used, grid, ranges = self.used.get(key), self._grid(key), self.accumulated[key].range_a
        if used is None or grid is None or ranges is None or self._bound(key, operator):
            return
        low, high = (f"{v:.4g}" for v in ranges)
        holds = " to ".join(f"{v:.4g}" for v in grid.range)
        if 0 < used < LITTLE:
            yield (
                f"the other side's values, {low} to {high}, take {used:.1%} of what the grid of the result holds "
                f"({holds}): its scale could be {1 / used:.1f} times finer."
            )
        elif used > MUCH and found.sqnr < LOW:
            yield (
                f"the other side's values, {low} to {high}, need {used:.1f} times what the grid of the result holds "
                f"({holds}): its scale is too small for them, or was calibrated with other data."
            )

    def _gains(self, key: Key, operator: Key, found: Difference) -> Iterator[str]:
        ours, theirs = self._grid(key), self._their_grid(key)
        if ours is not None and theirs is not None and ours.type == theirs.type:
            factor = float(ours.scales[0]) / float(theirs.scales[0])
            if not 1 / APART < factor < APART:
                yield f"the scale of the result is {times(factor)} the other side's."
        clamped = (self.used.get(key) or 0) > MUCH
        if (
            operator not in self.constants
            and abs(found.gain - 1) > GAIN
            and found.cosine > COSINE
            and found.gain > 0
            and not clamped
        ):
            said = f"the results are {times(found.gain)} the other side's throughout (cosine {found.cosine:.4f})"
            yield f"{said}{self._why(key, operator)}."

    def _why(self, key: Key, operator: Key) -> str:
        """What a constant factor in the results of an operator comes from."""
        if self._operand(key, operator).same_as is not None:
            return ": their scale is wrong, and not their integers"
        found = self.b.subgraphs[operator[0]].operators[operator[1]]
        row = OPS.get(operator_name(self.b, found))
        inputs = () if row is None else (row.of(found.options).operand(i) for i in range(len(found.inputs or ())))
        if any(operand.role == "weight" for operand in inputs):
            return ": its weights, their scale or that of its input are off by as much"
        return ""

    def _used(self, key: Key, difference: Difference) -> float | None:
        """The share of its grid that the other side's values need, and 0, which every grid holds."""
        grid, ranges = self._grid(key), difference.range_a
        if grid is None or ranges is None:
            return None
        low, high = grid.range
        return (max(ranges[1], 0.0) - min(ranges[0], 0.0)) / (high - low)

    def _grid(self, key: Key) -> Grid | None:
        return _single(grid_of(self.b.subgraphs[key[0]].tensors[key[1]]))

    def _their_grid(self, key: Key) -> Grid | None:
        s, t = self.counterparts[key]
        return _single(grid_of(self.a.subgraphs[s].tensors[t]))

    def _bound(self, key: Key, operator: Key) -> bool:
        """Whether the operator does not choose the scale of the result."""
        operand = self._operand(key, operator)
        type_ = str(self.b.subgraphs[key[0]].tensors[key[1]].type).lower()
        return operand.same_as is not None or any(t == type_ for t, _, _ in operand.fixed)

    def _operand(self, key: Key, operator: Key) -> Operand:
        """What the operator's row says of a result."""
        found = self.b.subgraphs[operator[0]].operators[operator[1]]
        name = operator_name(self.b, found)
        return OPS[name].of(found.options).result((found.outputs or ()).index(key[1])) if name in OPS else Operand("")


def _first_readers(model: Model) -> dict[Key, Key]:
    """The inputs of the model, each with the operator that reads it first."""
    graph = model.subgraphs[0]
    places = (
        (t, next((i for i, o in enumerate(graph.operators) if t in (o.inputs or ())), None)) for t in graph.inputs
    )
    return {(0, t): (0, i) for t, i in places if i is not None}


def _single(grid: Grid | None) -> Grid | None:
    return grid if grid is not None and grid.axis is None and grid.scales[0] > 0 else None
