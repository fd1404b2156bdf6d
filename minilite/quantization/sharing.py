"""Which operands and results share a scale, and what scale that is.

Some kernels move integers without rescaling them: their operands and results must be on one grid. Two ways lead there.

*Pushing* (:func:`pushed`), TFLiteConverter's for int8:

1. Where the result of a same-scale operator follows from its only operand, its own range is dropped, and so on
   downwards. So are the ranges of results that are fixed (SOFTMAX, LOGISTIC, ...).
2. Where a same-scale operator has several operands, its result's range rules: the operands' ranges are dropped, and
   upwards those of same-scale operators that compute them. This holds though others read the operand, too.
3. Ranges that are left are final. Then operators hand on what they know, starting from the end of the graph: a final
   grid of the only operand, of the only result, of the first that has one; else a grid that is not final.
4. A tensor that two groups claim keeps the grid it got first, and is requantized for the other.
5. What a float operator computes gets no grid but its own: without one, the operators that read it stay float.

*Requantizing* (:func:`requantized`): every tensor keeps its own range, a result with a single operand takes that one's,
and operands on another grid than the result of several are requantized in front of the operator.

Source of the first: LiteRT's converter, RemoveRedundantStatsOps in quantization_utils.cc and quantization_driver.cc,
held against its files by tests/test_quantizer_parity.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from minilite.quantization.graph import Graph, Node, Place, Use
from minilite.quantization.grid import Grid, per_tensor

Grids = Mapping[int, Grid]


@dataclass(eq=False)
class Shared:
    """The grids of a graph: of tensors, of what operators read where that differs, of what they write likewise."""

    tensors: dict[int, Grid] = field(default_factory=dict)
    reads: dict[Place, Grid] = field(default_factory=dict)
    writes: dict[Place, Grid] = field(default_factory=dict)

    def read(self, node: Node, use: Use) -> Grid | None:
        """The grid that an operator reads an operand on."""
        return self.reads.get((node.index, use.position), self.tensors.get(use.tensor))

    def written(self, node: Node, use: Use) -> Grid | None:
        """The grid that an operator writes a result on."""
        return self.writes.get((node.index, use.position), self.tensors.get(use.tensor))


def group(graph: Graph, node: Node) -> tuple[list[Use], list[Use]]:
    """The float operands and results of a node that must share a grid; none where there is no such rule."""
    if node.row is None or any(o.state for o in node.row.inputs):
        return [], []
    uses = [u.operand for u in (*node.inputs, *node.outputs)]
    names = {o.name for o in uses if o.same_as} | {o.same_as for o in uses if o.same_as}
    return [u for u in graph.floats(node.inputs) if u.operand.name in names], [
        u for u in graph.floats(node.outputs) if u.operand.name in names
    ]


def fixed(use: Use, type_: str) -> Grid | None:
    """The grid that the row prescribes for a result."""
    return next((per_tensor(t, scale, zero) for t, scale, zero in use.operand.fixed if t == type_), None)


# ---- requantizing ----------------------------------------------------------------------------------------------------


def requantized(
    graph: Graph, nodes: Collection[Node], ranged: Grids, type_: str, meets_halfway: bool = False
) -> Shared:
    """Every tensor on the grid of its own range, see the module. ``nodes`` are those that will be integers. With
    ``meets_halfway`` an operand that nobody else reads is computed on the result's grid right away."""
    shared = Shared({t: g for t, g in ranged.items()})
    free = _free(graph, nodes, type_) if meets_halfway else set()
    for node in nodes:
        operands, results = group(graph, node)
        inner = [u for u in operands if u.tensor not in graph.constants]
        if len(operands) == 1 and inner:
            if (grid := shared.tensors.get(inner[0].tensor)) is not None:
                shared.tensors.update({u.tensor: grid for u in results})
        elif operands and results and (grid := shared.tensors.get(results[0].tensor)) is not None:
            shared.tensors.update({u.tensor: grid for u in operands if u.tensor in free})
            shared.reads.update({(node.index, u.position): grid for u in operands if u.tensor not in free})
        for use in node.outputs:
            if (grid := fixed(use, type_)) is not None:
                shared.tensors[use.tensor] = grid
    return shared


def _free(graph: Graph, nodes: Collection[Node], type_: str) -> set[int]:
    """Results that may be on any grid, and that only one operator reads."""
    results = {
        u.tensor for node in nodes if not any(group(graph, node)) for u in node.outputs if fixed(u, type_) is None
    }
    return {t for t in results if len(graph.readers.get(t, ())) == 1 and t not in graph.subgraph.outputs}


