"""SOFTMAX: numbers to probabilities, along the last axis.

    output[..., c] = exp(beta * (input[..., c] - max)) / sum over k of exp(beta * (input[..., k] - max))

8-bit inputs ``d = max - q`` steps below their row's maximum; the output is (1/256, lowest integer) for 8 bits, and
(1/65536, -32768) for 16. By the kernel sets' word:

    "gemmlowp"   exp from gemmlowp's fixed-point function of ``-d * beta * s_input`` with 5 integer bits, added up with
                 12 integer bits, times a fixed-point reciprocal of the sum; the output's scale is never looked at
    "table"      exp from 256 float32 numbers, added one by one, times ``1 / (sum * s_output)`` in float32

    "gemmlowp, short tables"  as "gemmlowp"; see below for 16 bits

16-bit inputs have zero points 0 and the output (2**-15, 0): exp from a table over [-10, 0], 1 / (1 + x) from a table
over [0, 1], both with 512 steps (:mod:`minilite.ops.lookup`), computed in float64 (TFLite Micro: in float32).

XNNPACK (word "half precision") takes floats only, with a beta of 1, and computes float16 in float16.

Where a row's exponentials sum to 512 or more, LiteRT's reference kernel ends the process for 8-bit outputs; from 8192
on it overflows for 16-bit ones. Here the same arithmetic goes on, in 64 bits.
Sources: TensorFlow Lite's reference and optimized softmax kernels; gemmlowp, fixedpoint.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases, gemmlowp
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, round_half_away, rounding_divide_by_pot
from minilite.ops import elementary, lookup
from minilite.ops.accumulate import in_order
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
EXP_BITS, SUM_BITS = 5, 12
"""Integer bits of the exponents and of the sums of exponentials."""


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 1, "1 dimension or more", input.rank)
    return (input.shape,)


def row_sums(x: Array) -> Array:
    """Sums along the last axis, which stays, each first to last."""
    return in_order(np.add, np.moveaxis(x, -1, 0), 0)[..., None]


def float_(node: Node, input: Array) -> Array:
    """Half precision is computed in float32 from the differences to the exponentials' sum, and rounded twice."""
    real = np.float32 if input.dtype == np.float16 else input.dtype.type
    largest = np.fmax.reduce(input, axis=-1, keepdims=True, initial=np.finfo(input.dtype).min)
    exp = elementary.exp((input.astype(real) - largest.astype(real)) * real(node.options.beta))
    return np.asarray((exp.astype(input.dtype).astype(real) / row_sums(exp)).astype(input.dtype))


def half_precision(node: Node, input: Array) -> Array:
    """XNNPACK's: exp(x) = 2**n * (1 + t * (c1 + c2 * t)) with ``x = n * log(2) + t``, nothing below exp(-9.703125); the
    exponentials, their sum and its reciprocal are rounded to half precision."""
    x = input.astype(np.float32) - input.max(axis=-1, keepdims=True).astype(np.float32)
    n = np.rint(x * np.float32(1 / np.log(2)))
    t, power = x - n * np.float32(np.log(2)), np.exp2(n)
    exp = power + t * power * (np.float32(1.0141306) + np.float32(0.49924543) * t)
    exp = np.where(x < np.float32(-9.703125), np.float32(0), exp)
    sums = row_sums(exp).astype(np.float16).astype(np.float32)
    return exp.astype(np.float16) * (np.float32(1) / sums).astype(np.float16)


# ---- 8 bits ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exponentials:
    """exp(-d * beta * s_input) for ``d`` in [0, 255], and what becomes of a probability."""

    exp: Array
    output_scale: np.float32
    zero_point: int
    type: str


def exponents(scale: float) -> tuple[Array, Multiplier]:
    """``-d * scale`` for ``d`` in [0, 255] with 5 integer bits, INT32_MIN where that is below -31; the multiplier."""
    m = Multiplier.of(min(scale * 2.0 ** (31 - EXP_BITS), 2.0**31 - 1))
    d = np.arange(256)
    furthest = int(np.floor(31 * 2.0 ** (31 - EXP_BITS) / 2.0 ** float(m.e)))
    return np.where(d <= furthest, multiply_double_rounding(-np.minimum(d, furthest), m), -(2**31)), m


