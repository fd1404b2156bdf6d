"""ADD and SUB: two tensors, element by element, broadcast like NumPy.

    output = activation(input1 + input2)            output = activation(input1 - input2)

Integers are brought to one scale ``T = 2 * max(s1, s2)`` first, with ``left_shift`` spare bits so that little is lost:

    output = z + round((round((q1 - z1) << L, s1 / T) +- round((q2 - z2) << L, s2 / T)), T / (2**L * s_output))

with L = 20 for 8 bits and 15 for 16 bits. int32 and int64 add and wrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, activation_range, float_activation, multiply_double_rounding
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray


def shapes(node: Node, input1: TensorInfo, input2: TensorInfo) -> tuple[Shape]:
    return (broadcast(input1, input2),)


def broadcast(input1: TensorInfo, input2: TensorInfo) -> Shape:
    """NumPy's broadcast of two shapes."""
    try:
        return np.broadcast_shapes(input1.shape, input2.shape)
    except ValueError:
        input2.need(False, f"a shape that broadcasts with {input1.shape}", input2.shape)
        raise


def add(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 + input2)


def subtract(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 - input2)


def _wrapping(node: Node, x: Array) -> Array:
    low, high = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(
        str(node.options.fused_activation_function), (None, None)
    )
    return x if low is None else np.clip(x, low, high)


def add_integers(node: Node, input1: Array, input2: Array) -> Array:
    return _wrapping(node, input1 + input2)


def subtract_integers(node: Node, input1: Array, input2: Array) -> Array:
    return _wrapping(node, input1 - input2)


@dataclass(frozen=True)
class Prepared:
    """Everything brought to one scale: per operand a zero point and a multiplier, then the output's."""

    left_shift: int
    zero_points: tuple[int, int]
    multipliers: tuple[Multiplier, Multiplier]
    sign: int
    output: Multiplier
    output_zero_point: int
    low: int
    high: int
    type: str


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    left_shift = 15 if output.type == "int16" else 20
    twice = np.float64(np.float32(2) * max(input1.scale, input2.scale))
    real = twice / np.float64(np.float32(1 << left_shift) * output.scale)
    low, high = activation_range(node.options.fused_activation_function, output)
    return Prepared(
        left_shift,
        (input1.zero_point, input2.zero_point),
        (Multiplier.of(np.float64(input1.scale) / twice), Multiplier.of(np.float64(input2.scale) / twice)),
        -1 if node.op == "SUB" else 1,
        Multiplier.of(real),
        output.zero_point,
        low,
        high,
        output.type,
    )


def integer(p: Prepared, input1: Array, input2: Array) -> Array:
    a, b = (
        multiply_double_rounding((x.astype(np.int64) - z) << p.left_shift, m)
        for x, z, m in zip((input1, input2), p.zero_points, p.multipliers, strict=True)
    )
    steps = multiply_double_rounding(a + p.sign * b, p.output) + p.output_zero_point
    return np.clip(steps, p.low, p.high).astype(p.type)


def case(draw: Draw, definition: Definition) -> Case:
    return Case(tuple(map(data, cases.broadcast_pair(draw))), cases.activated(draw))


def _row(name: str, real: Any, whole: Any, version: int) -> Op:
    return Op(
        name,
        inputs=(activation("input1"), activation("input2")),
        outputs=(activation("output"),),
        definitions=(
            Definition("float32 float32 -> float32", real),
            *each(("int8", "uint8"), "T T -> T", integer, prepare=prepare),
            *each(("int32", "int64"), "T T -> T", whole),
        ),
        shapes=shapes,
        cases=case,
        version=version,
    )


ADD = _row("ADD", add, add_integers, version=6)
SUB = _row("SUB", subtract, subtract_integers, version=5)
