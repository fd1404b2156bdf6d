"""Which of several scales that contradict each other is the wrong one: what the data speak against.

A bias that is not on the scale ``s_input * s_weights`` accuses three scales (:mod:`.inconsistencies`), tensors that
must share a grid and do not accuse each other. An activation's scale is the likely one when another rule accuses it of
the same factor, or when its integers say so: with a scale that is ``f`` times too large they leave all but ``1 / f`` of
the type unused, with one that is too small they saturate. Then the fault is the operator's that computes it, which
comes before the one where it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from minilite.inspection.inconsistencies import Inconsistency, inconsistencies
from minilite.inspection.places import Key, producer, tensor_name
from minilite.model import Model

ROOM = 1.2
"""A type of which that many times its range would be needed is rather not too coarse."""
CUT = 0.01
"""The share cut off from which a scale may be too small."""
ALIKE = 0.01


@dataclass(frozen=True)
class Blame:
    """Evidence of a run: ``used`` is the share of its integers that a tensor took, ``saturated`` the share of an
    operator's result, by operator and the result's name, that the type cut off, ``clamped`` that of an input."""

    model: Model
    used: Mapping[Key, float]
    saturated: Mapping[tuple[Key, str], float]
    clamped: Mapping[Key, float]

    @cached_property
    def found(self) -> tuple[Inconsistency, ...]:
        """What contradicts itself in the file."""
        return inconsistencies(self.model)

    def located(self) -> Iterator[tuple[Key, str, float, str]]:
        """The operator that is to blame, the tensor whose scale is wrong, by what factor, and in words."""
        for each in self.found:
            accused = ((t, f, self._evidence(each, t, f)) for t, f in _activations(each))
            tensor, factor, evidence = next((a for a in accused if a[2]), (None, each.suspects[0][1], ""))
            if tensor is None:
                yield each.operator, self._result(each.operator), factor, each.message
                continue
            maker = producer(self.model, tensor)
            at = each.operator if maker is None else (tensor[0], maker)
            message = (
                each.message if at == each.operator else f"at operator {each.operator[1]} {each.name} {each.message}"
            )
            yield (
                at,
                tensor_name(self.model, tensor),
                factor,
                f"{message} It is rather that of tensor {tensor[1]}: {evidence}.",
            )

    def _result(self, operator: Key) -> str:
        first = (self.model.subgraphs[operator[0]].operators[operator[1]].outputs or (-1,))[0]
        return tensor_name(self.model, (operator[0], first)) if first >= 0 else ""

    def _evidence(self, found: Inconsistency, tensor: Key, factor: float) -> str:
        """Why it is this one; empty if nothing says so."""
        other = next((o for o in self.found if o is not found and _accuses(o, tensor, factor)), None)
        if other is not None:
            return f"operator {other.operator[1]} {other.name} contradicts it by as much"
        used = self.used.get(tensor)
        if factor > 1 and used is not None and used * factor <= ROOM:
            return f"only {used:.1%} of its integers are used"
        cut = self._cut(tensor)
        return f"its type cuts off {cut:.1%} of the values" if factor < 1 and cut > CUT else ""

    def _cut(self, tensor: Key) -> float:
        maker = producer(self.model, tensor)
        if maker is None:
            return self.clamped.get(tensor, 0.0)
        return self.saturated.get(((tensor[0], maker), tensor_name(self.model, tensor)), 0.0)


def _activations(found: Inconsistency) -> tuple[tuple[Key, float], ...]:
    """The suspects that data can speak against: not weights and biases."""
    return {"bias": found.suspects[:1], "shared": found.suspects[::-1]}.get(found.kind, ())


def _accuses(found: Inconsistency, tensor: Key, factor: float) -> bool:
    return any(t == tensor and abs(f / factor - 1) < ALIKE for t, f in found.suspects)
