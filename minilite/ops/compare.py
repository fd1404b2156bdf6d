"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL: two tensors compared element by element, broadcast like
NumPy; the output is bool.

8-bit tensors, and for EQUAL and NOT_EQUAL 16-bit ones, are compared as real numbers, each in steps of 1/256:

    round((q1 - z1) << 8, s1)  op  round((q2 - z2) << 8, s2)

with ``round`` a MultiplyByQuantizedMultiplier by the scale itself, made for scales below 1. So numbers closer than
1/256 may count as equal. A scale above 1 should be shifted to the left and is "divided" by a negative power of two
instead, which leaves little more than the sign: C++ does not define it, x86-64 and AArch64 agree, minilite follows
(LiteRT's vectors of 8 elements differ from there on where int16 scales reach 2**8, 8-bit ones 2**16).
LiteRT ends the process where a scale is exactly 1; minilite then compares the real numbers.

All other integers, and 16-bit ones elsewhere, stand for themselves.

Source: TensorFlow Lite's comparisons kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.bfloat16 import narrowed, widened
from minilite.cases import Arg, Case, Draw, data
from minilite.fixed_point import Multiplier, rounding_divide_by_any_pot, saturating_rounding_doubling_high_mul
from minilite.ops.broadcast import shapes
from minilite.spec import DTYPES, Definition, Node, Op, TensorInfo, activation, each

Array = np.ndarray

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
}


def compare(node: Node, input1: Array, input2: Array) -> Array:
    return np.asarray(COMPARISONS[node.op](input1, input2), np.bool_)


def compare_bits(node: Node, input1: Array, input2: Array) -> Array:
    return compare(node, widened(input1), widened(input2))


@dataclass(frozen=True)
class Prepared:
    """The comparison, and per operand a zero point and its scale as a multiplier, or as it is where one is 1."""

    comparison: Callable[[Any, Any], Any]
    zero_points: tuple[int, int]
    scales: tuple[Multiplier, Multiplier] | tuple[np.float64, np.float64]


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    s1, s2 = np.float64(input1.scale), np.float64(input2.scale)
    return Prepared(
        COMPARISONS[node.op],
        (input1.zero_point, input2.zero_point),
        (s1, s2) if 1 in (s1, s2) else (Multiplier.of(s1), Multiplier.of(s2)),
    )


def compare_quantized(p: Prepared, input1: Array, input2: Array) -> Array:
    a, b = (_real(x.astype(np.int64) - z, s) for x, z, s in zip((input1, input2), p.zero_points, p.scales, strict=True))
    return p.comparison(a, b)


def _real(x: Array, scale: Any) -> Array:
    if isinstance(scale, Multiplier):
        return rounding_divide_by_any_pot(saturating_rounding_doubling_high_mul(x << 8, scale.q), -scale.e)
    return x * scale


def case(draw: Draw, definition: Definition) -> Case:
    """Operands that are often equal; now and then scales above 1, seldom ones of 1."""
    pair = cases.broadcast_pair(draw)
    type_ = definition.input_types[0]
    if type_ in ("bool", "string"):
        return Case(tuple(map(data, pair)))
    if definition.quantized is not True:
        integers = (draw.random.integers(0, 4, s) for s in pair)
        small = (narrowed(v) if type_ == "bfloat16" else v.astype(DTYPES[type_]) for v in integers)
        return Case(tuple(Arg(s, np.asarray(v), constant=False) for s, v in zip(pair, small, strict=True)))
    scales = [2.0 ** -draw.integer(0, 10) * draw.random.uniform(0.5, 0.999) for _ in pair]
    if draw.integer(0, 15) == 15:  # seldom: TFLite Micro ends its process there, LiteRT at 1
        large = 2.0 ** draw.random.uniform(0, 7.99 if type_ == "int16" else 12)
        scales[draw.integer(0, 1)] = draw.choice((large, large, large, large, large, large, large, 1.0))
    scales = draw.choice((scales, scales[:1] * 2))
    reach = draw.choice((100.0, 4.0, 1.0)) * max(scales)
    return Case(tuple(data(s, low=-reach, high=reach, scale=t) for s, t in zip(pair, scales, strict=True)))


PLAIN = ("float32", "float16", "int32", "int64")


def _row(name: str, version: int) -> Op:
    definitions = [
        *each(PLAIN, "T T -> bool", compare),
        *each(("int8", "uint8"), "T T -> bool", compare_quantized, prepare=prepare, quantized=True),
    ]
    if name in ("EQUAL", "NOT_EQUAL"):
        definitions += [
            Definition("int16 int16 -> bool", compare_quantized, prepare, quantized=True),
            Definition("int16 int16 -> bool", compare, label="plain int16", quantized=False),
            Definition("bool bool -> bool", compare),
            Definition("string string -> bool", compare),
        ]
    else:
        definitions.append(Definition("int16 int16 -> bool", compare, quantized=False))
    if name in ("LESS", "GREATER"):
        definitions.append(Definition("bfloat16 bfloat16 -> bool", compare_bits))
    return Op(
        name,
        inputs=(activation("input1"), activation("input2")),
        outputs=(activation("output"),),
        definitions=tuple(definitions),
        shapes=shapes,
        cases=case,
        version=version,
        elementwise=True,
    )


EQUAL = _row("EQUAL", 5)
NOT_EQUAL = _row("NOT_EQUAL", 4)
LESS = _row("LESS", 3)
LESS_EQUAL = _row("LESS_EQUAL", 2)
GREATER = _row("GREATER", 2)
GREATER_EQUAL = _row("GREATER_EQUAL", 3)
