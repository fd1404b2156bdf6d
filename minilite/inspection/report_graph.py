"""Where a report draws the operators of a subgraph: one below the other, in the order in which they run.

Tensors that the next operator reads are straight lines; those that a later one reads are arcs on the right, each in
the first lane that is free over its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from minilite.inspection.tensor_names import short
from minilite.model import Model

ROW = 38
NODE = 26
WIDTH = 250
LANE = 9
LANES = 14
"""Beyond these, arcs share lanes."""


@dataclass(frozen=True)
class Node:
    """An operator (its ``id`` as in the table), or an input or output of the subgraph (``id`` is empty)."""

    y: int
    label: str
    operator: int | None


@dataclass(frozen=True)
class Drawing:
    """Nodes from top to bottom and the paths between them."""

    nodes: tuple[Node, ...]
    lines: str
    arcs: tuple[str, ...]
    width: int
    height: int


def drawing(model: Model, subgraph: int) -> Drawing:
    """A subgraph's drawing."""
    graph = model.subgraphs[subgraph]
    labels = [f"input {short(graph.tensors[t].name or str(t), 26)}" for t in graph.inputs]
    first = len(labels)
    names = [model.operator_codes[o.opcode_index].name for o in graph.operators]
    ends = [f"output {short(graph.tensors[t].name or str(t), 26)}" for t in graph.outputs]
    nodes = [Node(i * ROW + 4, label, None) for i, label in enumerate(labels)]
    nodes += [Node((first + i) * ROW + 4, name, i) for i, name in enumerate(names)]
    nodes += [Node((first + len(names) + i) * ROW + 4, label, None) for i, label in enumerate(ends)]
    edges = sorted(set(_edges(model, subgraph)))
    lines = "".join(f"M{WIDTH // 2} {a * ROW + 4 + NODE}V{b * ROW + 4}" for a, b in edges if b == a + 1)
    arcs, lanes = _arcs([(a, b) for a, b in edges if b > a + 1])
    return Drawing(tuple(nodes), lines, arcs, WIDTH + 14 + lanes * LANE, len(nodes) * ROW + 4)


def _edges(model: Model, subgraph: int) -> Iterator[tuple[int, int]]:
    """Pairs of places in the drawing: what computes a tensor, what reads it."""
    graph = model.subgraphs[subgraph]
    made = {t: i for i, t in enumerate(graph.inputs)}
    for i, operator in enumerate(graph.operators, len(graph.inputs)):
        yield from ((made[t], i) for t in operator.inputs or () if t in made)
        made |= {t: i for t in operator.outputs or ()}
    for i, t in enumerate(graph.outputs, len(graph.inputs) + len(graph.operators)):
        if t in made:
            yield made[t], i


def _arcs(edges: list[tuple[int, int]]) -> tuple[tuple[str, ...], int]:
    """Paths on the right side, and how many lanes they take."""
    free: list[int] = []
    paths = []
    for a, b in edges:
        lane = next((i for i, until in enumerate(free) if until <= a), len(free))
        if lane == len(free) and lane < LANES:
            free.append(b)
        lane = min(lane, LANES - 1)
        free[lane] = b
        x, top, bottom = WIDTH + 10 + lane * LANE, a * ROW + 4 + NODE - 7, b * ROW + 4 + 7
        paths.append(f"M{WIDTH} {top}H{x - 5}q5 0 5 5V{bottom - 5}q0 5 -5 5H{WIDTH}")
    return tuple(paths), len(free)
