"""Scales that cannot all be right: what a file says twice, and not alike. Found without running anything.

    bias     a bias is added to sums of products, so its scale is ``s_input * s_weights[c]``, and the file has another
    zero     a bias has a zero point, which is taken to be 0
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
            yield from _zero(g, node, use)
    for use in node.inputs + node.outputs:
        if use.operand.same_as:
            yield from _shared(g, node, use)
    for use in node.outputs:
        yield from _fixed(g, node, use)


def times(factor: float) -> str:
    """``"4 times"`` and ``"1/4 of"``, as they stand before what is meant."""
    return f"{factor:.4g} times" if factor >= 1 or not factor else f"1/{1 / factor:.4g} of"


# ---- a bias ----------------------------------------------------------------------------------------------------------


def _bias(g: Graph, node: Node, use: Use) -> Iterator[Inconsistency]:
    parts = [node.named(name) for name in use.operand.scale_of]
    scales = [None if p is None else scales_of(_tensor(g, p)) for p in parts]
    declared = scales_of(_tensor(g, use))
    if declared is None or len(parts) != 2 or scales[0] is None or scales[1] is None or is_normalized(node, use):
        return
    with np.errstate(all="ignore"):
        wanted = np.maximum(scales[0][0] * scales[1], LEAST).astype(f32)
    if (wanted.size not in (1, declared.size) and declared.size != 1) or not np.isfinite(wanted).all():
        return
    declared, wanted = np.broadcast_arrays(declared, wanted)
    used = _used(g, use, declared.size)
    apart = np.flatnonzero(_apart(declared, wanted) & used)
    if apart.size:
        input_, weights = (p for p in parts if p is not None)
        yield _of_factors(g, node, (input_, weights, use), _Factors(declared, wanted, apart, int(used.sum())))


@dataclass(frozen=True, eq=False)
class _Factors:
    """The scales of a bias and what they should be; ``apart`` are the channels, of those that are ``used``, where they
    are not the same."""

    declared: np.ndarray
    wanted: np.ndarray
    apart: np.ndarray
    used: int

    @property
    def values(self) -> np.ndarray:
        """How many times too large the scales are, where they are."""
        return np.asarray(self.declared[self.apart].astype(np.float64) / self.wanted[self.apart])

    @property
    def furthest(self) -> float:
        """That which is furthest from 1."""
        return float(self.values[np.abs(np.log(self.values)).argmax()])

    @property
    def constant(self) -> bool:
        """Whether it is the same in all these channels."""
        return bool(self.values.max() <= self.values.min() * (1 + 2 * NEAR))

    @property
    def shuffled(self) -> bool:
        """Whether it is the same scales in another order."""
        return not _apart(np.sort(self.declared), np.sort(self.wanted)).any()

    @property
    def where(self) -> str:
        """The channels in words; nothing where it is all of them."""
        some = f"of {self.apart.size} of {self.declared.size} channels, the first is {self.apart[0]},"
        return "" if self.apart.size == self.used else f" {some}"


def _of_factors(g: Graph, node: Node, uses: tuple[Use, Use, Use], f: _Factors) -> Inconsistency:
    """The input has one scale: only a factor that is the same in all channels can be its fault."""
    (input_, weights, bias), c, factor = uses, int(f.apart[0]), f.furthest
    whose = f"of the weights ({_whose(g, weights)}) or of the bias"
    found = ((weights, 1 / factor), (bias, factor))
    if not f.constant:
        wrong = "in another order" if f.shuffled else "wrong in the file"
        said = f"are {f.values.min():.3g} to {f.values.max():.3g} times s_input · s_weights: those {whose} are {wrong}."
        return _found(g, node, "bias", f"the bias's scales{f.where} {said}", found)
    numbers = f"{shown(f.declared[c])} against {shown(f.wanted[c])}"
    said = f"the bias's scale{f.where} is {times(factor)} s_input · s_weights ({numbers}): "
    if f.apart.size < f.used:
        return _found(g, node, "bias", f"{said}that {whose} is wrong in the file there.", found)
    three = f"one of the three is wrong in the file: that of the input ({_whose(g, input_)}), {whose}."
    return _found(g, node, "bias", said + three, ((input_, 1 / factor), *found))


def _zero(g: Graph, node: Node, use: Use) -> Iterator[Inconsistency]:
    q = _tensor(g, use).quantization
    if q is None or q.zero_points is None or not q.zero_points.any():
        return
    first = q.zero_points[np.flatnonzero(q.zero_points)[0]]
    message = (
        f"the bias's zero point is {int(first)} in the file (tensor {use.tensor}) and must be 0: its integers are "
        "added as they are, whatever the file says."
    )
    yield _found(g, node, "zero", message, ((use, 1.0),))


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
