"""MEAN and SUM over some axes.

    MEAN  output[kept...] = (sum of input[..., reduced, ...]) / n             SUM  output[kept...] = the sum

Axes, ``keep_dims`` and the order of the elements as in :mod:`minilite.ops.reduce`. Floats are added one by one in
float32. int32 and int64 are added in int64, and their mean is rounded towards zero; sums of them wrap. A sum of
bools is their disjunction.

Quantized, with the sum ``t`` of ``n`` raw numbers and ``m = s_input / s_output``, by the kernel sets' word:

    "double rounding"  z_output + round((t - n * z_input) * m), twice rounded; for a mean m is divided by n as an
                       integer: ``q * 2**k // n`` with ``k = floor(log2(n))``
    "spatial"          the same; but the mean of an 8-bit image over both of axes 1 and 2 that keeps 4 dimensions is
                       ``round(t * m / n) + z_output - round(z_input * m)``, with float32 multipliers, rounded half
                       up for whole vectors of 16 channels
    "float32 bias"     z_output + round(t * m - z_input * m * n), all in float32, half away from zero
    "integers"         a sum of int8 or int16 as "double rounding" has it (TFLite Micro)
    "float32"          round(t * m + (z_output - n * z_input * m)), all in float32, half to even

LiteRT's reference SUM takes the bytes of int8 and int16 tensors for uint8. Here they are summed as the optimized
kernel does it.
Sources: TensorFlow Lite's reference and optimized reduce kernels; XNNPACK's reductions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, multiply_half_up, round_half_away, wrap32
from minilite.ops.accumulate import in_order
from minilite.ops.reduce import BOOL, FLOAT, TYPES, Reduction, drawn_axes, logical, prepare, reduction
from minilite.spec import INTEGER_RANGE, Definition, Node, TensorInfo, activation, each

Array = np.ndarray


def float_sum(p: Reduction, input: Array, axis: Array) -> Array:
    return in_order(np.add, p.terms(input), 0).reshape(p.shape)


def float_mean(p: Reduction, input: Array, axis: Array) -> Array:
    return float_sum(p, input, axis) / input.dtype.type(p.count)


def integer_sum(p: Reduction, input: Array, axis: Array) -> Array:
    return p.terms(input).sum(axis=0, dtype=input.dtype).reshape(p.shape)


def integer_mean(p: Reduction, input: Array, axis: Array) -> Array:
    total = p.terms(input).sum(axis=0, dtype=np.int64)
    towards_zero = np.sign(total) * (np.abs(total) // max(p.count, 1))
    return towards_zero.astype(input.dtype).reshape(p.shape)


# ---- quantized -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A reduction between two scales; what ``multiplier`` and ``bias`` are depends on the function that uses them."""

    reduction: Reduction
    multiplier: Any
    bias: Any
    zero_point: int
    type: str

    def total(self, input: Array) -> Array:
        """The sum of raw numbers; int32, so it wraps."""
        return self.reduction.terms(input).sum(axis=0, dtype=np.int32).astype(np.int64)

    def clipped(self, steps: Array) -> Array:
        """The output, from numbers that need no more than clipping."""
        return np.clip(steps, *INTEGER_RANGE[self.type]).astype(self.type).reshape(self.reduction.shape)


def _prepared(input: TensorInfo, axis: TensorInfo, output: TensorInfo, multiplier: Any, bias: Any) -> Prepared:
    return Prepared(Reduction.of(input, axis, output), multiplier, bias, output.zero_point, output.type)


def check(input: TensorInfo, output: TensorInfo) -> None:
    """Scales above 0, and int16 without zero points."""
    for tensor in (input, output):
        tensor.need(float(tensor.scale) > 0, "a positive scale", tensor.scale)
        tensor.need(tensor.type != "int16" or tensor.zero_point == 0, "zero point 0", tensor.zero_point)


