"""A float model that rounds where a quantized one would: constants rounded, tensors through FAKE_QUANT."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from minilite import schema
from minilite.fixed_point import round_half_away
from minilite.model import Model, Operator, Subgraph
from minilite.quantization.editing import ModelEdit
from minilite.quantization.graph import Graph, Node, Use, graph
from minilite.quantization.grid import Array, Grid
from minilite.quantization.numbers import Tflite, magnitudes
from minilite.quantization.operands import SYMMETRIC
from minilite.quantization.schemes import INT8
from minilite.quantization.selecting import Pattern, selected
from minilite.quantization.sharing import fixed
from minilite.quantization.static import Assignment, solve

Range = tuple[float, float]


@dataclass(frozen=True)
class Widths:
    """How values are rounded: the bits of activations and of weights, weights per channel or per tensor, activations on
    symmetric ranges or not."""

    bits: int
    weight_bits: int
    per_channel: bool = True
    symmetric: bool = False

    def activation(self, low: float, high: float) -> Range:
        """The ends of a range as FAKE_QUANT takes them. A symmetric one has its zero in the middle and a number more
        below than above."""
        if not self.symmetric:
            return low, high
        largest = max(-low, high)
        return -largest * (1 + 1 / (2 ** (self.bits - 1) - 1)), largest

    def weight(self, values: Array, axis: int | None) -> Array:
        """``w = round(w / scale) * scale`` with ``scale = max |w| / (2**(bits - 1) - 1)``, halves away from zero."""
        most = 2 ** (self.weight_bits - 1) - 1
        scales = np.maximum(magnitudes(values, axis), np.float32(1e-30)) / np.float32(most)
        along = scales if axis is None else scales.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        return np.asarray(round_half_away(values / along) * along, np.float32)

    def constant(self, values: Array, low: float, high: float) -> Array:
        """Values rounded as FAKE_QUANT rounds them."""
        low, high = self.activation(low, high)
        steps = 2**self.bits - 1
        scale = max(high - low, 1e-30) / steps
        zero = np.clip(np.round(-low / scale), 0, steps)
        return np.asarray((np.clip(np.round(values / scale) + zero, 0, steps) - zero) * scale, np.float32)


@dataclass(frozen=True)
class _Known(Tflite):
    """TFLiteConverter's formulas, with a memory of the ranges that grids came from: grids have 8 bits, ranges all."""

    ranges: dict[bytes, Range] = field(default_factory=dict)

    def activation(self, lo: float, hi: float, type_: str) -> Grid:
        grid = super().activation(lo, hi, type_)
        if max(-min(lo, 0.0), max(hi, 0.0)) > 1e-6:
            self.ranges.setdefault(_key(grid), (min(lo, 0.0), max(hi, 0.0)))
        return grid


def _key(grid: Grid) -> bytes:
    return grid.scales.tobytes() + grid.zero_points.tobytes()


def rounding(
    model: Model, ranges: Mapping[tuple[int, int], Range], widths: Widths, exclude: Iterable[Pattern] = ()
) -> Model:
    """The model with FAKE_QUANT where the scheme ``int8`` would have integers, and with rounded constants."""
    graphs = [graph(model, i) for i in range(len(model.subgraphs))]
    left: set[tuple[int, int]] = set().union(*(selected(graphs, pattern) for pattern in exclude))
    edit = ModelEdit(model)
    subgraphs = []
    for g in graphs:
        known = _Known()
        scheme = dataclasses.replace(INT8, numbers=known, adjusts_bias="")
        own = {tensor: pair for (s, tensor), pair in ranges.items() if s == g.index}
        wanted = {n.index: None if (g.index, n.index) in left else scheme for n in g.nodes}
        found = solve(g, own, wanted, widths.per_channel)
        subgraphs.append(_Rounder(g, found, edit, widths, known.ranges).run())
    return dataclasses.replace(
        model, subgraphs=tuple(subgraphs), buffers=tuple(edit.buffers), operator_codes=tuple(edit.codes)
    )


