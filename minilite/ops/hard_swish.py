"""HARD_SWISH: ``output = input * clip(input + 3, 0, 6) / 6``.

8 bits are computed in 16-bit fixed point. ``x = (q - z_input) * 128`` is the input in units of ``s_input / 128``;

    product = high(x, s_input / 128 / s_output)                             the input in output steps, before its shift
    gate    = clip(high(x, s_input / 128 / (3 / 32768)), -1, 1) / 2 + 1 / 2 ``clip(x + 3, 0, 6) / 6`` in units of 2**-15
    output  = z_output + round(trunc(gate * product / 2**15) / 2**shift)

where ``high(x, m)`` is ``x`` times the significand of ``m``, in 16 bits, over 2**15, rounded half up.

Adding ``z_output`` wraps at 16 bits. The last shift is made for 0 to 15 bits. With more, where ``s_input / s_output``
is below about 2**-9 and every result less than half a step, C++ does not define it; on x86-64 and AArch64, and here,
the result is 1 step for 0 and above, -1 below.

Source: Howard et al., "Searching for MobileNetV3", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.fixed_point import Multiplier, rounding_divide_by_any_pot, saturate
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def hard_swish(node: Node, input: Array) -> Array:
    real = input.dtype.type
    return input * np.minimum(real(6), np.maximum(real(0), input + real(3))) / real(6)


@dataclass(frozen=True)
class Prepared:
    """16-bit significands and exponents of both multipliers, zero points and the type."""

    product: int
    product_shift: int
    gate: int
    gate_shift: int
    input_zero_point: int
    output_zero_point: int
    type: str


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Prepared:
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    fine = np.float32(1 / 128) * input.scale
    product = Multiplier.of(fine / output.scale)
    gate = Multiplier.of(fine / np.float32(3 / 32768))
    output.need(int(product.e) <= 0, f"a scale of at least {fine} (a 128th of the input's)", output.scale)
    return Prepared(
        _significand16(product),
        int(product.e),
        _significand16(gate),
        int(gate.e),
        input.zero_point,
        output.zero_point,
        output.type,
    )


def _significand16(m: Multiplier) -> int:
    return min((int(m.q) + (1 << 15)) >> 16, 0x7FFF)


def _high(x: Array, significand: int) -> Array:
    return (x * significand + (1 << 14)) >> 15


def _gate(p: Prepared, x: Array) -> Array:
    """The input's place between -3 and 3 as a number in [0, 32767]; of a left shift all but one bit comes first."""
    if p.gate_shift <= 0:
        place = rounding_divide_by_any_pot(_high(x, p.gate), -p.gate_shift, 16)
    else:
        place = _high(saturate(x << min(p.gate_shift - 1, 40), "int16"), p.gate)
        place = saturate(place << 1, "int16")
    return (place + (1 << 15)) >> 1


def integer(p: Prepared, input: Array) -> Array:
    x = (input.astype(np.int64) - p.input_zero_point) << 7
    product = _gate(p, x) * _high(x, p.product)
    truncated = np.sign(product) * (np.abs(product) >> 15)
    steps = rounding_divide_by_any_pot(truncated, -p.product_shift, 16)
    wrapped = (steps + p.output_zero_point).astype(np.int16)
    return np.asarray(saturate(wrapped, p.type).astype(p.type))


def case(draw: Draw, definition: Definition) -> Case:
    """Output scales no finer than the kernel takes, and much coarser ones."""
    if definition.label == "float32":
        return Case((data(shape(draw, 0, 4)),))
    scale = draw.choice((0.02, 0.1, 1.0, 0.003, 7.0)) * (1 + draw.random.random())
    if draw.integer(0, 3) == 3:
        scale *= 2.0 ** draw.random.uniform(-20, 6)
    ratio = draw.choice((1.0, 0.7, 2.0, 0.02, 2.0 ** draw.random.uniform(-6, 24)))
    output_scale = scale * ratio * (1 + draw.random.random())
    return Case((data(shape(draw, 0, 4), scale=scale),), output_scale=output_scale)


HARD_SWISH = Op(
    "HARD_SWISH",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 -> float32", hard_swish),
        *each(("int8", "uint8"), "T -> T", integer, prepare=prepare),
    ),
    shapes=same_shape,
    cases=case,
    elementwise=True,
)
