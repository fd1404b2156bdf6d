"""RANGE: ``start``, ``start + delta``, ``start + 2 * delta``, ... as long as ``limit`` is not reached.

There are ``ceil(abs((limit - start) / delta))`` numbers. Each is the one before plus ``delta``, rounded every time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, stated
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, each, parameter

Array = np.ndarray


def shapes(node: Node, start: TensorInfo, limit: TensorInfo, delta: TensorInfo) -> tuple[Shape]:
    first, last, step = (_scalar(info) for info in (start, limit, delta))
    delta.need(step != 0, "a step other than 0", step)
    reaches = (first <= last and step > 0) or (first >= last and step < 0)
    delta.need(reaches, f"a step that leads from {first} to {last}", step)
    if start.dtype == np.float32:
        with np.errstate(over="ignore"):
            count = np.ceil(np.abs((last - first) / step))
        delta.need(bool(count < 2**31), "fewer than 2**31 numbers", count)
        return ((int(count),),)
    return ((-(-abs(int(last) - int(first)) // abs(int(step))),),)


def _scalar(info: TensorInfo) -> Any:
    value = info.known()
    info.need(value.shape == (), "a scalar", f"shape {value.shape}")
    info.need(bool(np.isfinite(value)), "a finite number", value)
    return value[()]


def prepare(node: Node, start: TensorInfo, limit: TensorInfo, delta: TensorInfo, output: TensorInfo) -> int:
    return math.prod(output.shape)


def steps(count: int, start: Array, limit: Array, delta: Array) -> Array:
    numbers = np.full(count, delta, start.dtype)
    numbers[:1] = start
    return np.add.accumulate(numbers, dtype=start.dtype)


def case(draw: Draw, definition: Definition) -> Case:
    dtype = DTYPES[definition.label]
    start, steps_taken = draw.integer(-20, 20), draw.integer(1, 12)
    delta: Any = draw.choice((1, -1, 3, -4))
    if definition.label == "float32":
        delta = delta * draw.random.uniform(0.1, 1.5)
    limit = start + delta * steps_taken + draw.choice((0, 0, delta // 2))
    return Case(tuple(stated(draw, value, dtype) for value in (start, limit, delta)))


RANGE = Op(
    "RANGE",
    inputs=(parameter("start"), parameter("limit"), parameter("delta")),
    outputs=(parameter("output"),),
    definitions=each(("float32", "int32", "int64"), "T T T -> T", steps, prepare=prepare),
    shapes=shapes,
    cases=case,
    version=2,
)
