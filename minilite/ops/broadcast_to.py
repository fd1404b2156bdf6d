"""BROADCAST_TO: the input repeated along dimensions of size 1, and along new leading ones, until it has ``shape``."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, broadcastable, data, stated
from minilite.cases import shape as drawn_shape
from minilite.ops.moving import EVERY, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, shape: TensorInfo) -> tuple[Shape]:
    target = shape.known()
    shape.need(target.ndim == 1, "a vector", f"shape {target.shape}")
    wanted = tuple(int(d) for d in target)
    kept = wanted[len(wanted) - input.rank :] if len(wanted) >= input.rank else ()
    fits = len(kept) == input.rank and all(d in (1, k) for d, k in zip(input.shape, kept, strict=True))
    shape.need(fits, f"a shape that {input.shape} broadcasts to", wanted)
    return (wanted,)


def prepare(node: Node, input: TensorInfo, shape: TensorInfo, output: TensorInfo) -> Shape:
    return output.shape


def broadcast_to(output_shape: Shape, input: Array, shape: Array) -> Array:
    return np.ascontiguousarray(np.broadcast_to(input, output_shape)).reshape(output_shape)


def case(draw: Draw, definition: Definition) -> Case:
    wanted = drawn_shape(draw, 1, 8, 3)
    return Case((data(broadcastable(draw, wanted)), stated(draw, wanted, definition.input_types[1])))


BROADCAST_TO = Op(
    "BROADCAST_TO",
    inputs=(activation("input"), parameter("shape")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(EVERY, "T I -> T", broadcast_to, prepare, ("int32", "int64")),
    shapes=shapes,
    cases=case,
    version=4,
    oldest=2,
)
