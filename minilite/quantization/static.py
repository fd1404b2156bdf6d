"""Static quantization of a graph: which operators become integers, on which grids, with which constants.

:func:`solve` gives an :class:`Assignment`, which :mod:`minilite.quantization.rewriting` writes down as a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from minilite.quantization import recurrent
from minilite.quantization.graph import Graph, Node, Place, Use
from minilite.quantization.grid import Array, Grid
from minilite.quantization.schemes import Scheme
from minilite.quantization.sharing import Shared, pushed, requantized

BIAS_MAX = (2**31 - 1) // 2
"""The largest bias in steps of its scale: half of int32, which leaves the other half to the products."""

SYMMETRIC = {("PRELU", "alpha")}
"""Constants that are no weights and have zero point 0 all the same."""

Ranges = Mapping[int, tuple[float, float]]


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
        reason = "excluded" if scheme is None else scheme.refusal(graph, node)
        if scheme is None or reason is not None:
            found.reasons[node.index] = str(reason)
        else:
            found.schemes[node.index] = scheme
    while missing := _share(graph, found):
        for index, reason in missing.items():
            del found.schemes[index]
            found.reasons[index] = reason
    for node in _chosen(graph, found):
        _fill(graph, node, found, per_channel)
    return found


def _chosen(graph: Graph, found: Assignment) -> list[Node]:
    return [node for node in graph.nodes if node.index in found.schemes]


def _share(graph: Graph, found: Assignment) -> dict[int, str]:
    """Work out the grids; the nodes that lack one, and what they lack."""
    found.shared, found.own = Shared(), {}
    for scheme in dict.fromkeys(found.schemes.values()):
        nodes = [n for n in _chosen(graph, found) if found.schemes[n.index] == scheme]
        ours = _ranged(graph, nodes, found.ranges, scheme)
        solved = (pushed if scheme.pushes else requantized)(graph, nodes, ours, scheme.activations)
        _merge(graph, nodes, found, solved)
        for tensor, grid in ours.items():
            found.own.setdefault(tensor, grid)
    return {n.index: lack for n in _chosen(graph, found) if (lack := _lacks(graph, n, found.shared)) is not None}


def _ranged(graph: Graph, nodes: list[Node], ranges: Ranges, scheme: Scheme) -> dict[int, Grid]:
    """The grids of the tensors around some nodes, from their own ranges."""
    around = {u.tensor: u for n in nodes for u in (*graph.floats(n.inputs), *graph.floats(n.outputs))}
    grids = {
        t: scheme.numbers.activation(*ranges[t], scheme.activations)
        for t in sorted(around)
        if t in ranges and t not in graph.constants
    }
    for node in nodes:
        grids.update(recurrent.states(node, ranges, grids))
    return grids


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


def _lacks(graph: Graph, node: Node, shared: Shared) -> str | None:
    """What keeps a node from being integers: a tensor for which no range is known."""
    for use in graph.floats(node.inputs):
        if use.tensor not in graph.constants and shared.read(node, use) is None:
            return f"no range was recorded for {graph.name(use.tensor)}"
    for use in graph.floats(node.outputs):
        if shared.written(node, use) is None:
            return f"no range was recorded for {graph.name(use.tensor)}"
    return None


# ---- constants -------------------------------------------------------------------------------------------------------


def _fill(graph: Graph, node: Node, found: Assignment, per_channel: bool) -> None:
    """The integers of a node's constant operands: weights first, since biases follow from them."""
    scheme = found.schemes[node.index]
    if node.name in recurrent.OPERAND_TYPES:
        recurrent.keep_with_output(node, found.shared)
    for use in graph.floats(node.inputs):
        if use.tensor not in graph.constants or use.operand.role == "bias":
            continue
        grid = found.shared.reads.get((node.index, use.position)) or _constant_grid(
            graph, node, use, scheme, per_channel
        )
        narrow = grid.axis is not None or use.operand.role == "weight" or (node.name, use.operand.name) in SYMMETRIC
        found.constants[node.index, use.position] = (
            grid,
            scheme.numbers.integers(graph.constants[use.tensor], grid, narrow and grid.type == "int8"),
        )
    for use in graph.floats(node.inputs):
        if use.operand.role == "bias":
            _fill_bias(graph, node, use, found, scheme)


def _constant_grid(graph: Graph, node: Node, use: Use, scheme: Scheme, per_channel: bool) -> Grid:
    values = graph.constants[use.tensor]
    if node.name in recurrent.OPERAND_TYPES:
        return recurrent.weight(node, use, values, scheme.numbers)
    if use.operand.role == "weight":
        axis = use.operand.axis if per_channel else None
        return scheme.numbers.weight(values, axis, scheme.weight_bits)
    if (node.name, use.operand.name) in SYMMETRIC and scheme.activations == "int8":
        return scheme.numbers.weight(values, None)
    return scheme.numbers.constant(values, scheme.activations)


def _fill_bias(graph: Graph, node: Node, use: Use, found: Assignment, scheme: Scheme) -> None:
    """``scale = input scale * weight scale``; where int32 would not hold the bias, larger scales of both."""
    source, weights = (node.named(name) for name in use.operand.scale_of)
    assert source is not None
    assert weights is not None
    read = found.shared.read(node, source)
    assert read is not None
    values = graph.constants[use.tensor]
    place = (node.index, weights.position)
    if place not in found.constants:  # weights that are computed
        computed = found.shared.read(node, weights)
        assert computed is not None
        grid = scheme.numbers.bias(read.scales[0], computed, scheme.bias)
    else:
        weight = found.constants[place][0]
        grid = scheme.numbers.bias(read.scales[0], weight, scheme.bias)
        if scheme.adjusts_bias:
            weight, grid = _adjusted(values, read, weight, grid)
            if weight is not found.constants[place][0]:
                again = scheme.numbers.integers(graph.constants[weights.tensor], weight, narrow=True)
                found.constants[place] = (weight, again)
    found.constants[node.index, use.position] = (grid, scheme.numbers.integers(values, grid))


def _adjusted(values: Array, source: Grid, weight: Grid, bias: Grid) -> tuple[Grid, Grid]:
    """Both grids, with larger scales in the channels whose bias exceeds :data:`BIAS_MAX` steps."""
    largest = np.abs(values.reshape(-1).astype(np.float64))
    if weight.axis is None:
        largest = largest.max(initial=0, keepdims=True)
    if len(largest) != len(bias.scales):
        return weight, bias
    over = largest / bias.scales > BIAS_MAX
    if not over.any():
        return weight, bias
    wider = largest / BIAS_MAX
    scales = np.where(over, wider / float(source.scales[0]), weight.scales).astype(np.float32)
    biases = np.where(over, wider, bias.scales).astype(np.float32)
    return (
        Grid(weight.type, scales, weight.zero_points, weight.axis),
        Grid(bias.type, biases, bias.zero_points, bias.axis),
    )