def prepare_integers(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared:
    check(input, output)
    count = Reduction.of(input, axis, output).count
    m = Multiplier.of(np.float64(input.scale) / np.float64(output.scale))
    if node.op == "MEAN":
        m = _divided(m, max(count, 1))
    return _prepared(input, axis, output, m, count * input.zero_point)


def _divided(m: Multiplier, count: int) -> Multiplier:
    """A multiplier divided by an integer, towards zero, with as many bits as keep its exponent above -32."""
    shift = min(count.bit_length() - 1, 32, 31 + int(m.e))
    return Multiplier(np.int64((int(m.q) << shift) // count), m.e - shift)


def integers(p: Prepared, input: Array, axis: Array) -> Array:
    steps = multiply_double_rounding(wrap32(p.total(input) - p.bias), p.multiplier)
    return _or_zero(p, p.clipped(wrap32(steps + p.zero_point)))


def _or_zero(p: Prepared, output: Array) -> Array:
    """LiteRT leaves raw zeros where there is nothing to reduce."""
    return output if p.reduction.count else np.zeros_like(output)


def is_spatial(node: Node, input: TensorInfo, reduction: Reduction) -> bool:
    """Whether the optimized kernel has a way of its own for this mean."""
    return bool(node.options.keep_dims) and input.rank == 4 and reduction.axes == (1, 2) and reduction.count > 0


@dataclass(frozen=True)
class Spatial:
    """``clip(round(t * multiplier) + bias)``."""

    inner: Prepared

    def __call__(self, input: Array) -> Array:
        p = self.inner
        total = p.total(input).reshape(p.reduction.shape)
        whole = total.shape[-1] // 16 * 16
        vectors = multiply_half_up(total[..., :whole], p.multiplier)
        rest = multiply_double_rounding(total[..., whole:], p.multiplier)
        return p.clipped(np.concatenate([vectors, rest], axis=-1) + p.bias)


def prepare_optimized(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared | Spatial:
    check(input, output)
    reduction = Reduction.of(input, axis, output)
    if not is_spatial(node, input, reduction):
        return prepare_integers(node, input, axis, output)
    zero = np.float32(input.zero_point) * input.scale / output.scale
    away = zero + np.float32(0.5) if zero > 0 else zero - np.float32(0.5)
    real = input.scale / (np.float32(reduction.count) * output.scale)
    return Spatial(_prepared(input, axis, output, Multiplier.of(real), output.zero_point - int(away)))


def optimized(p: Prepared | Spatial, input: Array, axis: Array) -> Array:
    return p(input) if isinstance(p, Spatial) else integers(p, input, axis)


def prepare_bias(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared:
    check(input, output)
    count = Reduction.of(input, axis, output).count
    scale = input.scale / output.scale
    return _prepared(input, axis, output, scale, np.float32(-input.zero_point) * scale * np.float32(count))


def with_bias(p: Prepared, input: Array, axis: Array) -> Array:
    steps = round_half_away(p.total(input).astype(np.float32) * p.multiplier + p.bias)
    return _or_zero(p, p.clipped(steps.astype(np.int64) + p.zero_point))


def prepare_float32(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Prepared:
    check(input, output)
    count = np.float32(Reduction.of(input, axis, output).count)
    scale = input.scale / output.scale
    scale = scale * (np.float32(1) / count) if node.op == "MEAN" else scale
    bias = np.float32(output.zero_point) - count * np.float32(input.zero_point) * scale
    return _prepared(input, axis, output, scale, bias)


def in_float32(p: Prepared, input: Array, axis: Array) -> Array:
    return p.clipped(np.rint(p.total(input).astype(np.float32) * p.multiplier + p.bias))


# ---- rows ------------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """All axis sets, often those of an image's mean. Quantized: half of the time scales that are powers of two, which
    put results on ties. Real numbers are not around 0, where sums would cancel and their errors, in kernels that add
    in another order, could be of any size."""
    image = cases.boolean(draw)
    shape = cases.shape(draw, 0, 6, 5)
    if image:
        shape = (draw.integer(1, 3), draw.choice((1, 2, 4, 7)), draw.choice((1, 2, 4, 5)), draw.choice((1, 5, 16, 25)))
    axis = cases.constant([1, 2]) if image and cases.boolean(draw) else drawn_axes(draw, shape)
    options = {"keep_dims": cases.boolean(draw)}
    if definition.label == "float32":
        low, high = draw.choice(((0.0, 1.0), (-1.0, 9.0), (-50.0, 10.0), (0.01, 0.02)))
        return Case((data(shape, low, high), axis), options)
    if definition.label not in QUANTIZED or cases.boolean(draw):
        return Case((data(shape), axis), options)
    scale = 2.0 ** -draw.integer(0, 8)
    return Case((data(shape, scale=scale), axis), options, output_scale=scale * 2.0 ** draw.integer(-1, 4))


EIGHT_BITS = ("int8", "uint8")
QUANTIZED = (*EIGHT_BITS, "int16")
_FLOAT32 = each(EIGHT_BITS, TYPES, in_float32, prepare=prepare_float32, arithmetic="float32")
MEAN = reduction(
    "MEAN",
    (
        Definition(FLOAT, float_mean, prepare),
        *_FLOAT32,
        *each(EIGHT_BITS, TYPES, optimized, prepare=prepare_optimized, arithmetic="spatial"),
        *each(QUANTIZED, TYPES, integers, prepare=prepare_integers),
        *each(("int32", "int64"), TYPES, integer_mean, prepare=prepare),
    ),
    case,
    3,
    activation("output"),
)
SUM = reduction(
    "SUM",
    (
        Definition(FLOAT, float_sum, prepare),
        *_FLOAT32,
        Definition("uint8 int32 -> uint8", integers, prepare_integers, "double rounding"),
        *each(("int8", "int16"), TYPES, integers, prepare=prepare_integers, arithmetic="integers"),
        *each(QUANTIZED, TYPES, with_bias, prepare=prepare_bias),
        *each(("int32", "int64"), TYPES, integer_sum, prepare=prepare),
        Definition(BOOL, logical(np.logical_or), prepare),  # LiteRT has it in its reference kernels only
    ),
    case,
    2,
    activation("output"),
)
