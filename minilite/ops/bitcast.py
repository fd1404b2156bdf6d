"""BITCAST: the same bytes, read as elements of another type.

Elements of one size keep the input's shape. Larger elements fall apart along a new last dimension, and smaller ones
are put together from the last dimension, which must have as many as it takes; the first holds the lowest bytes. A bool
is true for any byte other than 0. Scales do not matter.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Arg, Case, Draw, shape
from minilite.ops.moving import ALL, USUAL
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    before, after = _sizes(input, node.outputs[0])
    if before >= after:
        return ((*input.shape, before // after) if before > after else input.shape,)
    count = after // before
    input.need(input.shape[-1:] == (count,), f"{count} elements along the last dimension", input.shape)
    return (input.shape[:-1],)


def _sizes(input: TensorInfo, output: TensorInfo) -> tuple[int, int]:
    for info in (input, output):
        info.need(info.type in TYPES, f"a type out of {', '.join(TYPES)}", info.type)
    return np.dtype(input.dtype).itemsize, np.dtype(output.dtype).itemsize


@dataclass(frozen=True)
class Prepared:
    """The output's type and shape."""

    dtype: Any
    shape: Shape


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    return Prepared(output.dtype, output.shape)


def bitcast(p: Prepared, input: Array) -> Array:
    data = np.ascontiguousarray(input).reshape(-1).view(np.uint8)
    return (data != 0 if p.dtype is np.bool_ else data.view(p.dtype)).reshape(p.shape)


def case(draw: Draw, definition: Definition) -> Case:
    """Bytes of any value, but none that the numbers of a bool cannot have."""
    source, target = (np.dtype(DTYPES[t]) for t in (definition.input_types[0], definition.output_types[0]))
    dims = shape(draw, 0, 4)
    if source.itemsize < target.itemsize:
        dims = (*dims, target.itemsize // source.itemsize)
    most = 1 if "bool" in definition.types else 255
    values = draw.random.integers(0, most, (*dims, source.itemsize), np.uint8, endpoint=True).view(source)
    return Case((Arg(dims, values.reshape(dims), constant=draw.choice((False, False, True))),))


TYPES = (*ALL, "complex128")
BITCAST = Op(
    "BITCAST",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=tuple(
        Definition(f"{a} -> {b}", bitcast, prepare, label=a if a in USUAL else "other", quantized=False)
        for a, b in itertools.product(TYPES, TYPES)
    ),
    shapes=shapes,
    cases=case,
)
