"""When each operator of a model is at work, as TFLite Micro counts: one count of moments, in which a called subgraph's
operators lie within the operator that calls it, and both branches of an IF are computed.

A visit of a subgraph takes the same moments whenever it is called. So it is worked out once, and where subgraphs call
each other only the first and the last visit matter: what they write is in use from the first to the last.

Source: ``micro/micro_allocation_info.cc`` of tflite-micro.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from minilite.errors import OperatorError
from minilite.limits import too_deep
from minilite.model import Model, Operator
from minilite.resolve import options_of

NEVER = -1
MOST_MOMENTS = 100_000
"""Operators of a run that are listed one by one, those of called subgraphs once for each call."""
MOST = 2**62
"""Moments."""
CALLS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}
"""The options that name the subgraphs which an operator calls, in TFLite Micro's order."""


def called(model: Model, operator: Operator) -> list[int]:
    """The subgraphs that an operator calls."""
    code = model.operator_codes[operator.opcode_index]
    if code.name not in CALLS:
        return []
    options = options_of(operator, code)
    found = (options[field] for field in CALLS[code.name])
    return [index for index in found if 0 <= index < len(model.subgraphs)]


class Visit:
    """A visit of a subgraph, in moments since it began: ``first`` and ``last`` use of each tensor, ``work`` the moments
    at which each operator begins and ends, ``calls`` (moment, subgraph). It takes ``length`` moments and computes
    ``operators``, those of called subgraphs included."""

    def __init__(self, model: Model, index: int, known: Mapping[int, Visit]):
        graph = model.subgraphs[index]
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.work: list[tuple[int, int]] = []
        self.calls: list[tuple[int, int]] = []
        self.length, self.operators = 0, len(graph.operators)
        self._use(graph.inputs, created=True)
        for operator in graph.operators:
            self._compute(operator, called(model, operator), known)
        self._use(graph.outputs, created=True)

    def _compute(self, operator: Operator, callees: Sequence[int], known: Mapping[int, Visit]) -> None:
        self.length += 1
        begun = self.length
        self._use(operator.outputs or (), created=True)
        for callee in callees:
            self.calls.append((self.length + 1, callee))
            self.length += 1 + known[callee].length
            self.operators += known[callee].operators
        self._use((*(operator.inputs or ()), *(operator.outputs or ())))
        self.work.append((begun, self.length))

    def _use(self, tensors: Sequence[int], created: bool = False) -> None:
        for tensor in tensors:
            if tensor >= 0:
                if created:
                    self.first.setdefault(tensor, self.length)
                self.last[tensor] = self.length


class Run:
    """A model's run: the visits of the subgraphs that are called, and when the first and the last of each begins.

    Raises :class:`OperatorError` when subgraphs call themselves, or each other more than ``most_deep``."""

    def __init__(self, model: Model, most_deep: int | None = None):
        order = _callees_first(model)
        self.visits: dict[int, Visit] = {}
        for index in order:
            self.visits[index] = Visit(model, index, self.visits)
        if self.visits[0].length >= MOST:
            raise OperatorError(f"subgraphs call each other: more than {MOST} operators in all.")
        self._first, self._last, depths = {0: 0}, {0: 0}, {0: 0}
        for index in reversed(order):
            for moment, callee in self.visits[index].calls:
                first, last = self._first[index] + moment, self._last[index] + moment
                self._first[callee] = min(self._first.get(callee, first), first)
                self._last[callee] = max(self._last.get(callee, last), last)
                depths[callee] = max(depths.get(callee, 0), depths[index] + 1)
        if most_deep is not None and max(depths.values()) > most_deep:
            raise OperatorError(too_deep(most_deep))

    def life(self, subgraph: int, tensor: int) -> tuple[int, int]:
        """The first and the last moment at which a tensor is in use; :data:`NEVER` where there is none."""
        if subgraph not in self.visits:
            return NEVER, NEVER
        first, last = (getattr(self.visits[subgraph], name).get(tensor) for name in ("first", "last"))
        return (
            NEVER if first is None else self._first[subgraph] + first,
            NEVER if last is None else self._last[subgraph] + last,
        )

    def at_work(self, subgraph: int, operator: int) -> tuple[int, int]:
        """The moments at which an operator begins for the first and ends for the last time."""
        begun, ended = self.visits[subgraph].work[operator]
        return self._first[subgraph] + begun, self._last[subgraph] + ended

    def moments(self) -> list[tuple[int, int, int]]:
        """(moment, subgraph, operator) of each operator in every visit; of the first visit only where all are more than
        :data:`MOST_MOMENTS`."""
        few = self.visits[0].operators <= MOST_MOMENTS
        begins = self._every_visit() if few else self._first.items()
        return sorted((begun + t, s, i) for s, begun in begins for i, (t, _) in enumerate(self.visits[s].work))

    def _every_visit(self) -> Iterator[tuple[int, int]]:
        """Each visit's subgraph, and when it begins."""
        left = [(0, 0)]
        while left:
            subgraph, begun = left.pop()
            yield subgraph, begun
            left += [(callee, begun + moment) for moment, callee in self.visits[subgraph].calls]


def _callees_first(model: Model) -> list[int]:
    """The subgraphs that the first one calls, directly or by others, and itself, each after those that it calls."""
    callees: dict[int, set[int]] = {}
    left = [0]
    while left:
        index = left.pop()
        if index not in callees:
            callees[index] = {c for operator in model.subgraphs[index].operators for c in called(model, operator)}
            left += callees[index]
    try:
        return list(TopologicalSorter(callees).static_order())
    except CycleError as error:
        raise OperatorError(f"subgraph {error.args[1][0]} calls itself, by way of subgraphs {error.args[1]}.") from None
