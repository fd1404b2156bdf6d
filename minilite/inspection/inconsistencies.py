"""Scales that cannot all be right: what a file says twice, and not alike. Found without running anything.

    bias     a bias is added to sums of products, so its scale is ``s_input * s_weights[c]``, and the file has another
    shared   an operator moves integers without rescaling them, and two of its tensors have different grids
    fixed    an operator prescribes the scale and zero point of its result, and the file has others

That quantizers round scales in different ways is no fault: scales are held against each other to :data:`NEAR`. Which of
several scales is the wrong one, the file alone cannot tell; :attr:`Inconsistency.suspects` are all of them. Source: the
constraints of the rows (:class:`minilite.spec.Operand`), which are those of LiteRT's 8-bit quantization specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minilite.constants import dense_constant
from minilite.inspection.feeding import single_grid
from minilite.inspection.lines import shown
from minilite.inspection.places import Key, producer
from minilite.model import Model, Tensor
from minilite.quantization.graph import LARGEST_CONSTANT, Graph, Node, Use, graph
from minilite.quantization.grid import Grid
from minilite.quantization.numbers import LEAST, f32

NEAR = 1e-3
"""Scales that are that near, as a share of the larger one, are the same."""
RESCALED = (("CONCATENATION", "uint8"),)
"""Operators that rescale operands of this type where they do not share a grid."""


@dataclass(frozen=True)
class Inconsistency:
    """What contradicts itself at an operator: the ``kind`` (see the module), and in words.

    ``suspects`` are the tensors one of which has the wrong scale, each with how many times too large it then is."""

    kind: str
    operator: Key
    name: str
    message: str
    suspects: tuple[tuple[Key, float], ...]


def inconsistencies(model: Model) -> tuple[Inconsistency, ...]:
    """Of all subgraphs, in the order of the operators."""
    graphs = (graph(model, s) for s in range(len(model.subgraphs)))
    return tuple(found for g in graphs for node in g.nodes for found in of_operator(g, node))


def of_operator(g: Graph, node: Node) -> Iterator[Inconsistency]:
    """Those of one operator."""
    for use in node.inputs:
        if use.operand.role == "bias" and use.operand.scale_of:
            yield from _bias(g, node, use)
    for use in node.inputs + node.outputs:
        if use.operand.same_as:
            yield from _shared(g, node, use)
    for use in node.outputs:
        yield from _fixed(g, node, use)


def times(factor: float) -> str:
    """``"4 times"`` and ``"1/4 of"``, as they stand before what is meant."""
    return f"{factor:.4g} times" if factor >= 1 else f"1/{1 / factor:.4g} of"


# ---- a bias ----------------------------------------------------------------------------------------------------------


def _bias(g: Graph, node: Node, use: Use) -> Iterator[Inconsistency]:
    parts = [node.named(name) for name in use.operand.scale_of]
    scales = [None if p is None else scales_of(_tensor(g, p)) for p in parts]
    declared = scales_of(_tensor(g, use))
    if declared is None or len(parts) != 2 or scales[0] is None or scales[1] is None or is_normalized(node, use):
        return
    with np.errstate(under="ignore"):
        wanted = np.maximum(scales[0][0] * scales[1], LEAST).astype(f32)
    if wanted.size not in (1, declared.size) and declared.size != 1:
        return
    declared, wanted = np.broadcast_arrays(declared, wanted)
    apart = np.flatnonzero(_apart(declared, wanted) & _used(g, use, declared.size))
    if not apart.size:
        return
    factor, c = float(np.median(declared[apart].astype(np.float64) / wanted[apart])), int(apart[0])
    which = "" if apart.size == declared.size else f" of {apart.size} of {declared.size} channels, the first is {c},"
    input_, weights = (p for p in parts if p is not None)
    message = (
        f"the bias's scale{which} is {times(factor)} s_input · s_weights ({shown(declared[c])} against "
        f"{shown(wanted[c])}): one of the three is wrong in the file: that of the input ({_whose(g, input_)}), of the "
        f"weights ({_whose(g, weights)}) or of the bias."
    )
    suspects = ((input_, 1 / factor), (weights, 1 / factor), (use, factor))
    yield _found(g, node, "bias", message, suspects)


def scales_of(tensor: Tensor) -> np.ndarray | None:
    """A tensor's scales; None where there are none, or where they are no positive numbers."""
    q = tensor.quantization
    if q is None or q.scales is None or not q.scales.size:
        return None
    return q.scales if bool((np.isfinite(q.scales) & (q.scales > 0)).all()) else None


