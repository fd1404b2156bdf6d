"""GELU: ``output = input * P(N <= input)`` with a standard normal N.

    output = 0.5 * x * erfc(-x / sqrt(2))                                               exactly
    output = 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))                 option ``approximate``

8 and 16 bits are looked up (:mod:`minilite.ops.lookup`). The second form loses all digits where tanh is near -1.
Source: Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, boolean, unary
from minilite.ops import elementary, lookup
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def exact(x: Array) -> Array:
    real = x.dtype.type
    return real(0.5) * x * elementary.erfc(x * real(-math.sqrt(0.5)))


def approximate(x: Array) -> Array:
    real = x.dtype.type
    inner = real(math.sqrt(2 / math.pi)) * (x + real(0.044715) * (x * x * x))
    return real(0.5) * x * (real(1) + elementary.tanh(inner))


def gelu(node: Node, input: Array) -> Array:
    return approximate(input) if node.options.approximate else exact(input)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    return lookup.table(approximate if node.options.approximate else exact, input, output)


def case(draw: Draw, definition: Definition) -> Case:
    return Case(unary(draw, definition).inputs, {"approximate": boolean(draw)})


GELU = Op(
    "GELU",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", gelu, ulp=2, atol=1e-6),
        Definition("float16 -> float16", gelu),
        *each(("int8", "uint8", "int16"), "T -> T", lookup.look_up, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    version=3,
    elementwise=True,
)
