"""Graphs that rows describe in the words of :mod:`minilite.cases`, as models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from minilite import schema
from minilite.cases import Call, Graph, Value
from minilite.model import Buffer, Model, Operator, OperatorCode, Subgraph, Tensor
from minilite.ops import OPS


def graph_model(graphs: Sequence[Graph], versions: Mapping[str, int] = {}) -> Model:
    """A model of these subgraphs. Operators are of their oldest version unless ``versions`` says otherwise."""
    names = list(dict.fromkeys(c.op for g in graphs for c in g.calls))
    buffers = [Buffer()]
    subgraphs = tuple(_subgraph(g, names, buffers, f"graph_{i}") for i, g in enumerate(graphs))
    codes = tuple(OperatorCode(n, versions.get(n, OPS[n].oldest)) for n in names)
    return Model(operator_codes=codes, subgraphs=subgraphs, buffers=tuple(buffers))


def _subgraph(graph: Graph, names: list[str], buffers: list[Buffer], name: str) -> Subgraph:
    tensors = tuple(_tensor(v, i, buffers) for i, v in enumerate(graph.values))
    return Subgraph(tensors, graph.inputs, graph.outputs, tuple(_operator(c, names) for c in graph.calls), name=name)


def _tensor(value: Value, index: int, buffers: list[Buffer]) -> Tensor:
    buffer = 0
    if value.array is not None:
        content = packed_strings(value.array) if value.array.dtype == object else np.ascontiguousarray(value.array)
        buffers.append(Buffer(np.frombuffer(content, np.uint8)))
        buffer = len(buffers) - 1
    return Tensor(name=f"value_{index}", type=value.type.upper(), shape=value.shape, has_rank=True, buffer=buffer)


def _operator(call: Call, names: list[str]) -> Operator:
    table = schema.OPTIONS_OF.get(call.op)
    options = schema.make_options(table, **call.options) if table else None
    if options is not None and schema.is_second_union(options.table):
        return Operator(names.index(call.op), call.inputs, call.outputs, options_2=options)
    return Operator(names.index(call.op), call.inputs, call.outputs, options=options)


def packed_strings(array: np.ndarray) -> bytes:
    """A constant of strings as the file holds it: their number, where each begins and the last ends, the bytes."""
    strings = array.reshape(-1).tolist()
    ends = np.cumsum([4 * (len(strings) + 2), *map(len, strings)])
    return np.array([len(strings), *ends], "<i4").tobytes() + b"".join(strings)
