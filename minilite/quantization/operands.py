"""The integers of constant operands: weights, biases, and other constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from minilite.errors import ArgumentError
from minilite.quantization import recurrent
from minilite.quantization.calibration import is_range
from minilite.quantization.graph import Graph, Node, Place, Use
from minilite.quantization.grid import Array, Grid
from minilite.quantization.schemes import Scheme
from minilite.quantization.sharing import Shared

BIAS_MAX = (2**31 - 1) // 2
"""The largest bias in steps of its scale: half of int32, which leaves the other half to the products."""

BIAS_MAX_4 = BIAS_MAX // 16
"""The same beside 4-bit weights: XNNPACK multiplies by 16 times the weight, and by 16 times the bias in int32."""

SYMMETRIC = {("PRELU", "alpha")}
"""Constants that are no weights and have zero point 0 all the same."""

Chosen = Sequence[tuple[Node, Scheme]]
"""The nodes that become integers, each with its scheme."""


def constants(
    graph: Graph, chosen: Chosen, shared: Shared, own: Mapping[int, Grid], per_channel: bool
) -> dict[Place, tuple[Grid, Array]]:
    """The grid and the integers of every constant float operand of the nodes. ``own`` has the grids that tensors would
    have by their own ranges."""
    grids: dict[Place, Grid] = {}
    for node, scheme in chosen:
        for use in _constant(graph, node, bias=False):
            read = shared.reads.get((node.index, use.position))
            grids[node.index, use.position] = read or _grid(graph, node, use, scheme, per_channel)
    _fit_biases(graph, chosen, shared, own, grids)
    found = {}
    for node, scheme in chosen:
        for use in (*_constant(graph, node, bias=False), *_constant(graph, node, bias=True)):
            grid = grids[node.index, use.position]
            symmetric = use.operand.role == "weight" or (node.name, use.operand.name) in SYMMETRIC
            integers = scheme.numbers.integers(graph.constants[use.tensor], grid, symmetric and grid.type == "int8")
            found[node.index, use.position] = (grid, integers)
    return found


def _constant(graph: Graph, node: Node, bias: bool) -> list[Use]:
    """The constant float operands of a node: its biases, or all others."""
    floats = (u for u in graph.floats(node.inputs) if u.tensor in graph.constants)
    return [u for u in floats if (u.operand.role == "bias") == bias]


def _grid(graph: Graph, node: Node, use: Use, scheme: Scheme, per_channel: bool) -> Grid:
    values = graph.constants[use.tensor]
    if node.name in recurrent.OPERAND_TYPES:
        return recurrent.weight(node, use, values, scheme.numbers)
    if use.operand.role == "weight":
        axis = use.operand.axis if per_channel else None
        return scheme.numbers.weight(values, axis, scheme.weight_bits)
    if (node.name, use.operand.name) in SYMMETRIC and scheme.activations == "int8":
        return scheme.numbers.weight(values, None)
    if not is_range(float(values.min(initial=0)), float(values.max(initial=0))):
        raise ArgumentError(
            f"{graph.name(use.tensor)}, {use.operand.name} of {node}: its values from {values.min():.4g} to "
            f"{values.max():.4g} are too wide for a scale in float32. Leave the operator float with exclude=."
        )
    return scheme.numbers.constant(values, scheme.activations)


# ---- biases ----------------------------------------------------------------------------------------------------------


def _fit_biases(
    graph: Graph, chosen: Chosen, shared: Shared, own: Mapping[int, Grid], grids: dict[Place, Grid]
) -> None:
    """Add the grids of biases, ``scale = input scale * weight scale``. A bias too large for that is given a larger
    scale, and so are its weights; where the scheme shares weights, all operators that read them get the largest."""
    shares = [(n, s) for n, s in chosen if s.adjusts_bias == "weights first"]
    for node, scheme in chosen:
        for use in _constant(graph, node, bias=True):
            _fit(graph, node, use, scheme, shared, own, grids)
    widest: dict[tuple[int, int | None], Array] = {}
    weights = [(n, u) for n, _ in shares for u in _constant(graph, n, bias=False) if u.operand.role == "weight"]
    for node, use in weights:
        grid = grids[node.index, use.position]
        key = (use.tensor, grid.axis)
        widest[key] = np.maximum(widest.get(key, grid.scales), grid.scales)
    for node, use in weights:
        grid = grids[node.index, use.position]
        grids[node.index, use.position] = dataclasses.replace(grid, scales=widest[use.tensor, grid.axis])
    for node, scheme in shares:
        for use in _constant(graph, node, bias=True):
            grids[node.index, use.position] = _product(node, use, scheme, shared, grids)


def _sources(node: Node, bias: Use) -> tuple[Use, Use]:
    """The operands whose scales make up the bias's: the input, and the weights."""
    source, weights = (node.named(name) for name in bias.operand.scale_of)
    assert source is not None
    assert weights is not None
    return source, weights


