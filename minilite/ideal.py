"""Kernel set ``ideal``: what an operator should give, with one rounding and no kernel's habits.

Integers that stand for real numbers become float64, ``real = scale * (q - zero_point)``; the row's float definition
computes on them; each result is rounded once:

    q = clamp(round(real / scale) + zero_point)         ties away from zero, as TFLite quantizes

Float32 results are computed in float64, too, and rounded once. Operators that have no float definition, whose operands
are no real numbers, or that look at bytes, are computed by their own definitions. A bias that gives no scale has the
product of those of the operands it belongs to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import OperatorError
from minilite.fixed_point import round_half_away
from minilite.ops.hybrid import block_scales
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo

Array = np.ndarray
BARE: dict[str, Any] = {
    "scales": np.empty(0, np.float32),
    "zero_points": np.empty(0, np.int64),
    "block_size": 0,
    "block_scales": None,
}
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""Operators that on real numbers do nothing."""
OF_BYTES = ("BITCAST", "LSH_PROJECTION")
"""Operators that look at how numbers are stored."""
HANDED_ON = ("ASSIGN_VARIABLE", "READ_VARIABLE", "IF", "WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE")
"""Operators that keep their operands, or give them to other subgraphs, as they are."""


@dataclass(frozen=True)
class Prepared:
    """The float definition, ready; what the operands' integers mean; and what the results become."""

    floats: Definition | None
    prepared: Any
    inputs: tuple[TensorInfo | None, ...]
    results: tuple[TensorInfo, ...]


def definition(op: Op, node: Node) -> Definition:
    """The definition of a node in this set: the float one between conversions, or the row's own."""
    own = op.definition(node)
    if op.name in OF_BYTES + HANDED_ON or not any(t is not None and _is_real(t) for t in (*node.inputs, *node.outputs)):
        return own
    real = real_node(op, node)
    try:
        floats = None if op.name in CONVERSIONS else op.definition(real)
    except OperatorError:
        return own
    return dataclasses.replace(own, compute=compute, prepare=_prepare(op, floats))


def _is_real(info: TensorInfo) -> bool:
    return _scaled(info) or info.block_scales is not None or info.type in ("float32", "float16")


def _scaled(info: TensorInfo) -> bool:
    """Whether integers stand for reals; a scale that a file gives a float or a bool means nothing."""
    return info.quantized and info.type in INTEGER_RANGE


def _along_axis(info: TensorInfo, array: Array) -> list[int]:
    """The shape in which the scales broadcast with an array."""
    shape = [1] * array.ndim
    if info.scales.size > 1:
        found = array.shape[info.axis] if 0 <= info.axis < array.ndim else "no such dimension"
        info.need(found == info.scales.size, f"{info.scales.size} elements along dimension {info.axis}", found)
        shape[info.axis] = -1
    return shape


def real_node(op: Op, node: Node) -> Node:
    """The node as if its quantized operands and results were float32; its constants are float64 arrays."""
    inputs = meanings(op, node.inputs)
    infos = tuple(
        i and dataclasses.replace(_bare(i), value=None if i.value is None else real(i, i.value)) for i in inputs
    )
    outputs = tuple(map(_bare, node.outputs))
    intermediates = tuple(map(_bare, node.intermediates))
    return dataclasses.replace(node, inputs=infos, outputs=outputs, intermediates=intermediates, sums="any")


def _bare(info: TensorInfo) -> TensorInfo:
    return dataclasses.replace(info, type="float32", **BARE) if _is_real(info) else info


def meanings(op: Op, inputs: Sequence[TensorInfo | None]) -> tuple[TensorInfo | None, ...]:
    """The operands, axes, shapes and indices without scales, and a bias without one given the one it must have."""
    by_name = {op.operand(p).name: i for p, i in enumerate(inputs) if i is not None}
    found: list[TensorInfo | None] = []
    for position, info in enumerate(inputs):
        if info is not None and op.operand(position).role == "parameter" and info.type in ("int32", "int64"):
            info = dataclasses.replace(info, **BARE)
        parts = [by_name[n] for n in op.operand(position).scale_of if n in by_name and by_name[n].quantized]
        if info is not None and not info.quantized and parts and info.type in ("int32", "int64"):
            scales = np.prod(np.broadcast_arrays(*[p.scales for p in parts]), axis=0).astype(np.float32)
            info = dataclasses.replace(info, scales=scales, zero_points=np.zeros(scales.size, np.int64))
        found.append(info)
    return tuple(found)


def real(info: TensorInfo, array: Array) -> Array:
    """The numbers that an operand's values stand for, in float64."""
    if info.block_scales is not None:
        return np.repeat(block_scales(info), info.block_size, axis=1) * array.astype(np.float64)
    if not _scaled(info):
        return array.astype(np.float64) if array.dtype.kind == "f" else array
    shape = _along_axis(info, array)
    zeros = info.zero_points if info.zero_points.size else np.zeros(1, np.int64)
    scales = info.scales.astype(np.float64)
    if array.ndim:
        scales, zeros = scales.reshape(shape), zeros.reshape(shape if zeros.size > 1 else [1] * array.ndim)
    return np.asarray(scales * (array.astype(np.float64) - zeros)).reshape(array.shape)


def rounded(info: TensorInfo, reals: Array) -> Array:
    """Real numbers as the values of a result, rounded once."""
    if not _scaled(info):
        return reals.astype(info.dtype) if reals.dtype.kind == "f" else reals
    low, high = INTEGER_RANGE[info.type]
    scales = info.scales.astype(np.float64).reshape(_along_axis(info, reals))
    steps = round_half_away(reals / scales) + info.zero_point
    return np.clip(np.where(np.isnan(steps), 0, steps), low, high).astype(info.dtype)


def _prepare(op: Op, floats: Definition | None) -> Any:
    def prepare(node: Node, *operands: TensorInfo | None) -> Prepared:
        states = tuple(i for p, i in enumerate(node.inputs) if op.operand(p).state and i is not None)
        bare = real_node(op, node)
        absent = [None] * (len(operands) - len(node.inputs) - len(node.outputs))
        ready = None if floats is None else floats.prepare(bare, *bare.inputs, *absent, *bare.outputs)
        return Prepared(floats, ready, meanings(op, node.inputs), (*node.outputs, *states))

    return prepare


def compute(p: Prepared, *arrays: Array | None) -> Any:
    """Convert, compute, round."""
    infos = (*p.inputs, *[None] * (len(arrays) - len(p.inputs)))
    reals = [a if i is None or a is None else real(i, a) for i, a in zip(infos, arrays, strict=True)]
    found = reals[0] if p.floats is None else p.floats.compute(p.prepared, *reals)
    if not isinstance(found, tuple):
        return rounded(p.results[0], np.asarray(found))
    return tuple(rounded(i, np.asarray(r)) for i, r in zip(p.results, found, strict=True))
