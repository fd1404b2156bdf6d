"""ADD and SUB: two tensors, element by element, broadcast like NumPy.

    output = activation(input1 + input2)            output = activation(input1 - input2)

Integers are brought to one scale ``T = 2 * max(s1, s2)`` first, with ``L`` spare bits so that little is lost:

    output = z + round((round((q1 - z1) << L, s1 / T) +- round((q2 - z2) << L, s2 / T)), T / (2**L * s_output))

with L = 20 for 8 bits and 15 for 16 bits. Kernel set by kernel set:

    reference   every ``round`` is a MultiplyByQuantizedMultiplier, rounded twice
    builtin     SUB the same. ADD the same, but for whole vectors: they round the operands once less (uint8, and
                int8 against a single value, round them down) and keep an 8-bit result in 16 bits that wrap
    tflm        as ``reference``
    xnnpack     ``z + ((q1 - z1) * m1 +- (q2 - z2) * m2 rounded by one shift)``, with m = s / s_output in 20 bits

16-bit tensors whose scales are powers of two, with the option ``pot_scale_int16``, are added after shifting alone; one
operand must have the output's scale, and the other no larger one; ``tflm`` rescales these, too. int32, int64 and 16-bit
integers without a scale add and wrap; a fused activation clips them, but in ``tflm`` ADD leaves it out.

Sources: TensorFlow Lite's reference and optimized add kernels, XNNPACK's qs8-vadd. Where the output multiplier is 1
or more (``s_output <= T / 2**L``) LiteRT ends the process for ADD (tensorflow#60815) and shifts by a negative count
for SUB, and it reads past the operands where a power-of-two ADD has to broadcast; here all of these compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import (
    Multiplier,
    activation_range,
    float_activation,
    multiply_double_rounding,
    rounding_divide_by_pot,
    rounding_shift_half_up,
    saturating_rounding_doubling_high_mul,
    wrap32,
    xnnpack_activation_range,
)
from minilite.ops.broadcast import in_vectors, runs, shapes
from minilite.ops.plain_integers import integer_activation
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each

Array = np.ndarray


def add(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 + input2)


def subtract(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 - input2)


def add_integers(node: Node, input1: Array, input2: Array) -> Array:
    return integer_activation(node, input1 + input2)


def add_unclipped(node: Node, input1: Array, input2: Array) -> Array:
    return input1 + input2


def subtract_integers(node: Node, input1: Array, input2: Array) -> Array:
    return integer_activation(node, input1 - input2)


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

    def centred(self, *arrays: Array) -> list[Array]:
        """The operands without their zero points, as int64."""
        return [x.astype(np.int64) - z for x, z in zip(arrays, self.zero_points, strict=True)]

    def clipped(self, steps: Array) -> Array:
        """Output integers from values that have no zero point yet."""
        return np.clip(steps + self.output_zero_point, self.low, self.high).astype(self.type)


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    _positive(input1, input2, output)
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


def _positive(*tensors: TensorInfo) -> None:
    for tensor in tensors:
        tensor.need(float(tensor.scale) > 0, "a positive scale", tensor.scale)


def integer(p: Prepared, input1: Array, input2: Array) -> Array:
    return p.clipped(_double_rounding(p, *p.centred(input1, input2)))


def _double_rounding(p: Prepared, *operands: Array) -> Array:
    a, b = (multiply_double_rounding(x << p.left_shift, m) for x, m in zip(operands, p.multipliers, strict=True))
    return multiply_double_rounding(a + p.sign * b, p.output)


# ---- builtin: ADD in vectors ---------------------------------------------------------------------------------------


def integer_in_vectors(p: Prepared, input1: Array, input2: Array) -> Array:
    """Whole vectors of each run have an arithmetic of their own; what is left over is computed as in ``reference``."""
    operands = p.centred(input1, input2)
    steps = _double_rounding(p, *operands)
    run = runs(input1.shape, input2.shape)
    if run is None or p.output.e > 0 or (p.type == "int16" and input1.shape != input2.shape):
        return p.clipped(steps)
    length, against_one = run
    folded = p.type == "int16" or (p.type == "int8" and not against_one)
    vectors = in_vectors(steps.shape, length, 16 if folded else 8)
    scale = _scaled_once if folded else _scaled_down
    a, b = (scale(x, p.left_shift, m) for x, m in zip(operands, p.multipliers, strict=True))
    return p.clipped(np.where(vectors, _in_lanes(p, multiply_double_rounding(a + b, p.output)), steps))


def _scaled_once(x: Array, left_shift: int, m: Multiplier) -> Array:
    """The multiplier's shift is taken from the left shift, so that only the product is rounded."""
    return saturating_rounding_doubling_high_mul(_shifted(x, left_shift + m.e), m.q)


