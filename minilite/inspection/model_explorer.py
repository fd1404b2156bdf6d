"""A model's graph for Google's Model Explorer, with the errors that compare measured: a file that its start page opens.

    text = model_explorer(minilite.read("int8.tflite"), minilite.compare("float.tflite", "int8.tflite", images))

The form is that of a graph collection: ``{"label", "graphs": [{"id", "nodes": [{"id", "label", "namespace", "attrs",
"incomingEdges", "outputsMetadata", "style"}]}]}`` (``graph_builder.py`` in its package). An operator's id is
its number; layers are made of the scopes in the names of tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from minilite.inspection.compare import Compared, Comparison
from minilite.inspection.sources import Key
from minilite.inspection.summary import OperatorSummary, SubgraphSummary, TensorSummary, summarize
from minilite.model import Model

COLOURS = ((40.0, "#e3f0e8"), (30.0, "#fdf3c7"), (20.0, "#fbd28b"), (10.0, "#ee8f5a"), (-math.inf, "#b81f3a"))
"""Backgrounds of operators from so many dB on, by themselves: the report's."""

Entry = dict[str, Any]


def model_explorer(model: Model, comparison: Comparison | None = None, label: str = "model") -> str:
    """The JSON of a model's graph. With a ``comparison`` whose second side is the model, operators have their SQNR
    among their attributes, and its colour."""
    found: dict[Key, Compared] = {}
    for one in comparison.tensors if comparison is not None else ():
        if one.operator is not None:
            found.setdefault(one.operator, one)
    summary = summarize(model)
    names = [_graph_name(graph) for graph in summary.subgraphs]
    graphs = [{"id": names[g.index], "nodes": list(_nodes(g, names, found))} for g in summary.subgraphs]
    return json.dumps({"label": label, "graphs": graphs}, indent=1, allow_nan=False)


def _graph_name(graph: SubgraphSummary) -> str:
    return f"{graph.index} {graph.name}".strip()


def _nodes(graph: SubgraphSummary, names: list[str], found: dict[Key, Compared]) -> Iterator[Entry]:
    """Inputs, operators, outputs. ``made`` is who computes a tensor, as node and place among its results."""
    made: dict[int, tuple[str, int]] = {}
    for i, t in enumerate(graph.inputs):
        made[t] = f"input {i}", 0
        yield _node(f"input {i}", "Input", [], [], [graph.tensors[t]])
    for operator in graph.operators:
        yield _operator(graph, operator, names, made, found.get((graph.index, operator.index)))
        made |= {t: (str(operator.index), i) for i, t in enumerate(operator.outputs)}
    for i, t in enumerate(graph.outputs):
        yield _node(f"output {i}", "Output", [], _edges([t], made), [])


def _operator(
    graph: SubgraphSummary,
    operator: OperatorSummary,
    names: list[str],
    made: dict[int, tuple[str, int]],
    compared: Compared | None,
) -> Entry:
    results = [graph.tensors[t] for t in operator.outputs if t >= 0]
    attrs = [(name, str(value)) for name, value in operator.options.items()]
    attrs += [("version", str(operator.version)), ("MACs", str(operator.macs if operator.macs is not None else "?"))]
    attrs += _constants(graph, operator)
    if compared is not None:
        attrs += _errors(compared)
    node = _node(str(operator.index), operator.name, attrs, _edges(operator.inputs, made), results)
    colour = None if compared is None else _colour(compared)
    called = [v for k, v in operator.options.items() if k.endswith("subgraph_index") and isinstance(v, int)]
    node["subgraphIds"] = [names[i] for i in called if 0 <= i < len(names)]
    return node if colour is None else node | {"style": {"backgroundColor": colour}}


def _node(
    id_: str, label: str, attrs: list[tuple[str, str]], edges: list[Entry], results: list[TensorSummary]
) -> Entry:
    name = results[0].name.partition(";")[0] if results else ""
    return {
        "id": id_,
        "label": label,
        "namespace": name.rpartition("/")[0],
        "attrs": [{"key": k, "value": v} for k, v in attrs],
        "incomingEdges": edges,
        "outputsMetadata": [
            {"id": str(i), "attrs": [{"key": k, "value": v} for k, v in _tensor(t)]} for i, t in enumerate(results)
        ],
    }


def _edges(tensors: Any, made: dict[int, tuple[str, int]]) -> list[Entry]:
    return [
        {"sourceNodeId": made[t][0], "sourceNodeOutputId": str(made[t][1]), "targetNodeInputId": str(i)}
        for i, t in enumerate(tensors)
        if t in made
    ]


def _constants(graph: SubgraphSummary, operator: OperatorSummary) -> Iterator[tuple[str, str]]:
    for i, t in enumerate(operator.inputs):
        if t >= 0 and graph.tensors[t].role == "constant":
            yield f"input {i}", ", ".join(value for _, value in _tensor(graph.tensors[t]))


def _tensor(tensor: TensorSummary) -> Iterator[tuple[str, str]]:
    """Under the names that Model Explorer shows on edges."""
    yield "tensor_name", tensor.name
    shape = "?" if tensor.shape is None else "x".join(map(str, tensor.shape))
    yield "tensor_shape", f"{tensor.type.lower()}[{shape}]"
    q = tensor.quantization
    if q is not None and len(q.scales) == 1:
        yield "quantization", f"{q.scales[0]:.8g} * (q - {q.zero_points[0] if q.zero_points else 0})"
    elif q is not None and q.scales:
        yield "quantization", f"{len(q.scales)} scales along dimension {q.quantized_dimension}"


def _errors(compared: Compared) -> Iterator[tuple[str, str]]:
    for name, error in (("SQNR alone, dB", compared.isolated), ("SQNR in all, dB", compared.accumulated)):
        if error is not None and not math.isnan(error.sqnr):
            yield name, f"{error.sqnr:.2f}"


def _colour(compared: Compared) -> str | None:
    error = compared.isolated or compared.accumulated
    return None if math.isnan(error.sqnr) else next(colour for low, colour in COLOURS if error.sqnr >= low)
