"""An :class:`Assignment` written down as a subgraph: integers where they were assigned, conversions where forms meet.

A tensor may be needed in several *forms*: as float32, or on this grid or that. It is made in one of them, and a
QUANTIZE or DEQUANTIZE in front of the first operator that needs another makes that one, once. One form is the tensor's
*home* and keeps its index and name: the form a model's input or output has outside, else the one it is made in. Other
forms are added at the end of the tensors, so that indices of the float model stay valid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite import schema
from minilite.model import Operator, Quantization, Subgraph, Tensor
from minilite.quantization import recurrent
from minilite.quantization.editing import ModelEdit
from minilite.quantization.graph import Graph, Node, Use
from minilite.quantization.grid import Array, Grid, packed
from minilite.quantization.schemes import Scheme
from minilite.quantization.static import Assignment
from minilite.quantization.versions import version

Form = tuple[str, bytes, bytes, int | None]
"""A type with its scales, zero points and axis, to be looked up by."""

OPTIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("ADD", "int16"): {"pot_scale_int16": False},
    ("SUB", "int16"): {"pot_scale_int16": False},
    ("SVDF", "int8"): {"fused_activation_function": "RELU"},
}
"""What integer kernels ask of an operator's options. With ``pot_scale_int16``, the schema's default, scales that happen
to be powers of two would have to fit together."""

INT64_BIAS: Mapping[str, Any] = {"quantized_bias_type": "INT64"}
"""What FULLY_CONNECTED asks for with computed 16-bit weights: its kernel takes their bias for int32 otherwise."""

FLOAT: Form = ("float32", b"", b"", None)


def form_of(grid: Grid | None) -> Form:
    """The form of values on a grid; None stands for float32."""
    return FLOAT if grid is None else (grid.type, grid.scales.tobytes(), grid.zero_points.tobytes(), grid.axis)


class Rewriter:
    """Writes one subgraph. ``ends`` gives the grid that a model's input or output has outside, None for float32."""

    def __init__(self, graph: Graph, found: Assignment, edit: ModelEdit, ends: dict[int, Grid | None]):
        self.graph, self.found, self.edit, self.ends = graph, found, edit, ends
        self.tensors = list(graph.subgraph.tensors)
        self.operators: list[Operator] = []
        self.forms: dict[int, dict[Form, int]] = {}
        self.made: dict[int, Grid | None] = {}
        self.home: dict[int, Form] = {t: form_of(grid) for t, grid in ends.items()}
        self.names = {t.name for t in self.tensors if t.name}
        self.constants: dict[tuple[int, Form, bytes], int] = {}
        self.float_constants = self._read_as_floats()
        for t in graph.subgraph.inputs:
            if graph.is_float(t):
                self._make(t, ends.get(t))

    def run(self) -> Subgraph:
        """The subgraph."""
        for node in self.graph.nodes:
            self._node(node)
        for t in self.graph.subgraph.outputs:
            if t in self.home and t in self.made:
                self._need(t, self.home[t], self.ends.get(t, self.made[t]))
        return dataclasses.replace(self.graph.subgraph, tensors=tuple(self.tensors), operators=tuple(self.operators))

    # ---- tensors -------------------------------------------------------------------------------------------------

    def _read_as_floats(self) -> set[int]:
        """Constants that somebody reads as they are."""
        found = set(self.graph.subgraph.outputs)
        for node in self.graph.nodes:
            if node.index not in self.found.schemes:
                found.update(u.tensor for u in node.inputs)
        return found

    def _make(self, tensor: int, grid: Grid | None) -> int:
        """A tensor is made on a grid; the index where."""
        self.made[tensor] = grid
        return self._place(tensor, grid)

    def _place(self, tensor: int, grid: Grid | None) -> int:
        """A place for a form of a tensor: its own where the form is at home, else a new one."""
        form = form_of(grid)
        places = self.forms.setdefault(tensor, {})
        if form == self.home.setdefault(tensor, form):
            places[form] = tensor
            self.tensors[tensor] = self._formed(tensor, grid, self.tensors[tensor].name)
        else:
            name = self._name(tensor, "float" if grid is None else grid.type)
            self.tensors.append(self._formed(tensor, grid, name))
            places[form] = len(self.tensors) - 1
        return places[form]

    def _formed(self, tensor: int, grid: Grid | None, name: str | None) -> Tensor:
        old = self.graph.subgraph.tensors[tensor]
        if grid is None:
            return dataclasses.replace(old, name=name)
        type_ = grid.type.upper()
        return dataclasses.replace(old, name=name, type=type_, quantization=self._declared(tensor, grid))

    def _declared(self, tensor: int, grid: Grid) -> Quantization:
        """The grid, with the recorded range where the grid came from that."""
        own = self.found.own.get(tensor)
        if own is None or not grid.alike(own) or tensor not in self.found.ranges:
            return grid.quantization()
        low, high = (np.array([value], np.float32) for value in self.found.ranges[tensor])
        return dataclasses.replace(grid.quantization(), min=low, max=high)

    def _name(self, tensor: int, suffix: str) -> str:
        base = f"{self.graph.subgraph.tensors[tensor].name or f'tensor_{tensor}'}_{suffix}"
        name, count = base, 1
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        return name

    def _need(self, tensor: int, form: Form, grid: Grid | None) -> int:
        """The index of a form of a tensor, converted from the one it was made in if it is not there yet."""
        places = self.forms.get(tensor, {})
        if form in places or tensor not in self.made:
            return places.get(form, tensor)
        source = self.made[tensor]
        origin = places[form_of(source)]
        target = self._place(tensor, grid)
        self._convert(origin, source, target, grid)
        return target

    def _convert(self, origin: int, source: Grid | None, target: int, grid: Grid | None) -> None:
        name = "DEQUANTIZE" if grid is None else "QUANTIZE"
        types = {g.type for g in (source, grid) if g is not None}
        code = self.edit.code(name, version(name, "int16" if "int16" in types else "int8", 1))
        options = schema.make_options(schema.OPTIONS_OF[name])
        self.operators.append(Operator(code, (origin,), (target,), options))

    # ---- operators -----------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        scheme = self.found.schemes.get(node.index)
        inputs = list(node.operator.inputs or ())
        for use in node.inputs:
            inputs[use.position] = self._operand(node, use, scheme is not None)
        outputs = list(node.operator.outputs or ())
        for use in node.outputs:
            if self.graph.is_float(use.tensor):
                grid = self.found.shared.written(node, use) if scheme else None
                outputs[use.position] = self._make(use.tensor, grid)
        operator = dataclasses.replace(node.operator, inputs=tuple(inputs), outputs=tuple(outputs))
        if scheme is not None:
            operator = self._integer(node, operator, scheme)
        self.operators.append(operator)

    def _operand(self, node: Node, use: Use, integer: bool) -> int:
        """The index of the form of an operand that a node reads."""
        if not self.graph.is_float(use.tensor):
            return use.tensor
        if not integer:
            return self._need(use.tensor, FLOAT, None)
        if use.tensor in self.graph.constants:
            return self._constant(use.tensor, *self.found.constants[node.index, use.position])
        grid = self.found.shared.read(node, use)
        if self.graph.is_variable(use.tensor) and use.tensor not in self.made:
            return self._make(use.tensor, grid)
        return self._need(use.tensor, form_of(grid), grid)

    def _constant(self, tensor: int, grid: Grid, integers: Array) -> int:
        """The index of a constant's integers; they take the float constant's place where nobody needs that."""
        key = (tensor, form_of(grid), integers.tobytes())
        if key not in self.constants:
            taken = tensor in self.float_constants or any(k[0] == tensor for k in self.constants)
            old = self.graph.subgraph.tensors[tensor]
            new = dataclasses.replace(
                old,
                name=self._name(tensor, grid.type) if taken else old.name,
                type=grid.type.upper(),
                quantization=grid.quantization(),
                buffer=self.edit.buffer(
                    packed(integers, grid.type) if grid.type == "int4" else grid.stored(integers).tobytes()
                ),
            )
            if taken:
                self.tensors.append(new)
            else:
                self.tensors[tensor] = new
            self.constants[key] = len(self.tensors) - 1 if taken else tensor
        return self.constants[key]

    def _integer(self, node: Node, operator: Operator, scheme: Scheme) -> Operator:
        """The operator as an integer one: its version, and what its integer kernel asks for."""
        activations = scheme.activations
        old = self.graph.model.operator_codes[operator.opcode_index]
        fields, weight_bits = OPTIONS.get((node.name, activations), {}), scheme.weight_bits
        biased = False
        if activations == "int16" and self._computes_weights(node):
            weight_bits, biased = 16, node.named("bias") is not None
            fields = INT64_BIAS if biased else fields
        code = self.edit.code(node.name, version(node.name, activations, old.version, weight_bits, biased))
        changes: dict[str, object] = {"opcode_index": code}
        if grids := recurrent.intermediates(node, self.found.shared):
            changes["intermediates"] = tuple(self._intermediate(node, i, g) for i, g in enumerate(grids))
        if fields:
            table = operator.options.table if operator.options else schema.OPTIONS_OF[node.name]
            changes["options"] = schema.make_options(table, **{**(operator.options or {}), **fields})
        return dataclasses.replace(operator, **changes)  # type: ignore[arg-type]  # fields of Operator

    def _computes_weights(self, node: Node) -> bool:
        weights = node.named("weights") if node.name == "FULLY_CONNECTED" else None
        return weights is not None and weights.tensor not in self.graph.constants

    def _intermediate(self, node: Node, position: int, grid: Grid | None) -> int:
        name = self._name(node.outputs[0].tensor, f"intermediate_{position}")
        type_, quantization = ("FLOAT32", None) if grid is None else (grid.type.upper(), grid.quantization())
        self.tensors.append(Tensor(name, type_, (0,), has_rank=True, quantization=quantization))
        return len(self.tensors) - 1
