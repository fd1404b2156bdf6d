"""Which operators a search decides about, what they can be, and what the others follow.

Decided are operators with weights, or other constants, or multiply-accumulates. The others (pooling, RESHAPE, ADD of
two results) cost next to nothing in any scheme, but a conversion where theirs is not their neighbours'. So they
*follow*: they take the finest scheme among those of the operators that compute their operands; those that only read the
model's inputs, the finest among their readers'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from minilite.inspection.costs import FINEST_FIRST, Cost, cost, options
from minilite.inspection.macs import operator_macs
from minilite.inspection.preparing import Prepared
from minilite.inspection.trials import Place
from minilite.quantization.graph import Graph, Node
from minilite.quantization.static_model import FLOAT

RANK = {name: i for i, name in enumerate(FINEST_FIRST)}
Decided = dict[Place, str]


class Choices:
    """The operators of a model and the schemes they can have."""

    def __init__(self, bench: Prepared, candidates: Iterable[str]):
        self.graphs = bench.graphs
        candidates = tuple(candidates)
        every = [(g, n) for g in self.graphs for n in g.nodes]
        self.options = {(g.index, n.index): options(g, n, candidates) for g, n in every}
        self.decided = tuple((g.index, n.index) for g, n in every if _weighs(g, n))

    def cost(self, place: Place, scheme: str) -> Cost:
        """What an operator costs under a scheme it can have."""
        return self.options[place][scheme]

    def uniform(self, candidate: str) -> Decided:
        """What operators become that are all given one candidate."""
        return {p: self.nearest(p, candidate) for p in self.decided}

    def nearest(self, place: Place, candidate: str) -> str:
        """What an operator becomes that is given a candidate: itself, or the next finer scheme it can have."""
        found = self.options[place]
        if candidate in found:
            return candidate
        finer = [name for name in found if RANK[name] < RANK[candidate]]
        return finer[-1] if finer else next(iter(found))

    @property
    def finest(self) -> Decided:
        """Every operator in the scheme that loses least."""
        return {p: next(iter(self.options[p])) for p in self.decided}

    def estimate(self, decided: Mapping[Place, str]) -> Cost:
        """The costs of the operators that are decided about, as far as they are known without writing a model."""
        costs = [self.options[p][decided[p]] for p in self.decided]
        return Cost(sum(c.size for c in costs), sum(c.mac_bits for c in costs))

    def complete(self, decided: Mapping[Place, str]) -> dict[Place, str]:
        """The whole assignment: what is decided, and what follows from it."""
        found: dict[Place, str] = dict(decided)
        for g in self.graphs:
            for node in g.nodes:
                self._follow(g, node, found, {m.index for u in node.inputs if (m := g.producers.get(u.tensor))})
            for node in reversed(g.nodes):
                self._follow(g, node, found, {m.index for u in node.outputs for m, _ in g.readers.get(u.tensor, ())})
            for node in g.nodes:
                found.setdefault((g.index, node.index), self.nearest((g.index, node.index), FINEST_FIRST[-1]))
        return found

    def _follow(self, graph: Graph, node: Node, found: dict[Place, str], neighbours: Iterable[int]) -> None:
        place = (graph.index, node.index)
        known = [found[graph.index, i] for i in neighbours if (graph.index, i) in found]
        if place not in found and known:
            found[place] = self.nearest(place, min(known, key=RANK.__getitem__))

    @cached_property
    def followers(self) -> tuple[Place, ...]:
        """The operators that follow and could be something else."""
        return tuple(p for p, found in self.options.items() if p not in self.decided and len(found) > 1)


def _weighs(graph: Graph, node: Node) -> bool:
    return operator_macs(graph.model, graph.subgraph, node.operator) != 0 or cost(graph, node, FLOAT).size > 0