def is_normalized(node: Node, use: Use) -> bool:
    """Whether a gate's bias is added behind its layer normalization, which has a scale of its own."""
    return node.named(use.operand.name.replace("bias", "layer_norm_coefficients")) is not None


def _used(g: Graph, use: Use, count: int) -> np.ndarray:
    """Which channels have a bias at all: 0 is 0 at any scale."""
    values = dense_constant(g.model, _tensor(g, use), use.tensor, LARGEST_CONSTANT)
    if values is None or values.size != count:
        return np.full(count, values is None or bool(values.any()))
    return np.asarray(values.reshape(-1) != 0)


# ---- grids that must be the same -------------------------------------------------------------------------------------


def _shared(g: Graph, node: Node, use: Use) -> Iterator[Inconsistency]:
    with_ = next((u for u in node.inputs + node.outputs if u.operand.name == use.operand.same_as), None)
    if with_ is None or with_.tensor == use.tensor:
        return
    grid, other = single_grid(_tensor(g, use)), single_grid(_tensor(g, with_))
    if grid is None or other is None or grid.type != other.type or (node.name, grid.type) in RESCALED:
        return
    if same(grid, other):
        return
    factor = float(grid.scales[0]) / float(other.scales[0])
    message = (
        f"it hands integers on without rescaling them, but the grid of its {use.operand.name} ({_whose(g, use)}: "
        f"{said(grid)}) is not that of its {with_.operand.name} ({_whose(g, with_)}: {said(other)}): "
        f"{_consequence(factor)}"
    )
    yield _found(g, node, "shared", message, ((use, factor), (with_, 1 / factor)))


def _consequence(factor: float) -> str:
    if abs(factor - 1) <= NEAR:
        return "the real numbers are shifted."
    return f"the same integers stand for {times(factor)} the real numbers."


def same(grid: Grid, other: Grid) -> bool:
    """Whether two grids with one scale each are the same, but for rounding."""
    return not _apart(grid.scales, other.scales).any() and np.array_equal(grid.zero_points, other.zero_points)


# ---- grids that an operator prescribes -------------------------------------------------------------------------------


def _fixed(g: Graph, node: Node, use: Use) -> Iterator[Inconsistency]:
    grid, wanted = single_grid(_tensor(g, use)), prescribed(g, node, use)
    if grid is None or wanted is None:
        return
    scale, zero = wanted
    if not _apart(grid.scales, f32(scale)).any() and int(grid.zero_points[0]) == zero:
        return
    message = (
        f"{node.name} prescribes scale {shown(f32(scale))}, zero point {zero} for its {grid.type} "
        f"{use.operand.name}, but the file has {said(grid)}."
    )
    yield _found(g, node, "fixed", message, ((use, float(grid.scales[0]) / scale),))


def prescribed(g: Graph, node: Node, use: Use) -> tuple[float, int] | None:
    """The scale and zero point that an operator wants for a result of the type that it has; None where there is none,
    or where the operator reads another type (TFLite Micro has such kernels, with rules of their own)."""
    type_ = g.subgraph.tensors[use.tensor].type
    if node.inputs and g.subgraph.tensors[node.inputs[0].tensor].type != type_:
        return None
    return next(((s, z) for t, s, z in use.operand.fixed if t == str(type_).lower()), None)


# ---- in words --------------------------------------------------------------------------------------------------------


def _found(g: Graph, node: Node, kind: str, message: str, suspects: tuple[tuple[Use, float], ...]) -> Inconsistency:
    tensors = tuple(((g.index, u.tensor), factor) for u, factor in suspects)
    return Inconsistency(kind, (g.index, node.index), node.name, message, tensors)


def _tensor(g: Graph, use: Use) -> Tensor:
    return g.subgraph.tensors[use.tensor]


def _whose(g: Graph, use: Use) -> str:
    """``"tensor 16 of operator 0"``: the operator that computes it."""
    maker = producer(g.model, (g.index, use.tensor))
    return f"tensor {use.tensor}{'' if maker is None else f' of operator {maker}'}"


def said(grid: Grid) -> str:
    """A grid with one scale."""
    return f"scale {shown(grid.scales[0])}, zero point {int(grid.zero_points[0])}"


def _apart(a: np.ndarray, b: np.ndarray | np.float32) -> np.ndarray:
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.asarray(np.abs(x - y) > NEAR * np.maximum(x, y))
