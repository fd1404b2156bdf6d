"""DYNAMIC_UPDATE_SLICE: ``operand`` with the box that starts at ``start_indices`` replaced by ``update``.

    output = operand;  output[start[0] : start[0] + update.shape[0], ...] = update

A start that would put the box partly outside is moved until the box is just inside.

Source: TensorFlow Lite's dynamic_update_slice kernel.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, shape, stated
from minilite.ops.moving import EVERY, definitions, moved
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, operand: TensorInfo, update: TensorInfo, start_indices: TensorInfo) -> tuple[Shape]:
    start_indices.need(start_indices.shape == (operand.rank,), f"shape ({operand.rank},)", start_indices.shape)
    operand.need(operand.rank <= 8, "at most 8 dimensions", operand.rank)
    fits = update.rank == operand.rank and all(u <= d for u, d in zip(update.shape, operand.shape, strict=True))
    update.need(fits, f"a box inside {operand.shape}", update.shape)
    return (operand.shape,)


def replace(node: Node, operand: Array, update: Array, start_indices: Array) -> Array:
    output = operand.copy()
    ranges = zip(start_indices.tolist(), operand.shape, update.shape, strict=True)
    starts = (min(max(start, 0), whole - size) for start, whole, size in ranges)
    output[tuple(slice(s, s + size) for s, size in zip(starts, update.shape, strict=True))] = update
    return output


def case(draw: Draw, definition: Definition) -> Case:
    whole = shape(draw, 1, 5, 5)
    size = [draw.integer(1, d) for d in whole]
    start = [draw.integer(-2, d + 1) for d in whole]
    starts = stated(draw, start, DTYPES[definition.input_types[2]])
    return Case((moved(draw, whole, definition), moved(draw, size, definition), starts))


DYNAMIC_UPDATE_SLICE = Op(
    "DYNAMIC_UPDATE_SLICE",
    inputs=(activation("operand"), activation("update", same_as="operand"), parameter("start_indices")),
    outputs=(activation("output", same_as="operand"),),
    definitions=definitions(EVERY, "T T I -> T", replace, indices=("int32", "int64")),
    shapes=shapes,
    cases=case,
    version=6,
)