def exp_table(exponents: Array) -> Array:
    """exp of what :func:`exponents` gives, with no integer bits; 0 beyond the range."""
    inside = exponents > -(2**31)
    exp = gemmlowp.exp_on_negative_values(np.where(inside, exponents, 0), EXP_BITS)
    return np.where(inside, exp, 0)


def prepare_fixed_point(node: Node, input: TensorInfo, output: TensorInfo) -> Exponentials:
    scale = _check(node, input, output)
    return Exponentials(exp_table(exponents(scale)[0]), output.scale, output.zero_point, output.type)


def _check(node: Node, input: TensorInfo, output: TensorInfo) -> float:
    beta = float(np.float32(node.options.beta))
    node.need(np.isfinite(beta) and beta > 0, "a beta above 0", beta)
    input.need(0 < float(input.scale) < np.inf, "a positive scale", input.scale)
    if output.type == "int8":
        near = abs(float(output.scale) * 256 - 1) <= 0.001 and output.zero_point == -128
        output.need(near, "scale 1/256 and zero point -128", f"{output.scale} and {output.zero_point}")
    return beta * float(input.scale)


def fixed_point(p: Exponentials, input: Array) -> Array:
    low, high = INTEGER_RANGE[p.type]
    below = steps_below(input)
    exp = p.exp[below]
    sums = rounding_divide_by_pot(p.exp, SUM_BITS)[below].sum(axis=-1, keepdims=True)
    reciprocal, over = gemmlowp.reciprocal(sums, SUM_BITS)
    bits = 16 if p.type == "int16" else 8
    steps = rounding_divide_by_pot(gemmlowp.multiply(reciprocal, exp), over + 31 - bits)
    return np.minimum(steps + low, high).astype(p.type)


def steps_below(input: Array) -> Array:
    """How far each number is below the maximum of its row."""
    x = input.astype(np.int64)
    return np.asarray(x.max(axis=-1, keepdims=True, initial=np.iinfo(input.dtype).min) - x)


def float_table(scale: Any, beta: Any) -> Array:
    """exp(-d * scale * beta) in float32 for ``d`` in [0, 255]."""
    return elementary.exp((-np.float32(scale) * np.float32(beta)) * np.arange(256, dtype=np.float32))


def prepare_table(node: Node, input: TensorInfo, output: TensorInfo) -> Exponentials:
    _check(node, input, output)
    table = float_table(input.scale, node.options.beta)
    return Exponentials(table, output.scale, output.zero_point, output.type)


def from_table(p: Exponentials, input: Array) -> Array:
    exp = p.exp[steps_below(input)]
    probability = exp * (np.float32(1) / (row_sums(exp) * p.output_scale))
    if p.type == "uint8":
        steps = elementary.to_int32(probability + np.float32(0.5))
    else:
        steps = elementary.to_int32(round_half_away(probability)) + p.zero_point
    return np.clip(steps, *INTEGER_RANGE[p.type]).astype(p.type)


# ---- 16 bits ---------------------------------------------------------------------------------------------------------

UNIT = 10 / 65535
"""What a step of the table of exp stands for."""


def _one_over_one_plus(x: Array) -> Array:
    return x.dtype.type(1) / (x.dtype.type(1) + x)


Tables = tuple[Array, Array]
"""Of exp and of 1 / (1 + x)."""


def _tables16(real: Any) -> Tables:
    """Both tables, step by step in the precision of ``real``."""
    steps, unit = real(65535), real(2) / real(65535)

    def table(function: Any, first: Any, last: Any) -> Array:
        return lookup.interpolation_table(function, first, last, unit * real(-32768), unit * real(32767))

    exp = table(elementary.exp, real(10) / steps * -steps, real(0))
    return exp, table(_one_over_one_plus, real(0), real(1) / steps * steps)


TABLES16, SHORT_TABLES16 = _tables16(np.float64), _tables16(np.float32)


