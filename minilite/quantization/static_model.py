"""A model by a static scheme: all its subgraphs, their inputs and outputs, and what became of each operator."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minilite.errors import ArgumentError
from minilite.model import Model
from minilite.quantization.editing import ModelEdit
from minilite.quantization.graph import Graph, graph
from minilite.quantization.grid import Grid
from minilite.quantization.pruning import pruned
from minilite.quantization.rewriting import Rewriter
from minilite.quantization.schemes import STATIC, Scheme
from minilite.quantization.selecting import Pattern, selected
from minilite.quantization.static import Assignment, solve

FLOAT = "float32"


@dataclass(frozen=True)
class Decision:
    """What became of one operator. ``scheme`` is ``"float32"`` where it stayed float, ``reason`` says why."""

    subgraph: int
    operator: int
    name: str
    scheme: str
    reason: str = ""


def quantize_static(
    model: Model,
    scheme: Scheme,
    ranges: Mapping[tuple[int, int], tuple[float, float]],
    *,
    per_channel: bool = True,
    inference_input_type: str = FLOAT,
    inference_output_type: str = FLOAT,
    exclude: Iterable[Pattern] = (),
    schemes: Mapping[Pattern, str] | None = None,
) -> tuple[Model, list[Decision]]:
    """Quantize by ranges that are known, by (subgraph, tensor). Returns the model and what became of each operator.

    ``schemes`` gives the operators that a pattern chooses another static scheme, or "float32"."""
    graphs = [graph(model, i) for i in range(len(model.subgraphs))]
    chosen = _choices(graphs, scheme, exclude, schemes or {})
    edit = ModelEdit(model)
    entered = {0, *(s.subgraph_index for s in model.signatures)}
    subgraphs, decisions = [], []
    for g in graphs:
        own = {tensor: limits for (s, tensor), limits in ranges.items() if s == g.index}
        found = solve(g, own, {n.index: chosen.get((g.index, n.index), scheme) for n in g.nodes}, per_channel)
        types = (inference_input_type, inference_output_type) if g.index in entered else (FLOAT, FLOAT)
        subgraphs.append(Rewriter(g, found, edit, _ends(g, found, scheme, *types)).run())
        decisions += _decisions(g, found)
    written = dataclasses.replace(
        model, subgraphs=tuple(subgraphs), buffers=tuple(edit.buffers), operator_codes=tuple(edit.codes)
    )
    return pruned(written), decisions


def _choices(
    graphs: list[Graph], scheme: Scheme, exclude: Iterable[Pattern], schemes: Mapping[Pattern, str]
) -> dict[tuple[int, int], Scheme | None]:
    """The operators that do not have the scheme of the others."""
    chosen: dict[tuple[int, int], Scheme | None] = {}
    for pattern, name in (*schemes.items(), *((p, FLOAT) for p in exclude)):
        if name not in (*STATIC, FLOAT):
            raise ArgumentError(f"expected {', '.join((*STATIC, FLOAT))} for {pattern!r}, got {name!r}.")
        chosen.update(dict.fromkeys(selected(graphs, pattern), None if name == FLOAT else STATIC[name]))
    return chosen


def _decisions(g: Graph, found: Assignment) -> list[Decision]:
    kept = {
        **{i: (scheme.name, "") for i, scheme in found.schemes.items()},
        **{i: (FLOAT, reason) for i, reason in found.reasons.items()},
    }
    return [Decision(g.index, i, g.nodes[i].name, *kept[i]) for i in sorted(kept)]


# ---- inputs and outputs ----------------------------------------------------------------------------------------------


def _ends(g: Graph, found: Assignment, scheme: Scheme, input_type: str, output_type: str) -> dict[int, Grid | None]:
    """The grids that the float inputs and outputs have outside; None for float32."""
    ends: dict[int, Grid | None] = {}
    for tensors, type_, side in ((g.subgraph.outputs, output_type, "output"), (g.subgraph.inputs, input_type, "input")):
        for t in tensors:
            if g.is_float(t) and t not in g.constants:
                ends[t] = _end(g, found, scheme, t, type_, side)
    return ends


def _end(g: Graph, found: Assignment, scheme: Scheme, tensor: int, type_: str, side: str) -> Grid | None:
    if type_ == FLOAT:
        return None
    producer = g.producers.get(tensor)
    grid = None
    if producer is not None and producer.index in found.schemes:
        grid = next(found.shared.written(producer, u) for u in producer.outputs if u.tensor == tensor)
    grid = grid or found.shared.tensors.get(tensor) or found.own.get(tensor)
    if grid is None and tensor in found.ranges:  # it is float inside, too
        grid = scheme.numbers.activation(*found.ranges[tensor], scheme.activations)
    if grid is None:
        raise ArgumentError(f"{side} {g.name(tensor)} cannot be {type_}: no range is known for it. Ask for float32.")
    outside = "int8" if type_ == "uint8" else type_
    if grid.type != outside and tensor in found.ranges and len({s.family for s in found.schemes.values()}) > 1:
        grid = scheme.numbers.activation(*found.ranges[tensor], outside)  # among operators of another scheme
    if grid.type == type_:
        return grid
    if (grid.type, type_) == ("int8", "uint8"):
        return Grid("uint8", grid.scales, grid.zero_points + 128)
    raise ArgumentError(
        f"{side} {g.name(tensor)} is {grid.type} inside of the model: expected float32, {grid.type}"
        f"{' or uint8' if grid.type == 'int8' else ''} outside, got {type_}."
    )
