"""What is remembered of an operator and of a tensor while samples run: sums and extremes, whose size does not depend on
how many samples there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.fixed_point import wrap32
from minilite.inspection.accumulators import accumulators, bounds, is_wide, sums_products
from minilite.inspection.clamping import Cut, ends, fused, of_reals, of_steps
from minilite.inspection.definitions import Real, reads, real_definition
from minilite.plan import Plan
from minilite.resolve import Step
from minilite.spec import INTEGER_RANGE, Node

Array = np.ndarray
HANDED_ON = ("IF", "WHILE", "CALL_ONCE", "STABLEHLO_COMPOSITE", "STABLEHLO_CASE")


class TensorCount:
    """The lowest and highest integer that a tensor has had."""

    def __init__(self) -> None:
        self.low, self.high = 2**63 - 1, -(2**63)

    def add(self, array: Array) -> None:
        """One run."""
        if array.size:
            self.low, self.high = min(self.low, int(array.min())), max(self.high, int(array.max()))


class OperatorCount:
    """An operator with a quantized first result.

    ``activation``, ``below`` and ``above`` count elements that were cut off (:mod:`.clamping`). Channels are those of
    operators that sum products; for others there is one. ``values`` counts the elements of a channel, ``wrapped`` the
    accumulators beyond int32, ``acc`` has the extremes of what they should be. ``exact`` says that elements cut off
    were recognized; else nothing is known of them."""

    def __init__(self, step: Step):
        self.step = step
        self.sums = sums_products(step)
        self.bounds = bounds(step)
        self.values = self.elements = self.wrapped = 0
        self.exact = False
        self.acc: tuple[int, int] | None = None
        self.activation, self.below, self.above = (np.zeros(1, np.int64) for _ in range(3))
        self.lows, self.highs = np.full(1, np.inf), np.full(1, -np.inf)
        self._node: Node | None = None
        self._real: Real | None = None

    @property
    def free(self) -> bool:
        """Whether the result has a scale of its own: none that is prescribed, or an operand's."""
        operand, type_ = self.step.op.result(0), self.step.node.outputs[0].type
        return not operand.same_as and all(t != type_ for t, _, _ in operand.fixed)

    def add(self, plan: Plan, values: Mapping[int, Array]) -> None:
        """One run."""
        output = plan.value(self.step.outputs[0], values)
        if output is None or not np.size(output):
            return
        rows = self._rows(output)
        self.lows = np.minimum(self.lows, rows.min(axis=0))
        self.highs = np.maximum(self.highs, rows.max(axis=0))
        self.values += len(rows)
        self.elements += output.size
        cut = self._cut(plan, values, output)
        if cut is not None:
            self.exact = True
            self.activation = self.activation + self._count(cut.activation)
            self.below = self.below + self._count(cut.below)
            self.above = self.above + self._count(cut.above)

    def _rows(self, array: Array) -> Array:
        """A column for each channel."""
        return array.reshape(-1, array.shape[-1] if self.sums else 1)

    def _count(self, found: Array) -> Array:
        return np.asarray(np.count_nonzero(self._rows(found), axis=0), np.int64)

    def _cut(self, plan: Plan, values: Mapping[int, Array], output: Array) -> Cut | None:
        info = self.step.node.outputs[0]
        at = ends(info, fused(self.step))
        arrays = [None if i < 0 else plan.value(i, values) for i in reads(self.step)]
        if self.sums:
            return of_steps(self.step.prepared.requantize, self._summed(arrays), at)
        if not self.free or any(o.state for o in self.step.op.inputs) or self.step.op.name in HANDED_ON:
            return None
        if self._node is not self.step.node:  # prepared anew where shapes depend on values
            self._node, self._real = self.step.node, real_definition(self.step)
        return None if self._real is None else of_reals(info, output, self._real(arrays), at)

    def _summed(self, arrays: list[Any]) -> Array:
        """The accumulators as the kernel has them; the extremes of what they should be are remembered."""
        acc = accumulators(self.step, arrays[0], arrays[1], arrays[2] if len(arrays) > 2 else None)
        low, high = int(acc.min()), int(acc.max())
        self.acc = (low, high) if self.acc is None else (min(low, self.acc[0]), max(high, self.acc[1]))
        least, most = INTEGER_RANGE["int32"]
        if is_wide(self.step) or (low >= least and high <= most):
            return acc
        wrapped = wrap32(acc)
        self.wrapped += int(np.count_nonzero(wrapped != acc))
        return np.asarray(wrapped)


def counted(step: Step) -> bool:
    """Whether there is something to count: a first result of integers with one scale."""
    if not step.node.outputs or step.definition is None:
        return False
    info = step.node.outputs[0]
    return info.type in ("int8", "uint8", "int16") and info.scales.size == 1 and bool(info.scales[0] > 0)
