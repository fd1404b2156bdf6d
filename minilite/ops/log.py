"""LOG: ``output = ln(input)``.

8 and 16 bits are looked up (:mod:`minilite.ops.lookup`); of 0 and less the answer is the lowest integer.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, boolean, data, shape
from minilite.ops import elementary, lookup
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def log(node: Node, input: Array) -> Array:
    return elementary.log(input)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    lowest = np.float32(INTEGER_RANGE[output.type][0] - output.zero_point) * output.scale

    def positive(x: Array) -> Array:
        return np.where(x <= 0, lowest, elementary.log(x))

    return lookup.table(positive, input, output)


def case(draw: Draw, definition: Definition) -> Case:
    """Several floats at once, so that the range of the results is not one number near 0."""
    if definition.label == "float32":
        return Case((data((*shape(draw, 0, 3), 16), low=1e-4),))
    return Case((data(shape(draw, 0, 4), low=1e-4 if boolean(draw) else None),))


LOG = Op(
    "LOG",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", log, ulp=1),
        *each(("int8", "int16"), "T -> T", lookup.look_up, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=2,
    elementwise=True,
)
