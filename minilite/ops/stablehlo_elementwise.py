"""STABLEHLO_ADD, STABLEHLO_MULTIPLY, STABLEHLO_MAXIMUM, STABLEHLO_MINIMUM, STABLEHLO_AND and STABLEHLO_SHIFT_LEFT: two
tensors of one shape and type, element by element.

    STABLEHLO_ADD         output = lhs + rhs                          of bools: lhs or rhs
    STABLEHLO_MULTIPLY    output = lhs * rhs                          of bools: lhs and rhs
    STABLEHLO_MAXIMUM     output = rhs if lhs < rhs else lhs
    STABLEHLO_MINIMUM     output = rhs if rhs < lhs else lhs
    STABLEHLO_AND         output = lhs & rhs                          bit by bit
    STABLEHLO_SHIFT_LEFT  output = lhs << rhs                         0 where rhs is not in [0, bits of the type)

Nothing is broadcast, and nothing rescaled: integers stand for themselves and wrap. Of a number and a NaN, the maximum
and the minimum are ``lhs``. How LiteRT shifts by numbers outside [0, 32) depends on where in the tensor they are.

Source: the StableHLO specification, "Ops".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilite.cases import Arg, Case, Draw, any_integers, data, shape
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NUMBERS = ("float32", "float16", "float64", *INTEGERS, "bool")
UNUSUAL = ("float64", "uint16", "uint32", "uint64")
"""These share a label."""


def shapes(node: Node, lhs: TensorInfo, rhs: TensorInfo) -> tuple[Shape]:
    rhs.need(rhs.shape == lhs.shape, f"the other operand's shape {lhs.shape}", rhs.shape)
    return (lhs.shape,)


def add(node: Node, lhs: Array, rhs: Array) -> Array:
    return lhs + rhs


def multiply(node: Node, lhs: Array, rhs: Array) -> Array:
    return lhs * rhs


def maximum(node: Node, lhs: Array, rhs: Array) -> Array:
    return np.where(lhs < rhs, rhs, lhs)


def minimum(node: Node, lhs: Array, rhs: Array) -> Array:
    return np.where(rhs < lhs, rhs, lhs)


def and_(node: Node, lhs: Array, rhs: Array) -> Array:
    return lhs & rhs


def shift_left(node: Node, lhs: Array, rhs: Array) -> Array:
    inside = (rhs >= 0) & (rhs < lhs.dtype.itemsize * 8)
    return np.where(inside, lhs << np.where(inside, rhs, 0), 0).astype(lhs.dtype)


def case(draw: Draw, definition: Definition) -> Case:
    dims, type_ = shape(draw, 0, 5, 5), definition.input_types[0]
    return Case((_operand(draw, dims, type_), _operand(draw, dims, type_)))


def _operand(draw: Draw, dims: Shape, type_: str) -> Arg:
    return any_integers(draw, dims, type_) if type_ in INTEGERS else data(dims)


def shift_case(draw: Draw, definition: Definition) -> Case:
    dims, type_ = shape(draw, 0, 5, 5), definition.input_types[0]
    amounts = draw.random.integers(0, 8 * np.dtype(DTYPES[type_]).itemsize, dims)
    return Case((any_integers(draw, dims, type_), Arg(dims, np.asarray(amounts, DTYPES[type_]), constant=False)))


def _op(name: str, types: Sequence[str], compute: Callable[..., Any], cases: Callable[..., Case] = case) -> Op:
    return Op(
        name,
        inputs=(activation("lhs"), activation("rhs")),
        outputs=(activation("output"),),
        definitions=(
            *each([t for t in types if t not in UNUSUAL], "T T -> T", compute, quantized=False),
            *each([t for t in types if t in UNUSUAL], "T T -> T", compute, quantized=False, label="other"),
        ),
        shapes=shapes,
        cases=cases,
        elementwise=True,
    )


STABLEHLO_ADD = _op("STABLEHLO_ADD", NUMBERS, add)
STABLEHLO_MULTIPLY = _op("STABLEHLO_MULTIPLY", NUMBERS, multiply)
STABLEHLO_MAXIMUM = _op("STABLEHLO_MAXIMUM", NUMBERS, maximum)
STABLEHLO_MINIMUM = _op("STABLEHLO_MINIMUM", NUMBERS, minimum)
STABLEHLO_AND = _op("STABLEHLO_AND", (*INTEGERS, "bool"), and_)
STABLEHLO_SHIFT_LEFT = _op("STABLEHLO_SHIFT_LEFT", ("int8", "int16", "int32"), shift_left, shift_case)
