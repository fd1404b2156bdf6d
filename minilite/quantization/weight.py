"""The weights of a model: which constants they are, and what becomes of one.

A :class:`Weight` is a float32 constant that operators of the same needs read. What a scheme makes of it is a
:class:`Rounded`: a grid, and the integers on it. A :data:`Choice` says which: :func:`nearest` rounds; searched clipping
(:mod:`minilite.quantization.clipping`) and rounding with data (:mod:`minilite.quantization.rounding`) are others.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

import numpy as np

from minilite.errors import ArgumentError
from minilite.model import Model, Operator
from minilite.ops import OPS
from minilite.quantization.editing import GraphEdit, ModelEdit, Use
from minilite.quantization.grid import Array, Grid
from minilite.quantization.numbers import Numbers
from minilite.quantization.source import check_float
from minilite.spec import INTEGER_RANGE

Excluded = Container[tuple[int, int]]
"""Operators to leave alone, as (subgraph, operator)."""


@dataclass(frozen=True, eq=False)
class Weight:
    """A float32 constant and the operands that need it in one form: ``axis`` is what may have a scale for each slice
    (None: one scale), ``bits`` how wide its integers are, ``operators`` the names of those who read them."""

    subgraph: int
    tensor: int
    name: str
    values: Array
    axis: int | None
    bits: int
    uses: tuple[Use, ...]
    operators: frozenset[str] = frozenset()
    narrow: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """The integers to use. Without the lowest one if ``narrow``, and of 8 bits always: the 8-bit specification asks
        for that, and hybrid kernels for x86, which negate weights within their type."""
        low, high = INTEGER_RANGE[f"int{self.bits}"]
        return low + (self.narrow or self.bits >= 8), high


@dataclass(frozen=True, eq=False)
class Rounded:
    """Integers (int64) on a grid. In blocks, ``block_scales`` [rows, blocks] take the place of the grid's scales."""

    grid: Grid
    integers: Array
    block_scales: Array | None = None

    @property
    def block_size(self) -> int:
        """Values along the last dimension that share a scale; 0 when not in blocks."""
        return 0 if self.block_scales is None else self.integers.shape[-1] // self.block_scales.shape[-1]

    def values(self) -> Array:
        """The real numbers, float32."""
        if self.block_scales is None:
            return self.grid.dequantize(self.integers)
        scales = np.repeat(self.block_scales.astype(np.float32), self.block_size, axis=-1)
        return (scales * self.integers).astype(np.float32)


Choice = Callable[[Weight], Rounded]


def nearest(numbers: Numbers) -> Choice:
    """Scales from the largest magnitude, values rounded to the nearest: what both of Google's quantizers do.

    8 bits leave the lowest integer out, 4 bits would not reach it."""

    def choose(weight: Weight) -> Rounded:
        grid = numbers.weight(weight.values, weight.axis, weight.bits)
        return Rounded(grid, numbers.integers(weight.values, grid, narrow=weight.bits >= 8))

    return choose


def weight_axis(name: str, operator: Operator, position: int, rank: int) -> int | None:
    """The dimension along which an operand may have a scale for each slice: the row's, and of BATCH_MATMUL's
    right-hand side that of the result's columns."""
    if name == "BATCH_MATMUL":
        adjoint = operator.options is not None and operator.options.get("adj_y", False)
        return rank - (2 if adjoint else 1) if position == 1 else None
    axis = OPS[name].of(operator.options or {}).operand(position).axis
    return axis if axis is None else axis % rank


Want = Callable[[GraphEdit, int, int], tuple[int | None, int] | None]
"""(graph, operator, position) -> the axis and bits that a scheme wants an operand's constant in, or None."""


def weights(graph: GraphEdit, want: Want, exclude: Excluded = ()) -> Iterator[Weight]:
    """Every form in which a float32 constant that has elements is wanted, constant by constant."""
    for tensor, values in graph.constants():
        if not values.size:  # there is nothing to quantize
            continue
        forms: dict[tuple[int | None, int], list[Use]] = {}
        for use in graph.uses(tensor):
            form = None if (graph.index, use[0]) in exclude else want(graph, *use)
            if form is not None:
                forms.setdefault(form, []).append(use)
        name = graph.original.tensors[tensor].name or ""
        for (axis, bits), uses in forms.items():
            yield Weight(
                graph.index, tensor, name, values, axis, bits, tuple(uses), frozenset(graph.name(i) for i, _ in uses)
            )


def float_edit(model: Model) -> ModelEdit:
    """An edit of a float model. Raises :class:`ArgumentError` for one that is already quantized or has no float
    constants."""
    check_float(model)
    edit = ModelEdit(model)
    if not any(True for graph in edit.graphs for _ in graph.constants()):
        raise ArgumentError("the model has no float32 constants: expected weights to quantize, got none.")
    return edit
