"""The handful of roundings that integer kernels are made of, each written once.

A real multiplier is held as ``q * 2**(e - 31)`` with an int32 ``q`` in [2**30, 2**31) and an exponent ``e``, as gemmlowp does
(Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
section 2.2). All functions take int64 arrays whose values fit the documented type, and are branch-free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.spec import INTEGER_RANGE, Node, TensorInfo

Array = np.ndarray
INT32_MIN, INT32_MAX = INTEGER_RANGE["int32"]


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
        """QuantizeMultiplier: the int32 significand is rounded half away from zero; below 2**-32 all is flushed to 0."""
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


def rounding_shift_half_up(x: Any, exponent: Any) -> Any:
    """``x / 2**exponent``, ties towards plus infinity."""
    return (np.asarray(x, np.int64) + ((np.int64(1) << exponent) >> 1)) >> exponent


def multiply_double_rounding(x: Any, m: Multiplier) -> Any:
    """MultiplyByQuantizedMultiplier of int32 values, rounded twice: SRDHM (ties up), then RDBP (ties away from zero)."""
    left, right = np.maximum(m.e, 0), np.maximum(-m.e, 0)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(wrap32(np.asarray(x, np.int64) << left), m.q), right)


def multiply_half_up(x: Any, m: Multiplier) -> Any:
    """Like :func:`multiply_double_rounding`, but the second rounding takes ties up: what ruy's x86 kernels do."""
    left, right = np.maximum(m.e, 0), np.maximum(-m.e, 0)
    return rounding_shift_half_up(saturating_rounding_doubling_high_mul(wrap32(np.asarray(x, np.int64) << left), m.q), right)


def multiply_int64(x: Any, m: Multiplier) -> Any:
    """MultiplyByQuantizedMultiplier of int64 values (int16 activations): 16-bit significand, one rounding, ties up."""
    reduced = np.where(m.q < 0x7FFF0000, (m.q + (1 << 15)) >> 16, 0x7FFF)
    return rounding_shift_half_up(np.asarray(x, np.int64) * reduced, 15 - m.e)


def _float64(acc: Array, real: Any) -> Array:
    return round_half_away(acc.astype(np.float64) * real)


def _float32(acc: Array, real: Any) -> Array:
    return np.rint(acc.astype(np.float32) * np.asarray(real, np.float32))


ROUNDINGS: dict[str, Callable[[Array, Any], Array]] = {
    "double rounding": lambda acc, real: multiply_double_rounding(acc, Multiplier.of(real)),
    "half up": lambda acc, real: multiply_half_up(acc, Multiplier.of(real)),
    "int64": lambda acc, real: multiply_int64(acc, Multiplier.of(real)),
    "float64": _float64,
    "float32": _float32,
}
"""How an accumulator becomes an output step, by the word the kernel sets use:

double rounding   fixed point, :func:`multiply_double_rounding` (reference kernels)
half up           fixed point, :func:`multiply_half_up` (ruy on x86)
int64             fixed point on int64 accumulators, :func:`multiply_int64` (int16 activations)
float64           ``round_half_away(float64(acc) * real)`` (reference FULLY_CONNECTED)
float32           ``rint(float32(acc) * float32(real))``, ties to even (XNNPACK on x86)
"""


@dataclass(frozen=True)
class Requantizer:
    """From int32 (or int64) accumulators to output integers: ``clip(round(acc * real) + zero_point, low, high)``.

    ``real`` is a float64, or one per output channel (the last axis). ``rounding`` is a word of :data:`ROUNDINGS`.
    """

    rounding: str
    real: Any
    zero_point: int
    low: int
    high: int
    type: str

    def __call__(self, acc: Array) -> Array:
        steps = ROUNDINGS[self.rounding](acc, self.real)
        if steps.dtype.kind == "f":
            steps = np.clip(steps, self.low - self.zero_point, self.high - self.zero_point).astype(np.int64)
        return np.clip(steps + self.zero_point, self.low, self.high).astype(self.type)


def activation_range(activation: str | int, output: TensorInfo) -> tuple[int, int]:
    """The integers a fused activation lets through: its real bounds divided by the output scale in float32, rounded
    half away from zero, moved by the zero point and clipped to the type."""
    low, high = INTEGER_RANGE[output.type]
    bottom, top = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(str(activation), (None, None))

    def step(real: float) -> int:
        quotient = np.float32(real) / output.scale
        output.need(abs(quotient) < 2.0**31, "a scale that keeps the activation's bounds in int32", output.scale)
        return output.zero_point + int(round_half_away(quotient))

    return (
        low if bottom is None else min(max(low, step(bottom)), high),
        high if top is None else max(min(high, step(top)), low),
    )


def requantizer(node: Node, real: Any, output: TensorInfo, rounding: str | None = None) -> Requantizer:
    """The requantizer of a node: the set's rounding (or a given one), the output's zero point, the fused activation."""
    low, high = activation_range(getattr(node.options, "fused_activation_function", "NONE"), output)
    return Requantizer(rounding or node.arithmetic or "double rounding", real, output.zero_point, low, high, output.type)


def float_activation(node: Node, x: Array) -> Array:
    """The fused activation on real numbers. Without one LiteRT's own kernels still clip to the finite range."""
    name = node.options.fused_activation_function
    if name == "TANH":
        return np.tanh(x)
    low, high = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(str(name), (None, None))
    limit = np.finfo(np.float32).max
    low, high = (-limit if low is None else low), (limit if high is None else high)
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))