@dataclass(frozen=True)
class Sixteen:
    """The multiplier of differences, and the tables."""

    multiplier: Multiplier
    tables: Tables


def prepare16(node: Node, input: TensorInfo, output: TensorInfo) -> Sixteen:
    _check(node, input, output)
    for tensor in (input, output):
        tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    near = abs(float(output.scale) * 32768 - 1) <= 0.001
    output.need(near, "scale 2**-15", output.scale)
    if node.arithmetic == "gemmlowp, short tables":
        return Sixteen(Multiplier.of(float(input.scale) * float(node.options.beta) / UNIT), SHORT_TABLES16)
    return Sixteen(Multiplier.of(np.float64(input.scale * np.float32(node.options.beta)) / UNIT), TABLES16)


def int16(p: Sixteen, input: Array) -> Array:
    exponents = multiply_double_rounding(-steps_below(input), p.multiplier) + 32767
    exp = _look_up(p.tables[0], exponents)
    sums = exp.sum(axis=-1, keepdims=True)
    bits = gemmlowp.bit_length(sums)
    upper = ((sums << (31 - bits)) + (1 << 13)) >> 14  # the sum in [1, 2), 16 bits after the point
    reciprocal = _look_up(p.tables[1], upper - (1 << 15) - (1 << 16))
    right = bits - 1
    return np.clip((exp * reciprocal + (np.int64(1) << (right - 1))) >> right, 0, 32767).astype(np.int16)


def _look_up(table: Array, place: Array) -> Array:
    return lookup.look_up(table, np.clip(place, *INTEGER_RANGE["int16"]).astype(np.int16)).astype(np.int64)


# ---- rows ------------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """All ranks; rows of equal numbers, too; and scales that put all the others below the range of exp. Sums stay
    below 512, up to which LiteRT's reference kernel goes."""
    dims, flat = cases.shape(draw, 0, 3, 4), draw.choice((False, False, False, True))
    depth = draw.choice((1, 2, 3, 10, 65, 300, 1001))
    scale = None
    if definition.input_types == ("int16",):
        scale = draw.choice((1e-5, 1e-4, 1e-3, 0.01))
    elif not definition.label.startswith("float"):
        few = definition.output_types == ("int16",) or depth < 500
        depth = depth if few or not flat else 500
        scale = draw.choice((2.0, 0.1, 2.0**-4, 0.01, 1e-4) if few else (2.0, 0.1))
    if scale is not None:
        scale *= draw.choice((1.0, 1 + draw.random.random()))
    low, high = (0.0, 0.0 if scale else 1e-6) if flat else (None, None)
    to16 = " to " in definition.label
    return Case(
        (data((*dims, depth), low, high, scale=scale),),
        {"beta": draw.choice((1.0, 1.0, 0.5, 2.0, 0.1, 10.0) if depth < 500 else (1.0, 2.0))},
        output_scale=1 / 65536 if to16 else None,
        output_zero_point=-32768 if to16 else None,
    )


EIGHT_BITS = (("int8", "int8"), ("uint8", "uint8"), ("int8", "int16"), ("uint8", "int16"))


def _label(source: str, target: str) -> str:
    return source if source == target else f"{source} to {target}"


SOFTMAX = Op(
    "SOFTMAX",
    inputs=(activation("input"),),
    outputs=(activation("output", fixed=(("int8", 1 / 256, -128), ("uint8", 1 / 256, 0), ("int16", 2.0**-15, 0))),),
    definitions=(
        Definition("float32 -> float32", float_, ulp=3),
        Definition("float16 -> float16", half_precision, arithmetic="half precision"),
        Definition("float16 -> float16", float_),
        *(Definition(f"{s} -> {t}", from_table, prepare_table, "table", _label(s, t)) for s, t in EIGHT_BITS),
        *(Definition(f"{s} -> {t}", fixed_point, prepare_fixed_point, label=_label(s, t)) for s, t in EIGHT_BITS),
        Definition("int16 -> int16", int16, prepare16),
    ),
    shapes=shapes,
    cases=case,
    version=4,
)
