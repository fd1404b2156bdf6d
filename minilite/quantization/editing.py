"""Changing a model a tensor at a time: replaced constants, new tensors, operators put in between.

A :class:`ModelEdit` holds what all subgraphs share (buffers, operator codes), a :class:`GraphEdit` one subgraph. Tensor
indices never change: new tensors go to the end, and a constant whose float form nobody reads any more is replaced
where it is. :meth:`ModelEdit.finish` gives the new model, without the buffers that only the old one needed.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from minilite.constants import constant_array
from minilite.model import Buffer, Metadata, Model, Operator, OperatorCode, Quantization, Subgraph, Tensor
from minilite.quantization.grid import Array
from minilite.quantization.pruning import pruned

Use = tuple[int, int]
"""An operator, by its index in the original subgraph, and the position among its inputs."""


class GraphEdit:
    """One subgraph under change. ``before[i]`` and ``after[i]`` are the operators put in front of and behind the
    operator ``i`` of the original."""

    def __init__(self, edit: ModelEdit, index: int):
        graph = edit.model.subgraphs[index]
        self.edit, self.index, self.original = edit, index, graph
        self.tensors = list(graph.tensors)
        self.operators = list(graph.operators)
        self.before: defaultdict[int, list[Operator]] = defaultdict(list)
        self.after: defaultdict[int, list[Operator]] = defaultdict(list)
        self._names = {t.name for t in graph.tensors}

    # ---- looking -------------------------------------------------------------------------------------------------

    def name(self, operator: int) -> str:
        """The operator's name, ``CONV_2D``."""
        return self.edit.codes[self.operators[operator].opcode_index].name

    def constant(self, tensor: int) -> Array | None:
        """The float32 values of a constant of the original; None for anything else, sparse constants included."""
        if tensor < 0:
            return None
        found = self.original.tensors[tensor]
        if found.type != "FLOAT32" or found.sparsity is not None:
            return None
        return constant_array(self.edit.model, found, tensor)

    def constants(self) -> Iterator[tuple[int, Array]]:
        """Every float32 constant."""
        for tensor in range(len(self.original.tensors)):
            values = self.constant(tensor)
            if values is not None:
                yield tensor, values

    def uses(self, tensor: int) -> list[Use]:
        """Who reads a tensor of the original."""
        return [
            (i, position)
            for i, operator in enumerate(self.original.operators)
            for position, index in enumerate(operator.inputs or ())
            if index == tensor
        ]

    # ---- changing ------------------------------------------------------------------------------------------------

    def add(self, tensor: Tensor) -> int:
        """A new tensor; its name gets a number when another tensor has it."""
        name, number = tensor.name or "tensor", 1
        while name in self._names:
            name, number = f"{tensor.name or 'tensor'}{number}", number + 1
        self._names.add(name)
        self.tensors.append(dataclasses.replace(tensor, name=name))
        return len(self.tensors) - 1

    def requantized(self, tensor: int, uses: list[Use], type_: str, data: bytes, quantization: Quantization) -> int:
        """A constant in another form for these uses: in place of the old one when nobody else reads that, else new."""
        old = self.original.tensors[tensor]
        new = dataclasses.replace(
            old, type=type_.upper(), buffer=self.edit.buffer(data), external_buffer=0, quantization=quantization
        )
        if tensor in self.original.outputs or self._read_elsewhere(tensor, uses):
            index = self.add(new)
        else:
            index, self.tensors[tensor] = tensor, new
        self.rewire(uses, index)
        return index

    def _read_elsewhere(self, tensor: int, uses: list[Use]) -> bool:
        """Whether operators still read the tensor at other places."""
        return any(
            index == tensor and (i, position) not in uses
            for i, operator in enumerate(self.operators)
            for position, index in enumerate(operator.inputs or ())
        )

    def rewire(self, uses: list[Use], tensor: int) -> None:
        """Let operators read another tensor at these places."""
        for i, position in uses:
            inputs = list(self.operators[i].inputs or ())
            inputs[position] = tensor
            self.operators[i] = dataclasses.replace(self.operators[i], inputs=tuple(inputs))

    def dequantized(self, tensor: int, name: str, uses: list[Use], version: int, front: bool = False) -> int:
        """A DEQUANTIZE of the constant right before its first use, or at the front of the graph, for all the uses."""
        old = self.tensors[tensor]
        result = self.add(Tensor(name, "FLOAT32", old.shape, has_rank=old.has_rank))
        code = self.edit.code("DEQUANTIZE", version)
        self.before[0 if front else min(i for i, _ in uses)].append(Operator(code, (tensor,), (result,)))
        self.rewire(uses, result)
        return result

    def option(self, operator: int, **fields: object) -> None:
        """Set options of an operator that has an options table of its own."""
        found = self.operators[operator]
        if found.options is not None:
            options = type(found.options)(found.options.table, {**found.options, **fields})
            self.operators[operator] = dataclasses.replace(found, options=options)

    def version(self, operator: int, at_least: int) -> None:
        """Raise the version of the operator's code."""
        self.edit.raise_version(self.operators[operator].opcode_index, at_least)

    def graph(self) -> Subgraph:
        """The subgraph as it is now."""
        operators: list[Operator] = []
        for i, operator in enumerate(self.operators):
            operators += [*self.before[i], operator, *self.after[i]]
        return dataclasses.replace(self.original, tensors=tuple(self.tensors), operators=tuple(operators))


