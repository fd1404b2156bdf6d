"""Choosing operators by name, by tensor, by number or by a function."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.quantization.graph import Graph, Node

Pattern = str | int | tuple[int, int] | Callable[[Node], bool]
"""Which operators: a regular expression that matches the whole name of the operator (``"CONV_2D|ADD"``) or is found in
the name of one of its results (``"head/"``); the operator's number in subgraph 0; subgraph and operator; or a function
of the node."""


def patterns(exclude: Iterable[Pattern] | Pattern) -> list[Pattern]:
    """One pattern or several, as a list. Raises :class:`ArgumentTypeError` for what is neither."""
    if isinstance(exclude, str | int) or callable(exclude):
        return [exclude]
    if not isinstance(exclude, Iterable):
        raise ArgumentTypeError(
            f"exclude: expected a regular expression, an operator's number, a function, or several, got {exclude!r}."
        )
    return list(exclude)  # (subgraph, operator) alone counts as two numbers


def selected(graphs: Iterable[Graph], pattern: Pattern) -> set[tuple[int, int]]:
    """The operators that a pattern chooses, as pairs of subgraph and operator.

    Raises :class:`ArgumentError` when it chooses none, and for what is no regular expression."""
    graphs = list(graphs)
    chosen = {(g.index, n.index) for g in graphs for n in g.nodes if _matches(g, n, pattern)}
    if not chosen:
        raise ArgumentError(f"no operator is chosen by {pattern!r}.{_near(graphs, pattern)}")
    return chosen


def _matches(graph: Graph, node: Node, pattern: Pattern) -> bool:
    if isinstance(pattern, str):
        regular = _compiled(pattern)
        return bool(regular.fullmatch(node.name) or any(regular.search(name) for name in _results(graph, node)))
    if isinstance(pattern, tuple):
        return (graph.index, node.index) == pattern
    if isinstance(pattern, bool) or not (isinstance(pattern, int) or callable(pattern)):
        raise ArgumentTypeError(f"expected a regular expression, an operator's number or a function, got {pattern!r}.")
    return (graph.index, node.index) == (0, pattern) if isinstance(pattern, int) else bool(pattern(node))


def _compiled(pattern: str) -> re.Pattern[str]:
    if not pattern:
        raise ArgumentError("an empty pattern would choose every operator; '.*' says that it is meant to.")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ArgumentError(f"{pattern!r} is no regular expression: {error}.") from None


def _results(graph: Graph, node: Node) -> list[str]:
    return [graph.subgraph.tensors[u.tensor].name or "" for u in node.outputs]


def _near(graphs: list[Graph], pattern: Pattern) -> str:
    if not isinstance(pattern, str):
        return f" The model's operators have the numbers 0 to {len(graphs[0].nodes) - 1}."
    names = {n.name for g in graphs for n in g.nodes} | {r for g in graphs for n in g.nodes for r in _results(g, n)}
    near = difflib.get_close_matches(pattern, names, 1, 0.4)
    return f" Did you mean {near[0]!r}?" if near else f" The model's operators: {', '.join(sorted(_kinds(graphs)))}."


def _kinds(graphs: list[Graph]) -> set[str]:
    return {n.name for g in graphs for n in g.nodes}