def _read(node: Node, use: Use, shared: Shared) -> Grid:
    grid = shared.read(node, use)
    assert grid is not None
    return grid


def _product(node: Node, bias: Use, scheme: Scheme, shared: Shared, grids: dict[Place, Grid]) -> Grid:
    source, weight = (_own_or_read(node, use, shared, grids) for use in _sources(node, bias))
    grid = scheme.numbers.bias(source.scales[0], weight, scheme.bias)
    if not np.isfinite(grid.scales).all():
        raise ArgumentError(
            f"{node}: the scales of its input and of its weights, {source.scales[0]:.4g} and up to "
            f"{weight.scales.max():.4g}, make a product that float32 does not hold. Leave it float with exclude=."
        )
    return grid


def _own_or_read(node: Node, use: Use, shared: Shared, grids: Mapping[Place, Grid]) -> Grid:
    """The grid of an operand: a constant's own, or that on which a result is read. Inputs may be constant, and weights
    computed."""
    return grids.get((node.index, use.position)) or _read(node, use, shared)


def _fit(
    graph: Graph,
    node: Node,
    bias: Use,
    scheme: Scheme,
    shared: Shared,
    own: Mapping[int, Grid],
    grids: dict[Place, Grid],
) -> None:
    source, weights = _sources(node, bias)
    grid = _product(node, bias, scheme, shared, grids)
    place = (node.index, weights.position)
    if place in grids and scheme.adjusts_bias:
        adjust = ADJUSTMENTS[scheme.adjusts_bias]
        read = _own_or_read(node, source, shared, grids)
        if scheme.adjusts_bias == "weights first":
            read = own.get(source.tensor, read)
        grids[place], grid = adjust(graph.constants[bias.tensor], read, grids[place], grid)
    grids[node.index, bias.position] = grid


def _largest(values: Array, weight: Grid) -> Array:
    """The largest magnitude of a bias that each scale of the weights has to serve."""
    magnitudes = np.abs(values.reshape(-1).astype(np.float64))
    return magnitudes if weight.axis is not None else magnitudes.max(initial=0, keepdims=True)


def _both(values: Array, source: Grid, weight: Grid, bias: Grid) -> tuple[Grid, Grid]:
    """Larger scales of weights and bias in the channels whose bias exceeds :data:`BIAS_MAX` steps."""
    largest = _largest(values, weight)
    most = BIAS_MAX_4 if weight.type == "int4" else BIAS_MAX
    over = largest / bias.scales > most
    if not over.any():
        return weight, bias
    wider = largest / most
    return (
        dataclasses.replace(weight, scales=_where(over, wider / float(source.scales[0]), weight.scales)),
        dataclasses.replace(bias, scales=_where(over, wider, bias.scales)),
    )


def _weights_first(values: Array, source: Grid, weight: Grid, bias: Grid) -> tuple[Grid, Grid]:
    """Larger scales of the weights in the channels whose bias is half of int32 or more; the bias's follow. ``source``
    is the input's grid by its own range: which scale it shares is settled later in TFLiteConverter."""
    largest = _largest(values, weight)
    over = largest >= 0.5 * float(source.scales[0]) * weight.scales.astype(np.float64) * (2**31 - 1)
    if not over.any():
        return weight, bias
    widest = (2.0 * largest / (2**31 - 1) * float(np.float32(127) / source.scales[0])).astype(np.float32)
    return dataclasses.replace(weight, scales=_where(over, widest / np.float32(127), weight.scales)), bias


def _where(over: Array, wider: Array, scales: Array) -> Array:
    return np.where(over, wider, scales).astype(np.float32)


Adjustment = Callable[[Array, Grid, Grid, Grid], tuple[Grid, Grid]]
ADJUSTMENTS: dict[str, Adjustment] = {"both": _both, "weights first": _weights_first}
"""What is done about biases too large for their scale; see :attr:`Scheme.adjusts_bias`. From the bias's values and the
grids of input, weights and bias, the new ones of weights and bias."""
