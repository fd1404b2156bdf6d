"""What a step becomes: calls of kernels, whose rows name memory that is not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba.objects import Kind

if TYPE_CHECKING:
    from minilite.plan import Plan
    from minilite.resolve import Step


@dataclass(frozen=True)
class Place:
    """The memory of a tensor of the plan, ``offset`` bytes from its beginning."""

    tensor: int
    offset: int = 0


Word = int | Place | np.ndarray
"""A number of a kernel's row; arrays and places stand for their addresses."""


PIECES = 16
"""Into how many pieces work is cut for two threads."""
WORTH_SHARING = 1500
"""Nanoseconds of work from which on it is shared."""


def is_worth_sharing(work: int) -> bool:
    """Whether so many nanoseconds of work are."""
    return work >= WORTH_SHARING


@dataclass(frozen=True)
class Call:
    """A call of a kernel: its units of work, the row it reads, the bytes of scratch memory it needs. ``work`` is what
    it takes on one core of today, in nanoseconds, roughly."""

    kind: Kind
    units: int
    row: tuple[Word, ...]
    scratch: int = 0
    work: int = 0

    @property
    def piece(self) -> int:
        """How many units are worth handing to another thread; 0 where it is quicker to do them all at once."""
        return max(1, self.units // PIECES) if self.units > 1 and is_worth_sharing(self.work) else 0

    @property
    def places(self) -> list[Place]:
        """The tensors it reads and writes."""
        return [word for word in self.row if isinstance(word, Place)]


@dataclass
class Lowered:
    """A step and its calls, None where its definition runs; ``writes``: the tensors it makes. ``lasting``: it is needed
    whoever reads those."""

    step: Step
    calls: list[Call] | None
    writes: tuple[int, ...]
    lasting: bool = False


def is_settled(plan: Plan, step: Step) -> bool:
    """Whether all tensors of a step are what it was prepared for, from the beginning of a run to its end.

    Kernels check nothing, and a tensor has one place in memory: it must be as large as every step takes it to be, and
    written once."""
    tensors = [*(i for i in step.node.inputs if i is not None), *step.node.outputs]
    alike = all((plan.infos[t.index].shape, plan.infos[t.index].type) == (t.shape, t.type) for t in tensors)
    return alike and plan.rewritten.isdisjoint((*step.inputs, *step.outputs))


def words(values: object) -> np.ndarray:
    """Constants that a kernel reads, one after the other."""
    return np.ascontiguousarray(values)
