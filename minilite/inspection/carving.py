"""Cutting operators out of a model: the part of it as a model of its own.

What the part reads and does not compute becomes its inputs, constants come along, and what others read of it, or
nobody, becomes its outputs. Subgraphs that its operators call come along, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minilite import schema
from minilite.archives import key
from minilite.constants import constant_array
from minilite.model import Buffer, Model, Operator, Options, Subgraph, Tensor
from minilite.quantization.pruning import pruned
from minilite.references import TENSORS_OF_SCALES, subgraph_fields, subgraphs_called


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a subgraph as a model; ``inputs`` and ``outputs`` are the tensors of the original that it has there, in
    its own order."""

    model: Model
    subgraph: int
    operators: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def cut(
    model: Model,
    subgraph: int,
    operators: Iterable[int],
    outputs: Collection[int] | None = None,
    known: Mapping[int, np.ndarray] | None = None,
    shapes: Mapping[int, tuple[int, ...]] | None = None,
) -> Part:
    """The operators of a subgraph as a model. ``outputs`` are the results to show, in place of all that are needed
    elsewhere; ``known`` are values, of tensors that are no constants in the file, to make constants of; ``shapes`` are
    shapes to declare."""
    graph = model.subgraphs[subgraph]
    chosen = tuple(sorted(operators))
    inside = [graph.operators[i] for i in chosen]
    made = {t for o in inside for t in o.outputs or () if t >= 0}
    read = [t for o in inside for t in o.inputs or () if t >= 0]
    fixed = {t: v for t, v in (known or {}).items() if t in read and t not in made}
    fed = tuple(t for t in dict.fromkeys(read) if t not in made and t not in fixed and not _given(model, graph, t))
    shown = _needed(graph, chosen, made) if outputs is None else tuple(outputs)
    builder = _Builder(model, graph, fixed, shapes or {})
    main = builder.subgraph(inside, fed, shown)
    return Part(_with_called(builder, main, inside), subgraph, chosen, fed, shown)


def _given(model: Model, graph: Subgraph, tensor: int) -> bool:
    """Whether a tensor needs no input: a constant, or a variable with its own memory."""
    declared = graph.tensors[tensor]
    return declared.is_variable or constant_array(model, declared, tensor) is not None


def _needed(graph: Subgraph, chosen: Collection[int], made: set[int]) -> tuple[int, ...]:
    """What is made and read by others or shown by the model; and what nobody reads."""
    inside = {t for i in chosen for t in graph.operators[i].inputs or ()}
    outside = {t for i, o in enumerate(graph.operators) if i not in chosen for t in o.inputs or ()}
    wanted = outside | set(graph.outputs)
    results = (t for i in sorted(chosen) for t in graph.operators[i].outputs or () if t >= 0)
    return tuple(t for t in dict.fromkeys(results) if t in made and (t in wanted or t not in inside))


class _Builder:
    """Renumbers the tensors that a part needs."""

    def __init__(
        self, model: Model, graph: Subgraph, fixed: Mapping[int, np.ndarray], shapes: Mapping[int, tuple[int, ...]]
    ):
        self.model, self.graph, self.fixed, self.shapes = model, graph, fixed, shapes
        self.buffers = list(model.buffers)
        self.places: dict[int, int] = {}
        self.tensors: list[Tensor] = []

    def subgraph(self, operators: Sequence[Operator], fed: Sequence[int], shown: Sequence[int]) -> Subgraph:
        inputs = tuple(map(self._place, fed))
        moved = [self._moved(o) for o in operators]
        outputs = tuple(map(self._place, shown))
        names: set[str] = set()
        tensors = tuple(_named_once(t, i, names) for i, t in enumerate(self.tensors))
        return Subgraph(tensors, inputs, outputs, tuple(moved), self.graph.name)

    def _moved(self, operator: Operator) -> Operator:
        lists = (operator.inputs, operator.outputs, operator.intermediates)
        inputs, outputs, between = (None if x is None else tuple(map(self._place, x)) for x in lists)
        return dataclasses.replace(
            operator, inputs=inputs, outputs=outputs, intermediates=between, debug_metadata_index=-1
        )

    def _place(self, tensor: int) -> int:
        if tensor < 0:
            return tensor
        if tensor not in self.places:
            self.places[tensor] = len(self.tensors)
            self.tensors.append(self.graph.tensors[tensor])
            self.tensors[self.places[tensor]] = self._declared(tensor)
        return self.places[tensor]

    def _declared(self, tensor: int) -> Tensor:
        declared = self.graph.tensors[tensor]
        if tensor in self.fixed:
            value = np.asarray(self.fixed[tensor])
            self.buffers.append(Buffer(np.frombuffer(value.tobytes(), np.uint8)))
            buffer = len(self.buffers) - 1
            return dataclasses.replace(declared, shape=value.shape, shape_signature=None, buffer=buffer)
        if tensor in self.shapes:
            declared = dataclasses.replace(declared, shape=tuple(self.shapes[tensor]), shape_signature=None)
        return self._with_scales(declared)

    def _with_scales(self, tensor: Tensor) -> Tensor:
        """The tensor, and the tensors that hold its scales, of blocks say."""
        q = tensor.quantization
        if q is None or q.details is None or q.details.table not in TENSORS_OF_SCALES:
            return tensor
        details = q.details
        moved = {name: self._place(details[name]) for name in ("scales", "zero_points") if name in details}
        return dataclasses.replace(
            tensor, quantization=dataclasses.replace(q, details=Options(details.table, {**details, **moved}))
        )


def _named_once(tensor: Tensor, index: int, taken: set[str]) -> Tensor:
    """The tensor with a name that no other has, and that archives can have: arrays are kept by these."""
    name = key(tensor.name or f"tensor_{index}")
    while name in taken:
        name += "_"
    taken.add(name)
    return tensor if name == tensor.name else dataclasses.replace(tensor, name=name)


# ---- subgraphs that operators call ---------------------------------------------------------------------------------


def _with_called(builder: _Builder, main: Subgraph, operators: Sequence[Operator]) -> Model:
    """The main subgraph as number 0 of a model, followed by those that it calls and that they call."""
    model = builder.model
    called: dict[int, None] = {}
    waiting = [s for o in operators for s in subgraphs_called(o)]
    while waiting:
        index = waiting.pop(0)
        if index not in called:
            called[index] = None
            waiting += [s for o in model.subgraphs[index].operators for s in subgraphs_called(o)]
    places = {old: new for new, old in enumerate(called, 1)}
    graphs = [_recalled(g, places) for g in (main, *(model.subgraphs[i] for i in called))]
    whole = dataclasses.replace(
        model, subgraphs=tuple(graphs), buffers=tuple(builder.buffers), signatures=(), metadata=(), metadata_buffer=None
    )
    return pruned(whole)


def _recalled(graph: Subgraph, places: Mapping[int, int]) -> Subgraph:
    return dataclasses.replace(graph, operators=tuple(_recalling(o, places) for o in graph.operators))


def _recalling(operator: Operator, places: Mapping[int, int]) -> Operator:
    if not subgraphs_called(operator):
        return operator
    one, two = (o and _moved_options(o, places) for o in (operator.options, operator.options_2))
    return dataclasses.replace(operator, options=one, options_2=two)


def _moved_options(options: Options, places: Mapping[int, int]) -> Options:
    moved = {}
    for name in subgraph_fields(options):
        value = options[name]
        if np.ndim(value) == 0:
            moved[name] = places.get(value, value)
        else:
            moved[name] = tuple(places.get(int(i), int(i)) for i in value)
    return schema.make_options(options.table, **{**options, **moved}) if moved else options
