"""LOGISTIC and TANH: the S-shaped functions.

    LOGISTIC  output = 1 / (1 + exp(-input))             TANH  output = tanh(input) = 2 * logistic(2 * input) - 1

8 bits are looked up in a table of all 256 answers (:mod:`minilite.ops.lookup`). LOGISTIC's output has scale 1/256 and
its lowest integer as zero point; TANH's has scale 1/128 and the middle one by the 8-bit specification, but its kernel
takes any. TFLite Micro's kernels of int8 (word "fixed point") compute gemmlowp's functions of [-16, 16) instead, and
TANH's takes 1/128 and 0 for granted.

16 bits are interpolated in one table of ``sigmoid(i / 24)`` (:mod:`minilite.ops.sigmoid_table`); zero points are 0,
the output scale is 2**-15. The input is brought to units of ``1 / (3 * 4096)`` first; LOGISTIC reads the table at every
512th of them, TANH at every 256th, and symmetry gives the negative half. The multiplier that does so is truncated, not
rounded, except for an input scale of 2**-12 (TANH: or 2**-11), where it is exactly 3 (or 6). For these scales the
optimized kernels (word "gemmlowp") use gemmlowp's fixed-point functions of [-8, 8) instead of the table.

Sources: the TensorFlow Lite 8-bit quantization specification; gemmlowp, fixedpoint.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import gemmlowp
from minilite.bfloat16 import narrowed, on_bits, widened
from minilite.cases import Case, Draw, data, shape
from minilite.fixed_point import Multiplier, multiply_double_rounding, rounding_divide_by_pot, saturate, wrap32
from minilite.ops import elementary, lookup
from minilite.ops.sigmoid_table import SIGMOID
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, TensorInfo, activation, same_shape

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), step by step in the precision of ``x``."""
    one = x.dtype.type(1)
    with np.errstate(over="ignore"):
        return np.asarray(one / (one + elementary.exp(-x)))


def sigmoid_once(x: Array) -> Array:
    """exp(x) / (1 + exp(x)) in float64, rounded once: XNNPACK's table."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x.astype(np.float64))
        return np.where(np.isinf(e), 1.0, e / (1 + e)).astype(x.dtype)


def logistic(node: Node, input: Array) -> Array:
    """The reference kernel answers 1 beyond 16.6 and the exponential alone below -9."""
    if node.arithmetic not in ("table", "fixed point"):
        return sigmoid(input)
    inner = np.where(input < -9, elementary.exp(input), sigmoid(input))
    return np.where(input > np.float32(16.619047), input.dtype.type(1), inner)


def logistic_half(node: Node, input: Array) -> Array:
    return logistic(node, input.astype(np.float32)).astype(np.float16)


def logistic_bfloat16(node: Node, input: Array) -> Array:
    """The optimized kernel rounds each step."""
    x = widened(input)
    if node.arithmetic == "table":
        return narrowed(logistic(node, x))
    e = widened(narrowed(np.exp(x)))
    return narrowed(np.where(np.isinf(e), np.float32(1), e / widened(narrowed(1 + e))))


def tanh(node: Node, input: Array) -> Array:
    return elementary.tanh(input)


def prepare_logistic(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    output.need(float(output.scale) == 1 / 256 or node.delegated, "scale 1/256", output.scale)
    return lookup.table(sigmoid_once if node.delegated else sigmoid, input, output, node.arithmetic)


def prepare_tanh(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    return lookup.table(elementary.tanh, input, output, node.arithmetic)


@dataclass(frozen=True)
class Units:
    """``(x * multiplier + half) >> shift`` is an int16 input in units of 1 / (3 * 4096). ``left``, when given, is the
    shift that brings it to gemmlowp's format of 3 integer bits, and the table is not used."""

    multiplier: int
    shift: int
    left: int | None = None


def prepare16(node: Node, input: TensorInfo, output: TensorInfo) -> Units:
    for info in (input, output):
        info.need(info.zero_point == 0, "zero point 0", info.zero_point)
    input.need(0 < float(input.scale) < np.inf, "a positive scale", input.scale)
    output.need(float(output.scale) == 2.0**-15, "scale 2**-15", output.scale)
    left = power_of_two(input.scale, (0, 1) if node.op == "TANH" else (0,))
    if left is None:
        return _units(float(input.scale))
    return Units(3 << left, 0, left if node.arithmetic == "gemmlowp" else None)


def power_of_two(scale: Any, shifts: tuple[int, ...]) -> int | None:
    """The one of ``shifts`` with ``scale`` (nearly) 2**(shift - 12), or None."""
    log2 = np.log(np.float32(scale)) * np.float32(1 / np.log(np.float32(2)))
    shift = int(np.rint(log2)) + 12
    return shift if abs(log2 - np.rint(log2)) < 1e-3 and shift in shifts else None


def _units(scale: float) -> Units:
    multiplier, shift = scale * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = 2 * multiplier, shift + 1
    return Units(int(min(multiplier, 2.0**31 - 1)), shift)