# ---- pushing ---------------------------------------------------------------------------------------------------------


def dropped(graph: Graph, nodes: Collection[Node], ranged: Grids, type_: str) -> set[int]:
    """Tensors whose own ranges do not count (steps 1 and 2)."""
    groups = {node.index: group(graph, node) for node in nodes}
    followed = {
        u.tensor for operands, results in groups.values() if len(operands) == 1 for u in results if u.tensor in ranged
    }
    given = {u.tensor for node in nodes for u in node.outputs if fixed(u, type_) is not None}
    gone = followed | given.intersection(ranged)
    work, seen = sorted(set(ranged) - gone), set[int]()
    while work:
        producer = graph.producers.get(work.pop())
        operands, results = groups.get(producer.index, ([], [])) if producer else ([], [])
        if results:
            above = {u.tensor for u in operands if u.tensor in ranged} - seen
            work.extend(above)
            seen |= above
    return gone | seen


def pushed(graph: Graph, nodes: Collection[Node], ranged: Grids, type_: str) -> Shared:
    """Grids pushed through the operators that share them, see the module. ``nodes`` are those that will be integers."""
    gone = dropped(graph, nodes, ranged, type_)
    shared = _Pushing(graph, nodes, {t: g for t, g in ranged.items() if t not in gone}, type_).run()
    ours = {node.index for node in nodes}
    for tensor in gone:
        if tensor in graph.producers and graph.producers[tensor].index not in ours:
            shared.tensors.pop(tensor, None)
    return shared


class _Pushing:
    """Steps 3 and 4. ``work`` is taken from its end, so that later operators come first."""

    def __init__(self, graph: Graph, nodes: Collection[Node], final: Grids, type_: str):
        self.graph, self.final, self.type_ = graph, final, type_
        self.nodes = {node.index: node for node in nodes}
        self.work = list(nodes)
        self.done: set[int] = set()
        self.shared = Shared(dict(final))

    def run(self) -> Shared:
        while self.work:
            node = self.work.pop()
            if node.index not in self.done:
                self.done.add(node.index)
                self._visit(node)
        return self.shared

    def _visit(self, node: Node) -> None:
        operands, results = group(self.graph, node)
        if results:
            grid = self._choose(node, operands, results)
            if grid is None:
                self.done.discard(node.index)
                return
            for use in operands:
                self._read_on(node, use, grid)
            for use in results:
                self._write_on(node, use, grid)
        for use in node.outputs:
            if (grid := fixed(use, self.type_)) is not None:
                self._write_on(node, use, grid)

    def _choose(self, node: Node, operands: list[Use], results: list[Use]) -> Grid | None:
        """The only operand's final grid, the only result's, the first final one; else the same among the others."""
        inner = [u.tensor for u in operands if u.tensor not in self.graph.constants]
        outer = [u.tensor for u in results]
        final_in, final_out = ([self.final[t] for t in ts if t in self.final] for ts in (inner, outer))
        known = self.shared.tensors
        known_in, known_out = ([known[t] for t in ts if t in known and t not in self.final] for ts in (inner, outer))
        one_in, one_out = len(node.inputs) == 1, len(node.outputs) == 1
        for only, found in ((one_in, final_in), (one_out, final_out), (True, final_in + final_out)):
            if only and found:
                return found[0]
        for only, found in ((one_in, known_in), (one_out, known_out), (True, known_in + known_out)):
            if only and found:
                return found[0]
        return None

    def _read_on(self, node: Node, use: Use, grid: Grid) -> None:
        if use.tensor in self.graph.constants:
            self.shared.reads[node.index, use.position] = grid
            return
        present = self.shared.tensors.get(use.tensor)
        if present is None:
            self.shared.tensors[use.tensor] = grid
            producer = self.graph.producers.get(use.tensor)
            self.work.extend([self.nodes[producer.index]] if producer and producer.index in self.nodes else [])
        elif not grid.alike(present):
            self.shared.reads[node.index, use.position] = grid

    def _write_on(self, node: Node, use: Use, grid: Grid) -> None:
        present = self.shared.tensors.get(use.tensor)
        if present is None:
            self.shared.tensors[use.tensor] = grid
            self.work.extend(n for n, _ in self.graph.readers.get(use.tensor, ()) if n.index in self.nodes)
        elif not grid.alike(present):
            self.shared.writes[node.index, use.position] = grid
