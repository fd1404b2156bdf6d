"""ELU: ``output = input`` where it is 0 or more, else ``e ** input - 1``.

8 bits are looked up (:mod:`minilite.ops.lookup`); TFLite Micro's table subtracts 1 from a float32 exponential. Source:
Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)", 2015.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops import elementary, lookup
from minilite.spec import Definition, Node, Op, TensorInfo, activation, same_shape

Array = np.ndarray


def elu(node: Node, input: Array) -> Array:
    return _elu(input)


def _elu(x: Array) -> Array:
    return np.where(x < 0, elementary.expm1(x), x)


def _exp_less_1(x: Array) -> Array:
    return np.where(x < 0, elementary.exp(x) - x.dtype.type(1), x)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    function = _exp_less_1 if node.arithmetic == "exp less 1" else _elu
    return lookup.table(function, input, output, node.arithmetic)


def case(draw: Draw, definition: Definition) -> Case:
    """Where the output scale is twice the input's, every second positive number is a tie."""
    dims = shape(draw, 0, 4)
    if definition.label == "float32" or draw.choice((False, True)):
        return Case((data(dims),))
    scale = draw.choice((0.1, 0.02, 0.5))
    return Case((data(dims, scale=scale),), output_scale=2 * scale)


ELU = Op(
    "ELU",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", elu, ulp=1),
        Definition("int8 -> int8", lookup.look_up, prepare),
    ),
    shapes=same_shape,
    cases=case,
    elementwise=True,
)