class _Rounder:
    """Writes one subgraph. ``rounded`` has, by tensor and grid, where the tensor can be read rounded to it."""

    def __init__(self, graph: Graph, found: Assignment, edit: ModelEdit, widths: Widths, known: Mapping[bytes, Range]):
        self.graph, self.found, self.edit, self.widths, self.known = graph, found, edit, widths, known
        self.tensors = list(graph.subgraph.tensors)
        self.operators: list[Operator] = []
        self.rounded: dict[tuple[int, bytes], int] = {}

    def run(self) -> Subgraph:
        for node in self.graph.nodes:
            if node.index in self.found.schemes:
                self._rounding(node)
            else:
                self.operators.append(node.operator)
        return dataclasses.replace(self.graph.subgraph, tensors=tuple(self.tensors), operators=tuple(self.operators))

    def _rounding(self, node: Node) -> None:
        inputs = list(node.operator.inputs or ())
        for use in self.graph.floats(node.inputs):
            if not self.graph.is_variable(use.tensor):
                inputs[use.position] = self._read(node, use)
        outputs, after = list(node.operator.outputs or ()), []
        for use in self.graph.floats(node.outputs):
            grid = self.found.shared.written(node, use)
            assert grid is not None
            outputs[use.position] = self._copy(use.tensor)
            after.append(self._fake_quant(outputs[use.position], use.tensor, self._range(grid, use)))
            self.rounded[use.tensor, _key(grid)] = use.tensor
        self.operators += [dataclasses.replace(node.operator, inputs=tuple(inputs), outputs=tuple(outputs)), *after]

    def _read(self, node: Node, use: Use) -> int:
        """Where an operand can be read as the operator needs it."""
        if use.tensor in self.graph.constants:
            return self._constant(node, use)
        grid = self.found.shared.read(node, use)
        assert grid is not None
        place = (use.tensor, _key(grid))
        if place not in self.rounded:
            self.rounded[place] = self._copy(use.tensor)
            self.operators.append(self._fake_quant(use.tensor, self.rounded[place], self._range(grid, use)))
        return self.rounded[place]

    def _constant(self, node: Node, use: Use) -> int:
        values = self.graph.constants[use.tensor]
        if use.operand.role == "bias":
            return use.tensor
        grid = self.found.constants[node.index, use.position][0]
        if use.operand.role == "weight" or (node.name, use.operand.name) in SYMMETRIC:
            array = self.widths.weight(values, grid.axis)
        elif (shared := self.found.shared.reads.get((node.index, use.position))) is not None:
            array = self.widths.constant(values, *self._range(shared, use))
        else:
            array = self.widths.constant(values, min(float(values.min()), 0.0), max(float(values.max()), 0.0))
        old = self.tensors[use.tensor]
        self.tensors.append(
            dataclasses.replace(old, name=f"{old.name}_rounded", buffer=self.edit.buffer(array.tobytes()))
        )
        return len(self.tensors) - 1

    def _range(self, grid: Grid, use: Use) -> Range:
        """The range that a grid came from. One that is fixed has its numbers closer together with more bits, and ends
        one of them below the same power of two."""
        if _key(grid) in self.known:
            return self.known[_key(grid)]
        low, high = grid.range
        if fixed(use, grid.type) is not None:
            return low, low + 256 * float(grid.scales[0]) * (1 - 2.0**-self.widths.bits)
        return low, high

    def _copy(self, tensor: int) -> int:
        old = self.tensors[tensor]
        self.tensors.append(dataclasses.replace(old, name=f"{old.name}_{len(self.tensors)}"))
        return len(self.tensors) - 1

    def _fake_quant(self, source: int, target: int, range_: Range) -> Operator:
        low, high = self.widths.activation(*range_)
        options = schema.make_options("FakeQuantOptions", min=low, max=high, num_bits=self.widths.bits)
        return Operator(self.edit.code("FAKE_QUANT", 1), (source,), (target,), options)
