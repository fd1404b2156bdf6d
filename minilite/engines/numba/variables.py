"""Variables that compiled steps read and assign in memory of their own, without a step between programs.

Before a run, the arrays that the program's resources hold must be that memory (:meth:`Variables.ready`): one that is
not, because a definition assigned it, or another plan, or a state was restored, is copied and put in its place. A run
that begins without a value, or with one of another type or shape, is left to the definitions, which say what is wrong;
and so is the first, in which CALL_ONCE has something to do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Lowered, Place, Word, is_settled
from minilite.resources import Values
from minilite.spec import TensorInfo

if TYPE_CHECKING:
    from minilite.plan import Plan
    from minilite.resolve import Step

Array = np.ndarray
NONE = Values()
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

    def shorten(self, parts: list[Lowered], seen: set[int]) -> None:
        """Have what comes from a variable be read there, and what goes to it be written there, where nobody could tell:
        no step between needs the variable as it was, or is yet to become."""
        fixed = seen.union(*((*p.step.inputs, *p.step.outputs) for p in parts if p.calls is None))
        users: dict[Word, list[int]] = {}
        for at, part in enumerate(parts):
            for place in {place for call in part.calls or () for place in call.places}:
                users.setdefault(Place(place.tensor), []).append(at)
                if place.offset:
                    fixed.add(place.tensor)
        for tensor in fixed:
            users.pop(Place(tensor), None)
        for at, part in enumerate(parts):
            if part.step.node.op == "ASSIGN_VARIABLE" and part.calls:
                _, source, home = part.calls[0].row
                if not isinstance(source, Place):
                    continue
                using = users.get(source, [])
                made = parts[using[0] : at] if len(using) == 2 else []
                if any(p.calls is None for p in made):
                    continue  # a definition may raise, and then nothing is assigned
                if made and _copies(made[0], source) and not _use(made, home):
                    _exchange(parts[using[0]], source, home)
                    parts[using[0]].writes, parts[using[0]].lasting, part.calls = (), True, []
        for at, part in enumerate(parts):
            if part.step.node.op == "READ_VARIABLE" and part.calls:
                _, home, value = part.calls[0].row
                using = users.get(value, []) if isinstance(value, Place) else []
                if using and not any(p.lasting and _use([p], home) for p in parts[at : using[-1] + 1]):
                    for reader in using[1:]:
                        _exchange(parts[reader], value, home)
                    part.calls, part.writes = [], ()

    def ready(self) -> bool:
        """Whether a compiled run may begin."""
        resources = self.plan.program.resources
        present: Values = resources.get("variables", NONE)
        if present.holder is self:
            return True
        if not self._once.issubset(resources.get("initialized", ())):
            return False
        for key, home in self.homes.items():
            array = present.get(key)
            if array is None or (array.dtype, array.shape) != (home.dtype, home.shape):
                return False
            if array is not home:
                np.copyto(home, array)
                present[key] = home
        present.holder = self
        return True


def _copies(part: Lowered, output: Place) -> bool:
    """Whether a part does nothing but to copy what is in an output."""
    return part.writes == (output.tensor,) and [call.kind for call in part.calls or ()] == [("moving", "pieces")]


def _use(parts: list[Lowered], home: Word) -> bool:
    """Whether one of these parts has a variable in its rows."""
    return any(word is home for part in parts for call in part.calls or () for word in call.row)


def _exchange(part: Lowered, place: Word, home: Word) -> None:
    """Have a part use a variable instead of a tensor."""
    assert part.calls
    rows = [tuple(home if isinstance(word, Place) and word == place else word for word in c.row) for c in part.calls]
    part.calls = [replace(call, row=row) for call, row in zip(part.calls, rows, strict=True)]


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
