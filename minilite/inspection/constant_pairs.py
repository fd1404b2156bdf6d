"""The weights and biases of two models' corresponding layers, as real numbers.

Operators correspond where their results do (:mod:`.alignment`) and they are of the same kind. Conversions are looked
through: those between a constant and its reader, and those behind a result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from minilite.constants import dense_constant
from minilite.inspection.alignment import CONVERSIONS
from minilite.inspection.places import Key, operator_name
from minilite.inspection.reals import dequantized, grid_of
from minilite.model import Model, Tensor
from minilite.quantization.graph import LARGEST_CONSTANT, Graph, Node, Use, graph
from minilite.quantization.grid import Grid

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Pair:
    """A constant of both models: ``a`` and ``b`` as [channels, others], in float64. ``shape`` is the file's with the
    channels, its dimension ``axis``, first. ``step`` is the width of the coarser grid, by channel; ``grid`` is that of
    ``b``."""

    a: Array
    b: Array
    shape: tuple[int, ...]
    axis: int
    step: Array
    grid: Grid | None


@dataclass(frozen=True, eq=False)
class Layer:
    """An operator of ``b`` whose weights are constants; ``bias`` is None where one side has none. ``input`` is the
    tensor that it reads."""

    key: Key
    name: str
    input: Key
    output: Key
    weights: Pair
    bias: Pair | None


def layers(a: Model, b: Model, counterparts: Mapping[Key, Key]) -> Iterator[Layer]:
    """The layers of ``b`` with a counterpart that has constants of the same shapes, in the order of execution."""
    for s in range(min(len(a.subgraphs), len(b.subgraphs))):
        first, second = graph(a, s), graph(b, s)
        for node in second.nodes:
            theirs = _counterpart(first, s, node, counterparts)
            layer = None if theirs is None else _layer(first, second, theirs, node)
            if layer is not None:
                yield layer


def _counterpart(first: Graph, s: int, node: Node, counterparts: Mapping[Key, Key]) -> Node | None:
    found = next((counterparts[s, u.tensor] for u in node.outputs if (s, u.tensor) in counterparts), None)
    maker = None if found is None or found[0] != s else first.producers.get(found[1])
    if maker is not None and maker.name != node.name and maker.name in CONVERSIONS:
        maker = first.producers.get(maker.inputs[0].tensor)
    return maker if maker is not None and maker.name == node.name else None


def _layer(first: Graph, second: Graph, theirs: Node, node: Node) -> Layer | None:
    weights = [u for u in node.inputs if u.operand.role == "weight"]
    if len(weights) != 1 or not node.outputs:
        return None  # recurrent layers have many
    pair = _pair(first, second, theirs, weights[0])
    if pair is None:
        return None
    bias = next((u for u in node.inputs if u.operand.role == "bias"), None)
    other = None if bias is None else _pair(first, second, theirs, bias)
    if other is not None and len(other.a) != len(pair.a):
        other = None
    fed = next((u.tensor for u in node.inputs if u.operand.role == "activation"), -1)
    s = second.index
    return Layer((s, node.index), node.name, (s, fed), (s, node.outputs[0].tensor), pair, other)


def _pair(first: Graph, second: Graph, theirs: Node, use: Use) -> Pair | None:
    other = next((u for u in theirs.inputs if u.position == use.position), None)
    ours = real_constant(second.model, second.index, use.tensor)
    found = None if other is None else real_constant(first.model, first.index, other.tensor)
    if ours is None or found is None or ours[0].shape != found[0].shape or not ours[0].size:
        return None
    axis = use.operand.axis or 0
    x, y = (np.moveaxis(values.astype(np.float64), axis, 0) for values in (found[0], ours[0]))
    grids = [g for g in (found[1], ours[1]) if g is not None]
    step = np.max([np.broadcast_to(g.scales, len(x)) for g in grids], axis=0) if grids else np.zeros(len(x))
    return Pair(x.reshape(len(x), -1), y.reshape(len(x), -1), x.shape, axis, step.astype(np.float64), ours[1])


def real_constant(model: Model, s: int, tensor: int) -> tuple[Array, Grid | None] | None:
    """What a constant stands for, and its grid; None where a tensor is no constant, or not of real numbers."""
    declared = model.subgraphs[s].tensors[tensor]
    values = dense_constant(model, declared, tensor, LARGEST_CONSTANT)
    if values is None:
        made = (o for o in model.subgraphs[s].operators if tensor in (o.outputs or ()))
        maker = next((o for o in made if operator_name(model, o) == "DEQUANTIZE"), None)
        return None if maker is None else real_constant(model, s, (maker.inputs or ())[0])
    grid = _grid(declared, values)
    if grid is None and str(declared.type) not in ("FLOAT32", "FLOAT16"):
        return None
    return dequantized(grid, values), grid


def _grid(tensor: Tensor, values: Array) -> Grid | None:
    """Its grid; of as many scales as it has channels, else of one."""
    grid = grid_of(tensor)
    if grid is None or grid.axis is None:
        return grid
    fits = grid.axis < values.ndim and values.shape[grid.axis] == grid.scales.size == grid.zero_points.size
    return grid if fits else None
