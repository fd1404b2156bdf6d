"""Static quantization of a graph: which operators become integers, on which grids, with which constants.

:func:`solve` gives an :class:`Assignment`, which :mod:`minilite.quantization.rewriting` writes down as a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minilite.errors import ArgumentError
from minilite.quantization import recurrent
from minilite.quantization.calibration import is_range
from minilite.quantization.graph import Graph, Node, Place
from minilite.quantization.grid import Array, Grid
from minilite.quantization.operands import constants
from minilite.quantization.schemes import Scheme
from minilite.quantization.sharing import Grids, Shared, group, pushed, requantized

Ranges = Mapping[int, tuple[float, float]]

NO_RANGE = "no range was recorded for"
"""How the reason of an operator starts that stays float for want of a range."""


@dataclass(eq=False)
class Assignment:
    """What becomes of a graph.

    schemes: by node index, of the nodes that become integers. reasons: why the other nodes that hold floats stay float.
    ranges: what was recorded. tensors, reads, writes: grids, see :class:`Shared`. constants: the integers and the grid
    of each constant operand, by place.
    """

    schemes: dict[int, Scheme] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)
    constants: dict[Place, tuple[Grid, Array]] = field(default_factory=dict)
    own: dict[int, Grid] = field(default_factory=dict)


def solve(graph: Graph, ranges: Ranges, wanted: Mapping[int, Scheme | None], per_channel: bool = True) -> Assignment:
    """Assign grids to a graph. ``wanted`` gives the scheme of each node, None for one that stays float."""
    found = Assignment(ranges=dict(ranges))
    for node in graph.nodes:
        if not any(graph.floats((*node.inputs, *node.outputs))):
            continue
        scheme = wanted[node.index]
        scheme = scheme and scheme.settled(graph, node)
        reason = "excluded" if scheme is None else scheme.refusal(graph, node)
        if scheme is None or reason is not None:
            found.reasons[node.index] = str(reason)
        else:
            found.schemes[node.index] = scheme
    while missing := _share(graph, found):
        for index, reason in missing.items():
            del found.schemes[index]
            found.reasons[index] = reason
    for node in chosen(graph, found):
        if node.name in recurrent.OPERAND_TYPES:
            recurrent.keep_with_output(node, found.shared)
    schemes = [(n, found.schemes[n.index]) for n in chosen(graph, found)]
    found.constants = constants(graph, schemes, found.shared, found.own, per_channel)
    return found


def chosen(graph: Graph, found: Assignment) -> list[Node]:
    return [node for node in graph.nodes if node.index in found.schemes]


def _share(graph: Graph, found: Assignment) -> dict[int, str]:
    """Work out the grids; the nodes that lack one, and what they lack."""
    found.shared, found.own = Shared(), {}
    for family in dict.fromkeys(scheme.family for scheme in found.schemes.values()):
        nodes = [n for n in chosen(graph, found) if found.schemes[n.index].family == family]
        scheme = found.schemes[nodes[0].index]
        ours = _ranged(graph, nodes, found.ranges, scheme)
        if scheme.pushes:
            solved = pushed(graph, nodes, ours, scheme.activations)
        else:
            solved = requantized(graph, nodes, ours, scheme.activations, scheme.meets_halfway)
        _read_from_others(graph, nodes, found, solved, ours)
        _merge(graph, nodes, found, solved)
        for tensor, grid in ours.items():
            found.own.setdefault(tensor, grid)
    return {
        n.index: lack for n in chosen(graph, found) if (lack := _lacks(graph, n, found.schemes[n.index], found.shared))
    }


def _ranged(graph: Graph, nodes: list[Node], ranges: Ranges, scheme: Scheme) -> dict[int, Grid]:
    """The grids of the tensors around some nodes, from their own ranges."""
    around = {u.tensor: u for n in nodes for u in (*graph.floats(n.inputs), *graph.floats(n.outputs))}
    _check_widths(graph, {t: ranges[t] for t in sorted(around) if t in ranges})
    grids = {
        t: scheme.numbers.activation(*ranges[t], scheme.activations)
        for t in sorted(around)
        if t in ranges and t not in graph.constants
    }
    for node in nodes:
        grids.update(recurrent.states(node, ranges, grids))
    return grids


def _read_from_others(graph: Graph, nodes: list[Node], found: Assignment, solved: Shared, ours: Grids) -> None:
    """What nodes of another family compute is read on a grid of this one: the group's, or of the tensor's own range."""
    mine = {n.index for n in nodes}
    for node in nodes:
        operands, results = group(graph, node)
        known = [g for u in results if (g := solved.written(node, u))] + [
            g for u in operands if (g := solved.read(node, u))
        ]
        for use in graph.floats(node.inputs):
            producer = graph.producers.get(use.tensor)
            if producer is None or producer.index in mine or producer.index not in found.schemes:
                continue
            grid = known[0] if use in operands and known else ours.get(use.tensor)
            if solved.read(node, use) is None and grid is not None:
                solved.reads[node.index, use.position] = grid


def _check_widths(graph: Graph, ranges: Ranges) -> None:
    for tensor, (low, high) in ranges.items():
        if not is_range(low, high):
            raise ArgumentError(
                f"{graph.name(tensor)} of subgraph {graph.index}: the range from {low} to {high} is too wide for a "
                "scale in float32. Give another one with ranges=, or leave the operators around it float with exclude=."
            )


def _merge(graph: Graph, nodes: list[Node], found: Assignment, solved: Shared) -> None:
    """Put a scheme's grids beside those of others: a tensor keeps the grid of whoever computes it."""
    mine = {u.tensor for n in nodes for u in n.outputs}
    for tensor, grid in solved.tensors.items():
        if tensor in mine or tensor not in found.shared.tensors:
            before = found.shared.tensors.get(tensor)
            found.shared.tensors[tensor] = grid
            if before is not None:
                _read_by_others(graph, nodes, found, tensor, before)
        else:
            for node in nodes:
                for use in node.inputs:
                    if use.tensor == tensor:
                        found.shared.reads[node.index, use.position] = grid
    found.shared.reads.update(solved.reads)
    found.shared.writes.update(solved.writes)


def _read_by_others(graph: Graph, nodes: list[Node], found: Assignment, tensor: int, grid: Grid) -> None:
    ours = {n.index for n in nodes}
    for node, use in graph.readers.get(tensor, ()):
        if node.index not in ours:
            found.shared.reads.setdefault((node.index, use.position), grid)


def _lacks(graph: Graph, node: Node, scheme: Scheme, shared: Shared) -> str | None:
    """What keeps a node from being integers: a tensor for which no range is known, or a grid of its type."""
    inputs, outputs = scheme.types(graph, node)
    for use in graph.floats(node.inputs):
        if use.tensor not in graph.constants and not _is(shared.read(node, use), inputs[use.position]):
            return f"{NO_RANGE} {graph.name(use.tensor)}"
    for use, type_ in zip(node.outputs, outputs, strict=True):
        if graph.is_float(use.tensor) and not _is(shared.written(node, use), type_):
            return f"{NO_RANGE} {graph.name(use.tensor)}"
    return None


def _is(grid: Grid | None, type_: str | None) -> bool:
    return grid is not None and grid.type == type_
