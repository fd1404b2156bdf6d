"""Which of several scales that contradict each other is the wrong one: what the data speak against.

A bias that is not on the scale ``s_input * s_weights`` accuses three scales (:mod:`.inconsistencies`), tensors that
must share a grid and do not accuse each other. An activation's scale is the likely one when another rule accuses it of
the same factor, or when its values say so: with a scale that is ``f`` times too large they take about ``1 / f`` of the
grid, with one that is too small they do not fit. Values take less than the whole grid often enough without a fault, so
a factor of less than :data:`CLEAR` proves nothing. Where a scale is to blame, the fault is the operator's that computes
the tensor, which comes before the one where it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minilite.inspection.inconsistencies import Inconsistency, inconsistencies
from minilite.inspection.places import Key, producer, tensor_name
from minilite.model import Model

FULL = 0.7, 1.2
"""Values take such a share of a grid that was made for them."""
CLEAR = 2.0
"""The least factor, up or down, that the share of a grid in use can speak for."""
CUT = 0.01
"""The share cut off from which a scale may be too small."""
ALIKE = 0.01
Shares = Mapping[Key, float]
"""By tensor."""


@dataclass(frozen=True)
class Verdict:
    """A contradiction, and the operator ``at`` whose scale is to blame: that of ``tensor``, by ``factor``. Without
    ``evidence`` it is the operator itself where the contradiction shows."""

    found: Inconsistency
    at: Key
    tensor: str
    factor: float
    evidence: str

    def said(self, operator: Key) -> str:
        """In words, at one of the operators."""
        where = "" if operator == self.found.operator else f"at operator {self.found.operator[1]} {self.found.name} "
        return f"{where}{self.found.message}{self.evidence and f' {self.evidence}'}"


def verdicts(model: Model, used: Shares, cut: Shares) -> tuple[Verdict, ...]:
    """All contradictions of a file, each with who is to blame: by the share of their grids that tensors use (more than
    1 is more than there is), and by the share of a tensor's values that was cut off."""
    every = inconsistencies(model)
    return tuple(_verdict(model, each, every, used, cut) for each in every)


def _verdict(
    model: Model,
    each: Inconsistency,
    every: Sequence[Inconsistency],
    used: Shares,
    cut: Shares,
) -> Verdict:
    for tensor, factor in _activations(each):
        evidence = _by_others(each, every, tensor, factor) or _by_values(factor, used.get(tensor), cut.get(tensor))
        if evidence:
            maker = producer(model, tensor)
            at = each.operator if maker is None else (tensor[0], maker)
            said = f"It is rather that of tensor {tensor[1]}: {evidence}."
            return Verdict(each, at, tensor_name(model, tensor), factor, said)
    result = (model.subgraphs[each.operator[0]].operators[each.operator[1]].outputs or (-1,))[0]
    name = tensor_name(model, (each.operator[0], result)) if result >= 0 else ""
    return Verdict(each, each.operator, name, each.suspects[0][1], "")


def _activations(found: Inconsistency) -> tuple[tuple[Key, float], ...]:
    """The suspects that data can speak against: not weights and biases."""
    return {"bias": found.suspects[:-2], "shared": found.suspects[::-1]}.get(found.kind, ())


def _by_others(each: Inconsistency, every: Sequence[Inconsistency], tensor: Key, factor: float) -> str:
    """Whether another rule accuses the tensor of the same."""
    for other in every:
        if other is not each and any(t == tensor and abs(f / factor - 1) < ALIKE for t, f in other.suspects):
            return f"operator {other.operator[1]} {other.name} contradicts it by as much"
    return ""


def _by_values(factor: float, used: float | None, cut: float | None) -> str:
    """Whether the tensor's values would fit a grid that is so many times finer or coarser, and do not fit this one."""
    if max(factor, 1 / factor) < CLEAR:
        return ""
    fits = used is not None and FULL[0] <= used * factor <= FULL[1]
    if factor > 1 and fits:
        return f"only {used:.1%} of what its grid holds is used"
    if factor < 1 and cut is not None and cut > CUT:
        return f"{cut:.1%} of its values are cut off"
    return f"{used:.3g} times what its grid holds is needed" if factor < 1 and fits else ""
