"""ADD_N: two or more tensors of one shape, added up from the first to the last.

    output = ((inputs[0] + inputs[1]) + inputs[2]) + ...

Floats are rounded after each addition and stay finite: beyond the largest number is the largest number. int32 wraps.

Source: TensorFlow Lite's add_n kernel, with one thread.
"""

from __future__ import annotations

import functools

import numpy as np

from minilite.cases import Case, Draw, any_integers, data, shape
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, *inputs: TensorInfo) -> tuple[Shape]:
    node.need(len(inputs) >= 2, "two inputs or more", len(inputs))
    for info in inputs[1:]:
        info.need(info.shape == inputs[0].shape, f"the shape of the first input, {inputs[0].shape}", info.shape)
    return (inputs[0].shape,)


def add_n(node: Node, *inputs: Array) -> Array:
    return functools.reduce(np.add, inputs)


def add_n_floats(node: Node, *inputs: Array) -> Array:
    return functools.reduce(_bounded_sum, inputs)


def _bounded_sum(a: Array, b: Array) -> Array:
    most = np.finfo(a.dtype).max
    return np.clip(a + b, -most, most)


def case(draw: Draw, definition: Definition) -> Case:
    dims, count = shape(draw, 0, 4), draw.integer(2, 7)
    if definition.label == "int32":
        return Case(tuple(any_integers(draw, dims, "int32") for _ in range(count)))
    return Case(tuple(data(dims) for _ in range(count)))


ADD_N = Op(
    "ADD_N",
    inputs=(activation("inputs", variadic=True),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32* -> float32", add_n_floats),
        Definition("int32* -> int32", add_n),
    ),
    shapes=shapes,
    cases=case,
    elementwise=True,
)
