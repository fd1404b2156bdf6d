"""SELECT and SELECT_V2: element by element from one of two tensors.

    output = x where condition else y

SELECT_V2 broadcasts all three like NumPy. In SELECT, ``x`` and ``y`` have the same shape, and ``condition`` has that
shape too, or is a scalar, or has one value for each ``x[i]``. Operands of one element each keep the output shape of
the model. The stored values are copied: ``x``, ``y`` and the output share scale and zero point.

Source: TensorFlow Lite's select kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.ops.broadcast import broadcast
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, condition: TensorInfo, x: TensorInfo, y: TensorInfo) -> tuple[Shape]:
    output = node.outputs[0].shape
    if all(math.prod(s) == 1 for s in (condition.shape, x.shape, y.shape, output)):
        return (output,)
    if node.op == "SELECT_V2":
        return (broadcast(condition, x, y),)
    y.need(y.shape == x.shape, f"the shape of x, {x.shape}", y.shape)
    fits = condition.shape in ((), x.shape[:1], x.shape)
    condition.need(fits, f"a scalar, or shape {x.shape[:1]} or {x.shape}", condition.shape)
    return (x.shape,)


def prepare(node: Node, condition: TensorInfo, x: TensorInfo, y: TensorInfo, output: TensorInfo) -> tuple[Shape, Shape]:
    """The shape ``condition`` takes to broadcast, and the output's."""
    first = node.op == "SELECT" and condition.rank == 1 and x.rank > 1
    return (condition.shape + (1,) * (x.rank - 1) if first else condition.shape, output.shape)


def select(prepared: tuple[Shape, Shape], condition: Array, x: Array, y: Array) -> Array:
    aligned, output = prepared
    return np.where(condition.reshape(aligned), x, y).reshape(output)


def case(draw: Draw, definition: Definition) -> Case:
    x = cases.shape(draw, 0, 4)
    condition = draw.choice((x, (), x[:1]))
    return Case((data(condition), data(x), data(x)))


def case_v2(draw: Draw, definition: Definition) -> Case:
    whole = cases.shape(draw, 0, 5, 4)
    return Case(tuple(data(cases.broadcastable(draw, whole)) for _ in range(3)))


TYPES = (
    *("float32", "float16", "float64", "bfloat16", "complex64", "bool", "int8", "uint8", "int16", "int32", "int64"),
    *("uint16", "uint32", "uint64"),
)


def _row(name: str, cases_: Callable[..., Case], version: int) -> Op:
    return Op(
        name,
        inputs=(parameter("condition"), activation("x"), activation("y", same_as="x")),
        outputs=(activation("output", same_as="x"),),
        definitions=tuple(Definition(f"bool {t} {t} -> {t}", select, prepare, label=t) for t in TYPES),
        shapes=shapes,
        cases=cases_,
        version=version,
    )


SELECT = _row("SELECT", case, version=4)
SELECT_V2 = _row("SELECT_V2", case_v2, version=2)
