"""LOG_SOFTMAX: the logarithms of SOFTMAX's probabilities, along the last axis.

    output[..., c] = input[..., c] - max - log(sum over k of exp(input[..., k] - max))

8-bit outputs are (1/16, highest integer): they reach from -255/16 to 0. By the kernel sets' word:

    "gemmlowp"   exp as in SOFTMAX, added up with 12 integer bits; the logarithm of the sum from a fixed-point function,
                 with 5 integer bits; numbers so far below the maximum that the result would overflow give the lowest
    "table"      exp from 256 float32 numbers, added one by one; all in float32, rounded half to even

Sums of 4096 and more, which overflow in LiteRT, are taken as they are.
Sources: TensorFlow Lite's reference and optimized log-softmax kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minilite import cases, gemmlowp
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, rounding_divide_by_pot
from minilite.ops import elementary
from minilite.ops.softmax import (
    EXP_BITS,
    SUM_BITS,
    exp_table,
    exponents,
    float_table,
    row_sums,
    shapes,
    steps_below,
)
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, each

Array = np.ndarray
OUTPUT_BITS = 4
"""Integer bits of the output: 16 * 16 steps."""


def float_(node: Node, input: Array) -> Array:
    largest = np.fmax.reduce(input, axis=-1, keepdims=True, initial=np.finfo(input.dtype).min)
    below = input - largest
    return below - elementary.log(row_sums(elementary.exp(below)))


@dataclass(frozen=True)
class Prepared:
    """For numbers ``d`` in [0, 255] below the maximum: ``-d * s_input`` with 5 integer bits, and its exp."""

    exponents: Array
    exp: Array
    back: Multiplier
    zero_point: int
    type: str


def check(input: TensorInfo, output: TensorInfo) -> None:
    """A positive input scale, and the output's scale and zero point."""
    input.need(0 < float(input.scale) < np.inf, "a positive scale", input.scale)
    wanted = (1 / 16, INTEGER_RANGE[output.type][1])
    output.need((float(output.scale), output.zero_point) == wanted, f"scale and zero point {wanted}", output.scale)


def prepare_fixed_point(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    check(input, output)
    steps, m = exponents(float(input.scale))
    back = Multiplier.of(2.0 ** float(31 - m.e) / float(m.q))
    return Prepared(steps, exp_table(steps), back, output.zero_point, output.type)


def fixed_point(p: Prepared, input: Array) -> Array:
    low, high = INTEGER_RANGE[p.type]
    d = steps_below(input)
    log_sums = _log(rounding_divide_by_pot(p.exp, SUM_BITS)[d].sum(axis=-1, keepdims=True))
    lowest = multiply_double_rounding(log_sums - 2**31, p.back)
    steps = rounding_divide_by_pot(p.exponents[d] - log_sums, 31 - EXP_BITS - OUTPUT_BITS) + high
    reached = (p.exponents[d] > -(2**31)) & (-d > lowest)
    return np.where(reached, np.clip(steps, low, high), low).astype(p.type)


def _log(sums: Array) -> Array:
    """The logarithm with 5 integer bits of sums with 12; sums that do not fit are halved until they do."""
    halved = np.maximum(gemmlowp.bit_length(sums) - 31, 0)
    fitting = gemmlowp.log_x_for_x_greater_than_or_equal_to_1(sums >> halved, SUM_BITS, EXP_BITS)
    return fitting + halved * gemmlowp.raw(math.log(2), EXP_BITS)


@dataclass(frozen=True)
class Table:
    """Exponentials in float32."""

    exp: Array
    input_scale: np.float32
    output_scale: np.float32
    zero_point: int
    type: str


def prepare_table(node: Node, input: TensorInfo, output: TensorInfo) -> Table:
    check(input, output)
    return Table(float_table(input.scale, 1), input.scale, output.scale, output.zero_point, output.type)


def from_table(p: Table, input: Array) -> Array:
    largest = input.max(axis=-1, keepdims=True, initial=np.iinfo(input.dtype).min).astype(np.float32)
    log_sums = elementary.log(row_sums(p.exp[steps_below(input)]))
    subtracted = (p.input_scale * largest + log_sums) / p.output_scale
    steps = np.rint((p.input_scale / p.output_scale) * input.astype(np.float32) - subtracted)
    return np.clip(elementary.to_int32(steps) + p.zero_point, *INTEGER_RANGE[p.type]).astype(p.type)


def case(draw: Draw, definition: Definition) -> Case:
    """All ranks; rows of equal numbers, too."""
    shape = (*cases.shape(draw, 0, 3, 4), draw.choice((1, 2, 3, 10, 65, 300, 1001)))
    if definition.label == "float32":
        return Case((data(shape),))
    scale = draw.choice((1e-4, 0.01, 0.1, 2.0, 2.0**-4)) * draw.choice((1.0, 1 + draw.random.random()))
    low, high = draw.choice(((None, None), (None, None), (0.0, 0.0)))
    return Case((data(shape, low, high, scale=scale),))


EIGHT_BITS = ("int8", "uint8")
LOG_SOFTMAX = Op(
    "LOG_SOFTMAX",
    inputs=(activation("input"),),
    outputs=(activation("output", fixed=(("int8", 1 / 16, 127), ("uint8", 1 / 16, 255))),),
    definitions=(
        Definition("float32 -> float32", float_, ulp=2, atol=5e-7),
        *each(EIGHT_BITS, "T -> T", from_table, prepare=prepare_table, arithmetic="table"),
        *each(EIGHT_BITS, "T -> T", fixed_point, prepare=prepare_fixed_point),
    ),
    shapes=shapes,
    cases=case,
    version=2,
)
