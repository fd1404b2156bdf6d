"""LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT: bool tensors, element by element, broadcast like NumPy."""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.ops.broadcast import shapes
from minilite.spec import Definition, Node, Op, activation, same_shape

Array = np.ndarray


def logical_and(node: Node, input1: Array, input2: Array) -> Array:
    return np.logical_and(input1, input2)


def logical_or(node: Node, input1: Array, input2: Array) -> Array:
    return np.logical_or(input1, input2)


def logical_not(node: Node, input: Array) -> Array:
    return np.logical_not(input)


INPUTS = (activation("input1"), activation("input2"))
OUTPUTS = (activation("output"),)

LOGICAL_AND = Op(
    "LOGICAL_AND",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(Definition("bool bool -> bool", logical_and),),
    shapes=shapes,
    cases=cases.binary,
)
LOGICAL_OR = Op(
    "LOGICAL_OR",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(Definition("bool bool -> bool", logical_or),),
    shapes=shapes,
    cases=cases.binary,
)
LOGICAL_NOT = Op(
    "LOGICAL_NOT",
    inputs=(activation("input"),),
    outputs=OUTPUTS,
    definitions=(Definition("bool -> bool", logical_not),),
    shapes=same_shape,
    cases=cases.unary,
)
