"""FLOOR_DIV and FLOOR_MOD: two tensors, element by element, broadcast like NumPy.

    FLOOR_DIV: output = floor(input1 / input2)
    FLOOR_MOD: output = input1 - floor(input1 / input2) * input2        with the sign of input2

Integers stand for themselves, with or without scales. FLOOR_DIV divides in float64 and rounds once; a divisor of 0
is an error, for floats too. FLOOR_MOD is C's remainder, plus ``input2`` where the remainder is not 0 and has another
sign; only integers refuse a divisor of 0. The smallest integer divided by -1 wraps; LiteRT ends the process on its
remainder, here 0.

Sources: TensorFlow Lite's floor_div and floor_mod kernels.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.ops.broadcast import shapes
from minilite.ops.plain_integers import need_divisors
from minilite.spec import Definition, Node, Op, activation, each

Array = np.ndarray


def floor_div(node: Node, input1: Array, input2: Array) -> Array:
    need_divisors(input2)
    return np.floor(input1.astype(np.float64) / input2.astype(np.float64)).astype(input1.dtype)


def floor_div_integers(node: Node, input1: Array, input2: Array) -> Array:
    need_divisors(input2)
    return (input1.astype(np.int64) // input2.astype(np.int64)).astype(input1.dtype)


def floor_mod(node: Node, input1: Array, input2: Array) -> Array:
    if input1.dtype.kind == "i":
        need_divisors(input2)
    remainder = np.fmod(input1, input2)
    elsewhere = (remainder != 0) & ((input2 < 0) != (remainder < 0))
    return np.where(elsewhere, remainder + input2, remainder)


def case(draw: Draw, definition: Definition) -> Case:
    dividend, divisor = cases.broadcast_pair(draw)
    type_ = definition.input_types[0]
    if type_ != "float32" and cases.boolean(draw):
        return Case((cases.any_integers(draw, dividend, type_), data(divisor, low=1)))
    return Case((data(dividend), data(divisor, nonzero=True)))


INPUTS = (activation("input1"), activation("input2"))
OUTPUTS = (activation("output"),)

FLOOR_DIV = Op(
    "FLOOR_DIV",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(
        Definition("float32 float32 -> float32", floor_div),
        *each(("int8", "int16", "int32"), "T T -> T", floor_div_integers, quantized=False),
    ),
    shapes=shapes,
    cases=case,
    version=3,
)
FLOOR_MOD = Op(
    "FLOOR_MOD",
    inputs=INPUTS,
    outputs=OUTPUTS,
    definitions=(
        Definition("float32 float32 -> float32", floor_mod),
        *each(("int8", "int16", "int32", "int64"), "T T -> T", floor_mod, quantized=False),
    ),
    shapes=shapes,
    cases=case,
    version=2,
)
