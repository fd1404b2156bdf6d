"""The handful of roundings that integer kernels are made of, each written once.

A real multiplier is held as ``q * 2**(e - 31)`` with an int32 ``q`` in [2**30, 2**31) and an exponent ``e``, as
gemmlowp does (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 2.2). All functions take int64 arrays whose values fit the documented type, and are branch-free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.spec import INTEGER_RANGE, Node, TensorInfo

Array = np.ndarray
INT32_MIN, INT32_MAX = INTEGER_RANGE["int32"]
BLOCK = 1 << 15
"""Accumulators to requantize at a time: what they become on the way fits a processor's cache."""


def round_half_away(x: Any) -> Any:
    """``std::round``: nearest integer, ties away from zero, in the precision of ``x`` (no sum that could round)."""
    whole = np.trunc(x)
    return whole + np.copysign(np.abs(x - whole) >= 0.5, x).astype(np.asarray(x).dtype)


def wrap32(x: Any) -> Any:
    """The low 32 bits of int64 values, read as int32, kept as int64."""
    return np.asarray(x, np.int64).astype(np.int32).astype(np.int64)


def saturate(x: Any, type_: str) -> Any:
    """Clip to a type's range."""
    return np.clip(x, *INTEGER_RANGE[type_])


@dataclass(frozen=True)
class Multiplier:
    """Real multipliers as integers: ``real ~= q * 2**(e - 31)``. Scalars, or arrays with one value per channel."""

    q: Any
    e: Any

    @classmethod
    def of(cls, real: Any) -> Multiplier:
        """QuantizeMultiplier: the significand is rounded half away from zero; what is below 2**-32 becomes 0."""
        fraction, e = np.frexp(np.asarray(real, np.float64))
        q = round_half_away(fraction * 2.0**31).astype(np.int64)
        e = e.astype(np.int64)
        carried = np.abs(q) == 2**31
        q, e = np.where(carried, q // 2, q), np.where(carried, e + 1, e)
        flushed = (e < -31) | (q == 0)
        return cls(np.where(flushed, 0, q), np.where(flushed, 0, e))


def saturating_rounding_doubling_high_mul(a: Any, b: Any) -> Any:
    """SRDHM: ``(2 * a * b) / 2**32`` of int32s, ties up, INT32_MIN squared saturated."""
    return np.minimum((np.asarray(a, np.int64) * b + (1 << 30)) >> 31, INT32_MAX)


def rounding_divide_by_pot(x: Any, exponent: Any) -> Any:
    """RDBP: ``x / 2**exponent``, ties away from zero."""
    x = np.asarray(x, np.int64)
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def rounding_divide_by_any_pot(x: Any, exponent: Any, bits: int = 32) -> Any:
    """RDBP of integers of 16 or 32 bits by exponents that it is not made for, below 0 or above ``bits - 1``: what its
    C++ code, whose shifts are undefined there, becomes on x86-64 and AArch64, which count 32-bit shifts modulo 32 and
    64-bit ones modulo 64.

    Beyond ``bits - 1`` the mask is all ones, so that ``x`` is its own remainder: 0 becomes 1."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = np.where((exponent & 63) >= bits, -1, (np.int64(1) << (exponent & 31)) - 1)
    return (x >> (exponent & 31)) + ((x & mask) > (mask >> 1) + (x < 0))


def rounding_shift_half_up(x: Any, exponent: Any) -> Any:
    """``x / 2**exponent``, ties towards plus infinity."""
    return (np.asarray(x, np.int64) + ((np.int64(1) << exponent) >> 1)) >> exponent


def multiply_double_rounding(x: Any, m: Multiplier) -> Any:
    """MultiplyByQuantizedMultiplier of int32 values, rounded twice: SRDHM (ties up), RDBP (ties away from zero)."""
    return rounding_divide_by_pot(_high_product(x, m), np.maximum(-m.e, 0))


def multiply_half_up(x: Any, m: Multiplier) -> Any:
    """Like :func:`multiply_double_rounding`, but the second rounding takes ties up: what ruy's x86 kernels do."""
    return rounding_shift_half_up(_high_product(x, m), np.maximum(-m.e, 0))


def _high_product(x: Any, m: Multiplier) -> Any:
    shifted = wrap32(np.asarray(x, np.int64) << np.maximum(m.e, 0))
    return saturating_rounding_doubling_high_mul(shifted, m.q)


def multiply_int64(x: Any, m: Multiplier) -> Any:
    """MultiplyByQuantizedMultiplier of int64 values (int16 activations): 16-bit significand, one rounding, ties up. The
    result is read as int32."""
    reduced = np.where(m.q < 0x7FFF0000, (m.q + (1 << 15)) >> 16, 0x7FFF)
    return wrap32(rounding_shift_half_up(np.asarray(x, np.int64) * reduced, 15 - m.e))


def _float64(acc: Array, real: Any) -> Array:
    return round_half_away(acc.astype(np.float64) * real)


def _float32(acc: Array, real: Any) -> Array:
    return np.rint(acc.astype(np.float32) * np.asarray(real, np.float32))


def _half_up_by_eights(acc: Array, real: Any) -> Array:
    channels = acc.shape[-1]
    return _mixed(np.arange(channels) < channels // 8 * 8, acc, real)


def _half_up_by_sixteens(acc: Array, real: Any) -> Array:
    return _mixed(np.arange(acc.size).reshape(acc.shape) < acc.size // 16 * 16, acc, real)


def _mixed(in_vectors: Array, acc: Array, real: Any) -> Array:
    m = Multiplier.of(real)
    return np.where(in_vectors, multiply_half_up(acc, m), multiply_double_rounding(acc, m))


ROUNDINGS: dict[str, Callable[[Array, Any], Array]] = {
    "double rounding": lambda acc, real: multiply_double_rounding(acc, Multiplier.of(real)),
    "half up": lambda acc, real: multiply_half_up(acc, Multiplier.of(real)),
    "half up by eights": _half_up_by_eights,
    "half up by sixteens": _half_up_by_sixteens,
    "int64": lambda acc, real: multiply_int64(acc, Multiplier.of(real)),
    "float64": _float64,
    "float32": _float32,
}
"""How an accumulator becomes an output step, by the word the kernel sets use:

double rounding      fixed point, :func:`multiply_double_rounding` (reference kernels)
half up              fixed point, :func:`multiply_half_up` (ruy on x86)
half up by eights    half up for whole vectors of 8 channels, double rounding for the channels that are left over
half up by sixteens  half up for whole vectors of 16 elements of the output, double rounding for those left over
int64                fixed point on int64 accumulators, :func:`multiply_int64` (int16 activations)
float64              ``round_half_away(float64(acc) * real)`` (reference FULLY_CONNECTED)
float32              ``rint(float32(acc) * float32(real))``, ties to even (XNNPACK on x86)
"""


@dataclass(frozen=True)
class Requantizer:
    """From int32 (or int64) accumulators to output integers: ``clip(round(acc * real) + zero_point, low, high)``.

    ``real`` is one multiplier, or one per output channel (the last axis): float64, or float32 where the rounding is
    ``float32``. ``rounding`` is a word of :data:`ROUNDINGS`. Vectors are counted over the whole output, so it takes one
    call to requantize it.
    """

    rounding: str
    real: Any
    zero_point: int
    low: int
    high: int
    type: str

    def __call__(self, acc: Array) -> Array:
        rows = acc.reshape(-1, acc.shape[-1] if acc.ndim else 1)
        output = np.empty(rows.shape, self.type)
        some = max(1, BLOCK // max(rows.shape[1], 1) // 16) * 16  # rows; vectors of 16 stay together
        for block in (slice(i, i + some) for i in range(0, len(rows), some)):
            output[block] = self.clipped(self.steps(rows[block]))
        return output.reshape(acc.shape)

    def steps(self, acc: Array) -> Array:
        """The rounded output, before the zero point is added and anything clipped."""
        return ROUNDINGS[self.rounding](acc, self.real)

    def clipped(self, steps: Array) -> Array:
        """The output from what :meth:`steps` gives."""
        if steps.dtype.kind == "f":
            steps = np.clip(steps, self.low - self.zero_point, self.high - self.zero_point).astype(np.int64)
        return np.clip(steps + self.zero_point, self.low, self.high).astype(self.type)


def ratio_type(node: Node) -> Any:
    """What the kernel divides scales in: float64 where the set's word is "float64 ratios", else float32."""
    return np.float64 if node.arithmetic == "float64 ratios" else np.float32


def output_multiplier(input: TensorInfo, weights: TensorInfo, output: TensorInfo, product: str = "float64") -> Any:
    """``s_input * s_weights / s_output``, one or one per channel.

    ``product`` is where the kernel rounds: ``"float64"`` divides a product of float64, ``"float32"`` a product that is
    rounded to float32, and ``"ratio"`` stays in float32 throughout (XNNPACK).
    """
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    weights.need(weights.quantized, "quantization scales", "none")
    scales = weights.scales if weights.scales.size > 1 else weights.scale
    if product == "ratio":
        return input.scale * scales / output.scale
    if product == "float32":
        return (input.scale * scales).astype(np.float64) / np.float64(output.scale)
    return np.float64(input.scale) * scales.astype(np.float64) / np.float64(output.scale)


ACTIVATION_BOUNDS: dict[str, tuple[int | None, int | None]] = {
    "RELU": (0, None),
    "RELU6": (0, 6),
    "RELU_N1_TO_1": (-1, 1),
    "RELU_0_TO_1": (0, 1),
}
"""The real numbers an activation clips to. As fused ones TANH and SIGN_BIT do nothing, RELU_0_TO_1 does not exist."""


def activation_range(activation: str | int, output: TensorInfo) -> tuple[int, int]:
    """The integers a fused activation lets through: its real bounds divided by the output scale in float32, rounded
    half away from zero, moved by the zero point and clipped to the type. TANH and SIGN_BIT let everything through."""

    def step(real: float) -> int:
        quotient = np.float32(real) / output.scale
        output.need(abs(quotient) < 2.0**31, "a scale that keeps the activation's bounds in int32", output.scale)
        return output.zero_point + int(round_half_away(quotient))

    return _range(activation, output, step)


def xnnpack_activation_range(activation: str | int, output: TensorInfo) -> tuple[int, int]:
    """Like :func:`activation_range`, the way XNNPACK does it: the zero point is added in float32, and that sum is
    rounded half to even."""

    def step(real: float) -> int:
        moved = np.float32(real) / output.scale + np.float32(output.zero_point)
        return int(np.rint(saturate(moved, output.type)))

    return _range(activation, output, step)


def _range(activation: str | int, output: TensorInfo, step: Callable[[float], int]) -> tuple[int, int]:
    low, high = INTEGER_RANGE[output.type]
    bottom, top = ACTIVATION_BOUNDS.get(str(activation), (None, None))
    return (
        low if bottom is None else min(max(low, step(bottom)), high),
        high if top is None else max(min(high, step(top)), low),
    )


def requantizer(node: Node, real: Any, output: TensorInfo, rounding: str | None = None) -> Requantizer:
    """The requantizer of a node: the set's rounding (or a given one), the output's zero point, the fused activation."""
    rounding = rounding or node.arithmetic or "double rounding"
    bounds = xnnpack_activation_range if rounding == "float32" else activation_range
    low, high = bounds(getattr(node.options, "fused_activation_function", "NONE"), output)
    return Requantizer(rounding, real, output.zero_point, low, high, output.type)


def float_activation(node: Node, x: Array) -> Array:
    """The fused activation on real numbers: clipping, in LiteRT's own kernels to the finite range at least."""
    bottom, top = ACTIVATION_BOUNDS.get(str(node.options.fused_activation_function), (None, None))
    limit = np.inf if node.delegated else float(np.finfo(np.float16 if x.dtype == np.float16 else np.float32).max)
    low, high = (-limit if bottom is None else bottom), (limit if top is None else top)
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))