def _scaled_down(x: Array, left_shift: int, m: Multiplier) -> Array:
    """The product is rounded, the multiplier's shift is not."""
    return _shifted(saturating_rounding_doubling_high_mul(x << left_shift, m.q), m.e)


def _shifted(x: Array, exponent: Any) -> Array:
    return wrap32(x << np.maximum(exponent, 0)) >> np.maximum(-exponent, 0)


def _in_lanes(p: Prepared, steps: Array) -> Array:
    """8-bit results pass through 16 bits: they wrap, with and without the zero point, before they are clipped."""
    if p.type == "int16":
        return steps
    return (steps.astype(np.int16) + np.int16(p.output_zero_point)).astype(np.int64) - p.output_zero_point


# ---- xnnpack: one shift --------------------------------------------------------------------------------------------


def prepare_one_shift(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    """The ratios to the output's scale, the larger one in 21 bits; ``output.e`` is the shift that takes them back."""
    ratios = (input1.scale / output.scale, input2.scale / output.scale)
    shift = 21 - np.frexp(max(ratios))[1].astype(np.int64)
    multipliers = tuple(Multiplier(np.rint(np.ldexp(np.float64(r), shift)).astype(np.int64), 0) for r in ratios)
    low, high = xnnpack_activation_range(node.options.fused_activation_function, output)
    return Prepared(
        0,
        (input1.zero_point, input2.zero_point),
        (multipliers[0], multipliers[1]),
        -1 if node.op == "SUB" else 1,
        Multiplier(1, -shift),
        output.zero_point,
        low,
        high,
        output.type,
    )


def integer_one_shift(p: Prepared, input1: Array, input2: Array) -> Array:
    a, b = (x * m.q for x, m in zip(p.centred(input1, input2), p.multipliers, strict=True))
    return p.clipped(rounding_shift_half_up(a + p.sign * b, -p.output.e))


# ---- int16 with scales that are powers of two ----------------------------------------------------------------------


@dataclass(frozen=True)
class Shifts:
    """How far each operand is shifted to the right, and how they are put together."""

    right: tuple[int, int]
    sign: int
    low: int
    high: int


def prepare_int16(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared | Shifts:
    for tensor in (input1, input2, output):
        tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    _positive(input1, input2, output)
    powers = [_power_of_two(t) for t in (input1, input2, output)]
    if not node.options.pot_scale_int16 or None in powers or node.arithmetic == "any scales":
        return prepare(node, input1, input2, output)
    right = (powers[2] - powers[0], powers[2] - powers[1])
    node.need(
        min(right) == 0,
        "one operand with the output's scale and none with a larger one (pot_scale_int16)",
        f"scales {input1.scale}, {input2.scale} -> {output.scale}",
        "Clear the option pot_scale_int16 to use any scales.",
    )
    low, high = activation_range(node.options.fused_activation_function, output)
    return Shifts(right, -1 if node.op == "SUB" else 1, low, high)


def _power_of_two(tensor: TensorInfo) -> Any:
    """The exponent of a scale within 0.1 % of a power of two, else None."""
    exponent = np.log2(np.float64(tensor.scale))
    return int(np.rint(exponent)) if abs(exponent - np.rint(exponent)) < 1e-3 else None


def int16(p: Prepared | Shifts, input1: Array, input2: Array) -> Array:
    if isinstance(p, Prepared):
        return integer(p, input1, input2)
    a, b = (rounding_divide_by_pot(x, s) for x, s in zip((input1, input2), p.right, strict=True))
    return np.clip(a + p.sign * b, p.low, p.high).astype(np.int16)


def int16_in_vectors(p: Prepared | Shifts, input1: Array, input2: Array) -> Array:
    return integer_in_vectors(p, input1, input2) if isinstance(p, Prepared) else int16(p, input1, input2)


# ---- rows ----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    options = cases.activated(draw)
    if definition.label == "int16":
        options["pot_scale_int16"] = cases.boolean(draw)
        if draw.choice((0, 0, 1)):
            return _shifted_case(draw, options)
    if cases.random_ties(draw, definition):
        return _ties(draw, options, 64 if definition.label == "int16" else 1)
    pair = cases.broadcast_pair(draw)
    if definition.label in ("int32", "int64", "plain int16") and cases.boolean(draw):
        return Case(tuple(cases.any_integers(draw, s, definition.input_types[0]) for s in pair), options)
    return Case(tuple(map(data, pair)), options) if definition.label != "int16" else _int16_case(draw, options)


def _ties(draw: Draw, options: dict[str, Any], coarse: int) -> Case:
    """Sums halfway between two steps, where the rounding of the operands decides: one scale is a third (fifth, ...) of
    the other, the output's a multiple of these."""
    part = cases.power_of_two(draw, -8, 0)
    odd = draw.choice((3, 5, 7, 11))
    scales = draw.choice(((part * odd, part), (part, part * odd)))
    operands = (data(s, scale=t) for s, t in zip(cases.broadcast_pair(draw), scales, strict=True))
    return Case(tuple(operands), options, output_scale=2 * part * draw.choice((odd, 1)) * draw.choice((1, coarse)))


def _int16_case(draw: Draw, options: dict[str, Any]) -> Case:
    scales = [cases.power_of_two(draw, -12, 0) * (1 + draw.random.random()) for _ in range(2)]
    finest = max(scales) / 2**14  # where the output multiplier reaches 1
    output_scale = finest * 2.0 ** draw.choice((15, 14, 13, 10, 5)) * (1 + draw.random.random())
    operands = (data(s, scale=t) for s, t in zip(cases.broadcast_pair(draw), scales, strict=True))
    return Case(tuple(operands), options, output_scale=output_scale)


def _shifted_case(draw: Draw, options: dict[str, Any]) -> Case:
    """Scales that are powers of two, without broadcasting."""
    shape = cases.shape(draw, 0, 4)
    scales = [cases.power_of_two(draw, -12, 0) for _ in range(2)]
    return Case(tuple(data(shape, scale=s) for s in scales), options, output_scale=max(scales))


def _integer_definitions(in_vectors: bool) -> tuple[Definition, ...]:
    eight_bits = ("int8", "uint8")
    vectors: tuple[Definition, ...] = ()
    if in_vectors:
        vectors = (
            *each(eight_bits, "T T -> T", integer_in_vectors, prepare=prepare, arithmetic="vectors"),
            Definition("int16 int16 -> int16", int16_in_vectors, prepare_int16, arithmetic="vectors", quantized=True),
        )
    return (
        *each(eight_bits, "T T -> T", integer_one_shift, prepare=prepare_one_shift, arithmetic="one shift"),
        *vectors,
        *each(eight_bits, "T T -> T", integer, prepare=prepare),
        Definition("int16 int16 -> int16", int16, prepare_int16, quantized=True),
    )


ADD = Op(
    "ADD",
    inputs=(activation("input1"), activation("input2")),
    outputs=(activation("output"),),
    definitions=(
        *each(("float32", "float16"), "T T -> T", add),
        *_integer_definitions(in_vectors=True),
        Definition("int32 int32 -> int32", add_unclipped, arithmetic="any scales"),
        *each(("int32", "int64"), "T T -> T", add_integers),
        Definition("int16 int16 -> int16", add_integers, label="plain int16", quantized=False),
    ),
    shapes=shapes,
    cases=case,
    version=6,
    elementwise=True,
)
SUB = Op(
    "SUB",
    inputs=(activation("input1"), activation("input2")),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 -> float32", subtract),
        *_integer_definitions(in_vectors=False),
        *each(("int32", "int64"), "T T -> T", subtract_integers),
    ),
    shapes=shapes,
    cases=case,
    version=5,
    elementwise=True,
)