class ModelEdit:
    """A model under change; see the module."""

    def __init__(self, model: Model):
        self.model = model
        self.codes = list(model.operator_codes)
        self.buffers = list(model.buffers)
        self.metadata = list(model.metadata)
        self.graphs = [GraphEdit(self, i) for i in range(len(model.subgraphs))]
        self._known: dict[bytes, int] = {}

    def code(self, name: str, version: int) -> int:
        """The operator code of that name, in that version at least; a new one if there is none."""
        for index, code in enumerate(self.codes):
            if code.builtin_code == name:
                self.raise_version(index, version)
                return index
        self.codes.append(OperatorCode(name, version))
        return len(self.codes) - 1

    def raise_version(self, index: int, at_least: int) -> None:
        """One code stands for all operators of a name, as TFLiteConverter has it: the highest version any needs."""
        if self.codes[index].version < at_least:
            self.codes[index] = dataclasses.replace(self.codes[index], version=at_least)

    def buffer(self, data: bytes) -> int:
        """A buffer with these bytes; the same one when subgraphs share a constant."""
        if data not in self._known:
            self.buffers.append(Buffer(np.frombuffer(data, np.uint8)))
            self._known[data] = len(self.buffers) - 1
        return self._known[data]

    def add_metadata(self, name: str, data: bytes) -> None:
        """Metadata of that name, in place of what had it."""
        self.metadata = [m for m in self.metadata if m.name != name]
        self.buffers.append(Buffer(np.frombuffer(data, np.uint8)))
        self.metadata.append(Metadata(name, len(self.buffers) - 1))

    def finish(self) -> Model:
        """The changed model, without the buffers that only the original needed."""
        model = dataclasses.replace(
            self.model,
            operator_codes=tuple(self.codes),
            subgraphs=tuple(g.graph() for g in self.graphs),
            buffers=tuple(self.buffers),
            metadata=tuple(self.metadata),
        )
        return pruned(model)


def with_constants(model: Model, arrays: Mapping[tuple[int, int], Array]) -> Model:
    """The model with other values for constants, by (subgraph, tensor); types and shapes stay."""
    edit = ModelEdit(model)
    for (subgraph, tensor), array in arrays.items():
        graph = edit.graphs[subgraph]
        graph.tensors[tensor] = dataclasses.replace(graph.tensors[tensor], buffer=edit.buffer(array.tobytes()))
    return edit.finish()
