"""A subgraph as the quantizer sees it: operators with their rows, who makes and who reads each tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minilite.constants import constant_array
from minilite.model import Model, Operator, Subgraph
from minilite.ops import OPS
from minilite.spec import Op, Operand

LARGEST_CONSTANT = 2**31 - 1
Place = tuple[int, int]
"""An operator and the position of one of its operands, or of its results."""


@dataclass(frozen=True, eq=False)
class Use:
    """One operand or result of a node: its position, its tensor, and what the row says of it."""

    position: int
    tensor: int
    operand: Operand


@dataclass(frozen=True, eq=False)
class Node:
    """An operator with its row; ``row`` is None for operators that minilite has none for."""

    index: int
    name: str
    operator: Operator
    row: Op | None
    inputs: tuple[Use, ...]
    outputs: tuple[Use, ...]

    def __str__(self) -> str:
        return f"{self.name} (operator {self.index})"

    def named(self, operand: str) -> Use | None:
        """The input of that name, if it is there."""
        return next((u for u in self.inputs if u.operand.name == operand), None)


@dataclass(frozen=True, eq=False)
class Graph:
    """A subgraph of a model. ``constants`` holds the float32 constants by tensor index, in their shapes."""

    model: Model
    index: int
    subgraph: Subgraph
    nodes: tuple[Node, ...]
    constants: dict[int, np.ndarray] = field(default_factory=dict)

    @cached_property
    def producers(self) -> dict[int, Node]:
        """The node that computes a tensor."""
        return {u.tensor: node for node in self.nodes for u in node.outputs}

    @cached_property
    def readers(self) -> dict[int, list[tuple[Node, Use]]]:
        """The nodes that read a tensor, in order; one that reads it twice is there twice."""
        found: dict[int, list[tuple[Node, Use]]] = {}
        for node in self.nodes:
            for use in node.inputs:
                found.setdefault(use.tensor, []).append((node, use))
        return found

    def is_float(self, tensor: int) -> bool:
        """Whether a tensor holds float32."""
        return self.subgraph.tensors[tensor].type == "FLOAT32"

    def is_variable(self, tensor: int) -> bool:
        """Whether a tensor keeps its value from one invoke to the next."""
        return self.subgraph.tensors[tensor].is_variable

    def floats(self, uses: tuple[Use, ...]) -> Iterator[Use]:
        """Those of the operands or results that are float32."""
        return (u for u in uses if self.is_float(u.tensor))

    def name(self, tensor: int) -> str:
        """How a person recognizes a tensor."""
        return f"tensor {tensor} {self.subgraph.tensors[tensor].name or ''!r}"


def graph(model: Model, index: int) -> Graph:
    """The view of a subgraph of a model."""
    subgraph = model.subgraphs[index]
    nodes = tuple(_node(model, i, operator) for i, operator in enumerate(subgraph.operators))
    constants = {}
    for i, tensor in enumerate(subgraph.tensors):
        if tensor.type == "FLOAT32" and tensor.sparsity is None:
            value = constant_array(model, tensor, i)
            if value is not None:
                constants[i] = value
    return Graph(model, index, subgraph, nodes, constants)


def _node(model: Model, index: int, operator: Operator) -> Node:
    name = model.operator_codes[operator.opcode_index].name
    row = OPS[name].of(operator.options) if name in OPS else None
    inputs = tuple(
        Use(i, t, row.operand(i) if row and row.inputs else Operand(f"input {i}"))
        for i, t in enumerate(operator.inputs or ())
        if t >= 0
    )
    outputs = tuple(
        Use(i, t, row.result(i) if row and row.outputs else Operand(f"output {i}"))
        for i, t in enumerate(operator.outputs or ())
        if t >= 0
    )
    return Node(index, name, operator, row, inputs, outputs)
