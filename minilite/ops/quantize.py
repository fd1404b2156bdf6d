"""QUANTIZE: real numbers to integers, or integers to integers of another scale, zero point or type.

    output = clip(round(input / s_output) + z_output)                               float32 input
    output = clip(round((input - z_input) * s_input / s_output) + z_output)         integer input

An output of float32 input may be quantized per-axis. How the quotient is formed and rounded, by the kernel sets' word:

    "division"      float32 quotient, half away from zero; integers by a multiplier rounded twice
    "reciprocal"    float32 product with ``1 / s_output``, half to even; integers ``((input - z) * m + 128) >> 8`` with
                    ``m = rint(256 * s_input / s_output)``
    "blocks"        the flattened tensor in blocks of 8 elements as "reciprocal", what is left over by a float64
                    quotient, half away from zero; 8-bit integers in blocks of 16 by a multiplier whose second rounding
                    takes ties up, all others as "division"

x86 turns a quotient that does not fit int32 (and NaN) into INT32_MIN before the zero point is added; "reciprocal"
saturates and turns NaN into the largest integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape
from minilite.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    multiply_half_up,
    round_half_away,
    saturate,
    wrap32,
)
from minilite.ops.elementary import to_int32
from minilite.spec import DTYPES, INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation, same_shape

Array = np.ndarray
PAIRS = (
    ("int8", ("int8", "uint8", "int16")),
    ("uint8", ("int8", "uint8", "int16")),
    ("int16", ("int8", "int16", "int32")),
    ("int32", ("int8", "int16")),
)


@dataclass(frozen=True)
class Prepared:
    """Scales and zero points, shaped to broadcast when they are per-axis."""

    arithmetic: str
    scale: Any
    zero_point: Any
    type: str


def along_axis(info: TensorInfo, values: Array) -> Any:
    """One value, or one per channel shaped to broadcast along the tensor's quantized dimension."""
    if values.size <= 1:
        return values[0] if values.size else 0
    info.need(0 <= info.axis < info.rank, f"a quantized dimension below {info.rank}", info.axis)
    info.need(info.shape[info.axis] == values.size, f"{values.size} channels (one per scale)", info.shape)
    return values.reshape([-1 if i == info.axis else 1 for i in range(info.rank)])


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    output.need(output.quantized, "quantization scales", "none")
    only_division = output.scales.size > 1 or output.type in ("int4", "uint4")
    return Prepared(
        "division" if only_division else node.arithmetic or "division",
        along_axis(output, output.scales),
        along_axis(output, output.zero_points),
        output.type,
    )


def quantize(p: Prepared, input: Array) -> Array:
    steps = np.asarray(QUOTIENTS[p.arithmetic](p, input))
    return np.asarray(saturate(wrap32(steps + p.zero_point), p.type).astype(DTYPES[p.type]))


def _division(p: Prepared, x: Array) -> Array:
    return np.asarray(to_int32(round_half_away(x / p.scale)))


def _reciprocal(p: Prepared, x: Array) -> Array:
    low, high = INTEGER_RANGE[p.type]
    product = x * (np.float32(1) / p.scale)
    product = np.where(np.isnan(product), np.inf, product)
    return np.clip(np.rint(product), low - p.zero_point, high - p.zero_point).astype(np.int64)


def _blocks(p: Prepared, x: Array) -> Array:
    flat = x.reshape(-1)
    whole = flat.size - flat.size % 8
    reciprocal = np.float32(1 / np.float64(p.scale))
    blocks = to_int32(np.rint(flat[:whole] * reciprocal))
    rest = to_int32(round_half_away(flat[whole:].astype(np.float64) / np.float64(p.scale)))
    return np.concatenate([blocks, rest]).reshape(x.shape)


QUOTIENTS = {"division": _division, "reciprocal": _reciprocal, "blocks": _blocks}


@dataclass(frozen=True)
class Rescaling:
    """From one scale and zero point to another."""

    arithmetic: str
    real: np.float64
    input_zero_point: int
    output_zero_point: int
    type: str


def prepare_rescaling(node: Node, input: TensorInfo, output: TensorInfo) -> Rescaling:
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    eight_bit = {input.type, output.type} <= {"int8", "uint8"}
    arithmetic = node.arithmetic if node.arithmetic and eight_bit else "division"
    real = np.float64(input.scale) / np.float64(output.scale)
    if arithmetic == "reciprocal":
        real = np.float64(np.rint(np.float32(256) * (input.scale / output.scale)))
    return Rescaling(arithmetic, real, input.zero_point, output.zero_point, output.type)


def rescale(p: Rescaling, input: Array) -> Array:
    x = wrap32(input.astype(np.int64) - p.input_zero_point)
    steps = RESCALINGS[p.arithmetic](x, p.real)
    return np.asarray(saturate(wrap32(steps + p.output_zero_point), p.type).astype(p.type))


def _rescale_in_blocks(x: Array, real: np.float64) -> Array:
    flat, m = x.reshape(-1), Multiplier.of(real)
    whole = flat.size - flat.size % 16
    parts = multiply_half_up(flat[:whole], m), multiply_double_rounding(flat[whole:], m)
    return np.concatenate(parts).reshape(x.shape)


RESCALINGS = {
    "division": lambda x, real: multiply_double_rounding(x, Multiplier.of(real)),
    "blocks": _rescale_in_blocks,
    "reciprocal": lambda x, real: (x * np.int64(real) + 128) >> 8,
}


def case(draw: Draw, definition: Definition) -> Case:
    """Half of the cases have numbers on or beside the ties between two steps."""
    dims = shape(draw, 0, 4, 7)
    source, target = definition.input_types[0], definition.output_types[0]
    if source == "float32":
        return _from_floats(draw, dims, target)
    if source == "int32":
        return Case((data(dims, scale=draw.choice((0.1, 1e-4, 1e-6))),))
    if target == "int32":
        return Case((data(dims),), output_scale=draw.choice((0.1, 1e-4, 2.0)))
    if draw.choice((True, False)):
        return Case((data(dims),))
    scale, coarser = draw.choice((0.1, 0.02, 0.5)), 256 if (source, target) == ("int16", "int8") else 1
    return Case((data(dims, scale=scale),), output_scale=scale * coarser * draw.choice((2.0, 1.0, 4.0, 0.5)))


def _from_floats(draw: Draw, dims: Shape, target: str) -> Case:
    scale = draw.choice((0.1, 0.5, 3.0, 2.0**-12))
    if target != "int4" and draw.choice((True, False)):
        return Case((data(dims),))
    ties = draw.random.integers(-300, 300, dims) * np.float32(0.5) * np.float32(scale)
    return Case((fed(ties),), output_scale=scale)


QUANTIZE = Op(
    "QUANTIZE",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        *(
            Definition(f"float32 -> {t}", quantize, prepare, label=f"float32 to {t}")
            for t in ("int8", "uint8", "int16", "int4", "uint4")
        ),
        *(
            Definition(f"{source} -> {target}", rescale, prepare_rescaling, label=f"{source} to {target}")
            for source, targets in PAIRS
            for target in targets
        ),
    ),
    shapes=same_shape,
    cases=case,
    version=6,
    elementwise=True,
)
