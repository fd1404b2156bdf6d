"""What an operator costs under each scheme it can have: bytes of constants, and multiply-accumulates times bits.

    size      bytes of the constants it reads, in the types of the scheme; shared ones in equal parts
    mac_bits  MACs * bits of a weight * bits of an activation: what a multiplier of that width has to do

float32 has 32 bits on both sides. Where both operands are computed (attention), both have the activations' bits. MACs
are those of :mod:`minilite.inspection.macs`; an operator whose MACs are not known counts none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from minilite.inspection.macs import operator_macs
from minilite.inspection.trials import Place
from minilite.quantization.graph import Graph, Node
from minilite.quantization.schemes import STATIC, Scheme
from minilite.quantization.static_model import FLOAT
from minilite.spec import DTYPES

FINEST_FIRST = (FLOAT, "int16x8", "int8", "int8x4")
"""The schemes, those that lose least first."""


@dataclass(frozen=True)
class Cost:
    """Bytes of constants, and MACs times bits."""

    size: float
    mac_bits: int


def bits(type_: str) -> int:
    """The width of a type: 4 for ``"int4"``."""
    return 4 if type_ == "int4" else 8 * np.dtype(DTYPES[type_]).itemsize


def options(graph: Graph, node: Node, candidates: Iterable[str]) -> dict[str, Cost]:
    """The schemes that a node can have, finest first, with their costs: what it really becomes where a candidate has no
    kernel for it, float32 alone if there is none."""
    wanted = set(candidates)
    found: dict[str, Cost] = {}
    for name in (n for n in FINEST_FIRST if n in wanted):
        kept = settled(graph, node, name)
        if kept not in found and (kept == name or kept != FLOAT):
            found[kept] = cost(graph, node, kept)
    return found or {FLOAT: cost(graph, node, FLOAT)}


def settled(graph: Graph, node: Node, name: str) -> str:
    """What becomes of a node that is given a scheme."""
    if name == FLOAT or not any(graph.floats((*node.inputs, *node.outputs))):
        return FLOAT
    scheme = STATIC[name].settled(graph, node)
    return scheme.name if scheme.refusal(graph, node) is None else FLOAT


def cost(graph: Graph, node: Node, name: str) -> Cost:
    """What a node costs under a scheme."""
    scheme = None if name == FLOAT else STATIC[name]
    types = None if scheme is None else scheme.types(graph, node)[0]
    size = 0.0
    for use in graph.floats(node.inputs):
        if use.tensor in graph.constants:
            width = 32 if types is None else bits(types[use.position] or FLOAT)
            size += graph.constants[use.tensor].size * width / 8 / len(graph.readers[use.tensor])
    return Cost(size, mac_bits(graph, node, scheme))


def mac_bits(graph: Graph, node: Node, scheme: Scheme | None) -> int:
    """MACs times the bits of both factors."""
    macs = operator_macs(graph.model, graph.subgraph, node.operator) or 0
    activations = 32 if scheme is None else bits(scheme.activations)
    return macs * activations * (activations if scheme is None or not has_weights(graph, node) else scheme.weight_bits)


def has_weights(graph: Graph, node: Node) -> bool:
    """Whether a node reads constant weights."""
    return any(u.operand.role == "weight" and u.tensor in graph.constants for u in node.inputs)


def total_mac_bits(graphs: Iterable[Graph], schemes: Mapping[Place, str]) -> int:
    """MACs times bits of a model whose operators have these schemes; others are float32."""
    return sum(mac_bits(g, n, STATIC.get(schemes.get((g.index, n.index), FLOAT))) for g in graphs for n in g.nodes)
