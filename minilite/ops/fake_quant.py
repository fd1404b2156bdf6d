"""FAKE_QUANT: floats rounded to the numbers that integers of ``num_bits`` bits would stand for.

    scale = (max - min) / (2 ** num_bits - 1)
    zero_point = clip(round(-min / scale), 0, 2 ** num_bits - 1)
    low, high = -zero_point * scale, (2 ** num_bits - 1 - zero_point) * scale
    output = round((clip(input, low, high) - low) * (1 / scale)) * scale + low

all in float32, rounding half away from zero. ``low`` and ``high`` are ``min`` and ``max`` moved so that 0 is one of the
numbers. NaN becomes ``low``. ``narrow_range`` is refused, as LiteRT does.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, fed, power_of_two, shape
from minilite.fixed_point import round_half_away
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
F32 = np.float32


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    options = node.options
    node.need(not options.narrow_range, "narrow_range false (it is meant for weights)", "true")
    node.need(1 <= options.num_bits <= 16, "1 to 16 bits", options.num_bits)
    limits = F32(options.min), F32(options.max)
    node.need(limits[0] < limits[1] and np.isfinite(limits).all(), "a range from min to a larger max", limits)
    return (input.shape,)


def nudged(options: Any) -> tuple[F32, F32, F32]:
    """``scale``, ``low`` and ``high``."""
    steps = F32((1 << options.num_bits) - 1)
    scale = (F32(options.max) - F32(options.min)) / steps
    zero_point = round_half_away(np.clip(-(F32(options.min) / scale), F32(0), steps))
    return scale, -zero_point * scale, (steps - zero_point) * scale


def fake_quant(node: Node, input: Array) -> Array:
    scale, low, high = nudged(node.options)
    clipped = np.where(low < input, input, low)
    clipped = np.where(clipped < high, clipped, high)
    return np.asarray(round_half_away((clipped - low) * (F32(1) / scale)) * scale + low)


def case(draw: Draw, definition: Definition) -> Case:
    """Ranges with 0 inside, at their end and, as the kernel moves such, outside; numbers halfway between two steps."""
    if draw.choice((False, True)):
        bits, scale = draw.choice((8, 4)), power_of_two(draw, -4, 1)
        low = -draw.integer(0, 15) * scale
        halves = draw.random.integers(-80, 80, shape(draw, 1, 3)) * (scale / 2)
        return Case((fed(halves),), {"min": low, "max": low + (2**bits - 1) * scale, "num_bits": bits})
    low = draw.choice((0.0, -1.0, -6.3, -0.1, 0.5, -100.0))
    high = max(low, 0.0 if low < 0 else low) + draw.choice((1.0, 6.0, 0.01, 255.0, 0.0 if low < 0 else 1.0))
    options = {"min": low, "max": high, "num_bits": draw.choice((8, 16, 4, 2, 1, 7))}
    return Case((data(shape(draw, 0, 4)),), options)


FAKE_QUANT = Op(
    "FAKE_QUANT",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("float32 -> float32", fake_quant),),
    shapes=shapes,
    cases=case,
    version=2,
    elementwise=True,
)
