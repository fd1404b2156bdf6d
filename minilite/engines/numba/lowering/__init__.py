"""From prepared steps to calls of kernels, an operator family a file.

A lowering is ``lower(task) -> list of calls, or None`` where there is no kernel for it: the step then runs as its
definition. It takes the integers that the definition's ``prepare`` worked out, so that no arithmetic is said twice, and
it proves the bounds: kernels check nothing. It imports an operator's file only where such an operator is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minilite.engines.numba.calls import Call
from minilite.engines.numba.lowering import binary, elementwise, matmul, movers, pooling, recurrent, reducing, resizing
from minilite.engines.numba.lowering.task import Task
from minilite.mapped import release

if TYPE_CHECKING:
    from minilite.resolve import Step

Lowering = Callable[[Task], list[Call] | None]

LOWERINGS: dict[str, Lowering] = {
    **matmul.LOWERINGS,
    **elementwise.LOWERINGS,
    **binary.LOWERINGS,
    **movers.LOWERINGS,
    **pooling.LOWERINGS,
    **reducing.LOWERINGS,
    **resizing.LOWERINGS,
    **recurrent.LOWERINGS,
}


MOST_SCRATCH = 2**26
"""Bytes. Real models need a few million; strides of a damaged one may ask for more than there is."""


def lower(step: Step) -> list[Call] | None:
    """The calls that compute a step, or None."""
    lowering, task = LOWERINGS.get(step.node.op), Task.of(step)
    if task is None:
        return None
    calls = lowering(task) if lowering is not None else None
    for info in task.node.inputs if calls is not None else ():
        if info is not None and info.value is not None:
            release(info.value)  # packed copies are read from here on
    if any(call.scratch > MOST_SCRATCH for call in calls or ()):
        return None
    return elementwise.by_place(task) if calls is None and step.op.elementwise else calls
