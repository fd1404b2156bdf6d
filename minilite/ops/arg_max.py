"""ARG_MAX and ARG_MIN: where along an axis the largest (smallest) element is, the first of equals.

    output[..., without axis, ...] = the index i with the largest input[..., i, ...]

The axis is int32 or int64 and may be negative; the output is of the type the option ``output_type`` names. Raw numbers
are compared, so scales do not matter. NaN is skipped; where there is nothing else the index is 0. (LiteRT compares the
last axis in four lanes, and may give 0 as soon as one of them holds nothing but NaN.)
Source: TensorFlow Lite's arg_min_max kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw
from minilite.ops.axes import axis_within, drawn_axis, single
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 1, "1 dimension or more", input.rank)
    gone = axis_within(single(axis), input.rank, axis)
    input.need(input.shape[gone] > 0, f"elements along axis {gone}", input.shape)
    return (tuple(d for i, d in enumerate(input.shape) if i != gone),)


@dataclass(frozen=True)
class Prepared:
    """The axis, whether the smallest element is wanted, and whether nothing replaces a NaN in the first place."""

    axis: int
    smallest: bool
    type: str
    nan_stays: bool


def prepare(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared:
    nan_stays = node.arithmetic == "first NaN stays"
    return Prepared(axis_within(single(axis), input.rank, axis), node.op == "ARG_MIN", output.type, nan_stays)


def index(p: Prepared, input: Array, axis: Array) -> Array:
    find = np.argmin if p.smallest else np.argmax
    if input.dtype.kind == "f" and np.isnan(input).any():
        return _skipping_nan(p, input).astype(p.type)
    return np.asarray(find(input, axis=p.axis)).astype(p.type)


def _skipping_nan(p: Prepared, input: Array) -> Array:
    numbers = ~np.isnan(input)
    ordered = np.where(numbers, -input if p.smallest else input, -np.inf)
    nothing_above = ordered.max(axis=p.axis) == -np.inf
    found = np.where(nothing_above, numbers.argmax(axis=p.axis), ordered.argmax(axis=p.axis))
    return np.where(p.nan_stays & ~numbers.take(0, axis=p.axis), 0, found)


def case(draw: Draw, definition: Definition) -> Case:
    """All axes; many equal elements; NaN where LiteRT does not compare in lanes."""
    shape = cases.shape(draw, 1, 5)
    axis = np.asarray([drawn_axis(draw, len(shape))], definition.input_types[1])
    options = {"output_type": definition.output_types[0].upper()}
    given = Arg(axis.shape, axis, constant=draw.choice((True, True, False)))
    if definition.input_types[0] != "float32" or draw.choice((True, True, False)):
        return Case((cases.data(shape), given), options)
    along, *inner = shape[int(axis[0]) % len(shape) :]
    lanes = along >= 4 and max(inner, default=1) == 1
    values = draw.random.choice([1.0, 2.0, -3.0, np.inf, -np.inf, 2.0 if lanes else np.nan], shape)
    return Case((cases.fed(values), given), options)


def _definition(source: str, axis: str, target: str) -> Definition:
    label = source if (axis, target) == ("int32", "int32") else f"{source}, {axis} axis, {target} index"
    return Definition(f"{source} {axis} -> {target}", index, prepare, label=label)


INTEGERS = ("int32", "int64")
DEFINITIONS = tuple(
    _definition(source, axis, target)
    for source in ("float32", "int8", "uint8", "int32", "bool")
    for axis in INTEGERS
    for target in INTEGERS
)


def _row(name: str) -> Op:
    return Op(
        name,
        inputs=(activation("input"), parameter("axis")),
        outputs=(activation("output"),),
        definitions=DEFINITIONS,
        shapes=shapes,
        cases=case,
        version=3,
    )


ARG_MAX = _row("ARG_MAX")
ARG_MIN = _row("ARG_MIN")