def _interpolated(p: Units, x: Array, bits: int, top: int) -> tuple[Array, Array]:
    """The table at a magnitude, with ``bits`` bits between two entries; and which numbers were negative."""
    units = wrap32(x.astype(np.int64) * p.multiplier + ((1 << p.shift) >> 1)) >> p.shift
    magnitude = np.abs(units)
    place, fraction = magnitude >> bits, magnitude & ((1 << bits) - 1)
    start = SIGMOID[np.minimum(place, 254)]
    between = (start << bits) + fraction * (SIGMOID[np.minimum(place, 254) + 1] - start)
    return np.where(place >= 255, top << bits, between), units < 0


def logistic16(p: Units, input: Array) -> Array:
    if p.left is not None:
        return gemmlowp.logistic(input, 3).astype(np.int16)
    value, negative = _interpolated(p, input, 9, 65534)
    return (np.where(negative, (1 << 25) - value + 511, value + 512) >> 10).astype(np.int16)


def tanh16(p: Units, input: Array) -> Array:
    if p.left is not None:
        return gemmlowp.tanh(gemmlowp.multiply_by_pot(input, p.left, 16), 3).astype(np.int16)
    value, negative = _interpolated(p, input, 8, 65535)
    return (np.where(negative, (1 << 23) - value + 127, value - (1 << 23) + 128) >> 8).astype(np.int16)


@dataclass(frozen=True)
class FixedPoint:
    """An 8-bit input in 4 integer bits: its zero point, the multiplier, and where the function is at its end."""

    zero_point: int
    multiplier: Multiplier
    radius: int


def prepare_fixed_point(node: Node, input: TensorInfo, output: TensorInfo) -> FixedPoint:
    input.need(0 < float(input.scale) < np.inf, "a positive scale", input.scale)
    m = Multiplier.of(np.float64(input.scale) * 2.0**27)
    return FixedPoint(input.zero_point, m, int(15 * 2.0 ** (27 - int(m.e))))


def _in_q4(p: FixedPoint, input: Array) -> tuple[Array, Array, Array]:
    """The input with 4 integer bits, and where it is too low and too high for that."""
    x = input.astype(np.int64) - p.zero_point
    low, high = x <= -p.radius, x >= p.radius
    return multiply_double_rounding(np.where(low | high, 0, x), p.multiplier), low, high


def tanh_fixed_point(p: FixedPoint, input: Array) -> Array:
    q4, low, high = _in_q4(p, input)
    steps = saturate(rounding_divide_by_pot(gemmlowp.tanh(q4, 4, 32), 24), "int8")
    return np.where(low, -128, np.where(high, 127, steps)).astype(np.int8)


def logistic_fixed_point(p: FixedPoint, input: Array) -> Array:
    q4, low, high = _in_q4(p, input)
    steps = saturate(rounding_divide_by_pot(gemmlowp.logistic(q4, 4, 32), 23) - 128, "int8")
    return np.where(low, -128, np.where(high, 127, steps)).astype(np.int8)


def case(draw: Draw, definition: Definition) -> Case:
    """Scales that do not saturate everything; for int16 powers of two as often as not."""
    scale: float | None = draw.choice((None, 2.0**-12, 2.0**-11))
    if definition.label in ("int8", "uint8"):
        scale = draw.choice((0.01, 0.005, 0.05, None))
        scale = scale and scale * (1 + draw.random.random())
    return Case((data(shape(draw, 0, 4, 9), scale=scale if definition.label in INTEGER_RANGE else None),))


def tanh_case(draw: Draw, definition: Definition) -> Case:
    """8-bit outputs of any scale."""
    drawn = case(draw, definition)
    if definition.label not in ("int8", "uint8"):
        return drawn
    return Case(drawn.inputs, output_scale=draw.choice((None, 0.01, 0.02)))


LOGISTIC = Op(
    "LOGISTIC",
    inputs=(activation("input"),),
    outputs=(activation("output", fixed=(("int8", 1 / 256, -128), ("uint8", 1 / 256, 0), ("int16", 2.0**-15, 0))),),
    definitions=(
        Definition("float32 -> float32", logistic, ulp=2),
        Definition("float16 -> float16", logistic_half, atol=1e-3),  # exact in reference, rough in XNNPACK
        Definition("bfloat16 -> bfloat16", logistic_bfloat16),
        Definition("int8 -> int8", logistic_fixed_point, prepare_fixed_point, arithmetic="fixed point"),
        Definition("int8 -> int8", lookup.look_up, prepare_logistic),
        Definition("uint8 -> uint8", lookup.look_up, prepare_logistic),
        Definition("int16 -> int16", logistic16, prepare16),
    ),
    shapes=same_shape,
    cases=case,
    version=3,
    elementwise=True,
)

TANH = Op(
    "TANH",
    inputs=(activation("input"),),
    outputs=(activation("output", fixed=(("int8", 1 / 128, 0), ("uint8", 1 / 128, 128), ("int16", 2.0**-15, 0))),),
    definitions=(
        Definition("float32 -> float32", tanh, ulp=2),
        Definition("float16 -> float16", tanh),
        Definition("int8 -> int8", tanh_fixed_point, prepare_fixed_point, arithmetic="fixed point"),
        Definition("bfloat16 -> bfloat16", on_bits(tanh)),
        Definition("int8 -> int8", lookup.look_up, prepare_tanh),
        Definition("uint8 -> uint8", lookup.look_up, prepare_tanh),
        Definition("int16 -> int16", tanh16, prepare16),
    ),
    shapes=same_shape,
    cases=tanh_case,
    version=3,
    elementwise=True,
)
