"""Variables that compiled steps read and assign in memory of their own, without a step between programs.

Before a run, the arrays that the program's resources hold must be that memory (:meth:`Variables.ready`): one that is
not, because a definition assigned it, or another plan, or a state was restored, is copied and put in its place. A run
that begins without a value, or with one of another type or shape, is left to the definitions, which say what is wrong;
and so is the first, in which CALL_ONCE has something to do.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Lowered, Place, Word, is_settled
from minilite.spec import TensorInfo

if TYPE_CHECKING:
    from minilite.plan import Plan
    from minilite.resolve import Step

Array = np.ndarray
USERS = ("READ_VARIABLE", "ASSIGN_VARIABLE")


class Variables:
    """Those of a plan, by id, whose every use is compiled; none where operators call subgraphs, which may use them."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.homes: dict[int, Array] = {}
        self._handles: dict[int, int] = {}
        self._once: set[int] = set()
        steps = plan.schedule
        if any(_calls(step) and step.node.op != "CALL_ONCE" for step in steps):
            return
        self._once = {s.node.options.init_subgraph_index for s in steps if s.node.op == "CALL_ONCE"}
        handles = {s.outputs[0]: int(s.prepared.reshape(-1)[0]) for s in steps if s.node.op == "VAR_HANDLE" and s.call}
        refused = {handles[t] for t in (*plan.subgraph.inputs, *plan.subgraph.outputs) if t in handles}
        found: dict[int, TensorInfo] = {}
        for step in steps:
            for tensor in handles.keys() & set(step.inputs):
                value, key = _value(step), handles[tensor]
                if value is None or not is_settled(plan, step) or not _alike(found.setdefault(key, value), value):
                    refused.add(key)
        self._handles = {tensor: key for tensor, key in handles.items() if key not in refused}
        self.homes = {k: packing.aligned(i.shape, i.dtype) for k, i in found.items() if k not in refused}

    def lower(self, step: Step) -> Lowered | None:
        """A step that has to do with them and nothing else."""
        if step.node.op == "CALL_ONCE" and self.homes:
            return Lowered(step, [], ())
        if step.node.op == "VAR_HANDLE" and step.outputs[0] in self._handles:
            return Lowered(step, [], ())
        if step.node.op not in USERS or step.inputs[0] not in self._handles:
            return None
        home, value = self.homes[self._handles[step.inputs[0]]], _value(step)
        assert value is not None
        other: Word = Place(value.index) if value.value is None else np.ascontiguousarray(value.value)
        source, target = (home, other) if step.node.op == "READ_VARIABLE" else (other, home)
        whole = np.array([[0, 1, 0, 0, home.nbytes]], np.int64)
        call = Call(("moving", "pieces"), 1, (whole, source, target), work=home.nbytes // 16)
        return Lowered(step, [call], tuple(step.outputs), lasting=not step.outputs)

    def ready(self) -> bool:
        """Whether a compiled run may begin."""
        resources = self.plan.program.resources
        if not self._once.issubset(resources.get("initialized", ())):
            return False
        present = resources.get("variables", {})
        if all(map(operator.is_, map(present.get, self.homes), self.homes.values())):
            return True
        for key, home in self.homes.items():
            array = present.get(key)
            if array is None or (array.dtype, array.shape) != (home.dtype, home.shape):
                return False
            np.copyto(home, array)
            present[key] = home
        return True


def _calls(step: Step) -> bool:
    """Whether an operator computes a subgraph."""
    return step.op is None or step.op.custom or any("subgraph" in name for name in step.node.options or ())


def _value(step: Step) -> TensorInfo | None:
    """What a step reads out of a variable, or assigns to it; None if it does something else with its handle."""
    if step.node.op not in USERS or step.call is None or step.waits or step.open:
        return None
    value = step.node.outputs[0] if step.node.op == "READ_VARIABLE" else step.node.inputs[1]
    return None if value is None or value.type == "string" or 0 in value.shape else value


def _alike(a: TensorInfo, b: TensorInfo) -> bool:
    return (a.type, a.shape) == (b.type, b.shape)
