"""EXP: ``output = e ** input``. 8 and 16 bits are looked up (:mod:`minilite.ops.lookup`)."""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops import elementary, lookup
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def exp(node: Node, input: Array) -> Array:
    return elementary.exp(input)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    return lookup.table(elementary.exp, input, output)


def case(draw: Draw, definition: Definition) -> Case:
    """Inputs whose results one scale can hold without most of them being its lowest."""
    scale = draw.choice((0.005, 0.02, None)) if definition.label == "int8" else None
    return Case((data(shape(draw, 0, 4), high=8.0, scale=scale and scale * (1 + draw.random.random())),))


EXP = Op(
    "EXP",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", exp, ulp=1),
        *each(("int8", "int16"), "T -> T", lookup.look_up, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=2,
    elementwise=True,
)
