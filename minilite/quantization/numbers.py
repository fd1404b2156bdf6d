"""From ranges and values to grids and integers, by the formulas of two quantizers.

    activation(lo, hi, type)    the grid of a tensor that takes values from lo to hi (0 is always among them)
    weight(values, axis, bits)  the grid of trained values: symmetric, zero point 0
    constant(values, type)      the grid of another constant operand
    bias(input, weight)         scale = input scale * weight scale, zero point 0
    integers(values, grid)      the values on a grid, saturated

Both compute in float32 where it shows in the last bit. ``TFLITE`` is TFLiteConverter's (tensorflow 2.21):

    scale = f32(f32(f32(hi) - f32(lo)) / 255)    zero_point = round_half_away(f32(-128 - lo / scale))
    weights: scale = f32(f32(m + m) / 254)       q = round_half_away(f32(w * f32(1 / scale)))

with m the largest magnitude. A range narrower than 1e-6 is widened: by 1e-6 on each side for activations, to 5e-7 on
each side for constants; not so for weights in ``TFLITE_16``, its formulas for int16x8, where only a slice of zeros is.
``LITERT`` is litert-quantizer's (0.11): scale = (hi - lo) / 255, weights m / 127 (4 bits: m /
7), quotients instead of products with the reciprocal, halves rounded to even, and a least range of 1e-9.

int16 grids are symmetric in both: scale = max(|lo|, |hi|) / 32767.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from minilite.fixed_point import round_half_away
from minilite.quantization.grid import Array, Grid, per_axis, per_tensor
from minilite.spec import INTEGER_RANGE

f32 = np.float32
LEAST = np.finfo(f32).tiny
"""The least scale whose reciprocal is finite, and the largest magnitude of a range that counts as none: the maximum
that TFLiteConverter's calibration starts from."""


@dataclass(frozen=True)
class Numbers(ABC):
    """The formulas of a quantizer; see the module. ``name`` is how errors and reports call it."""

    name: str

    @abstractmethod
    def activation(self, lo: float, hi: float, type_: str) -> Grid:
        """The grid of a tensor with values from ``lo`` to ``hi``."""

    @abstractmethod
    def weight(self, values: Array, axis: int | None, bits: int = 8) -> Grid:
        """The symmetric grid of trained values, per tensor or along ``axis``."""

    @abstractmethod
    def constant(self, values: Array, type_: str) -> Grid:
        """The grid of another constant operand."""

    @abstractmethod
    def steps(self, values: Array, scales: Array) -> Array:
        """The values divided by the scales, rounded."""

    def bias(self, input_scale: np.floating, weight: Grid, type_: str) -> Grid:
        """int32 (int64 beside int16): the product of the scales in float32, per axis where the weights are."""
        with np.errstate(under="ignore", over="ignore"):
            scales = np.maximum(f32(input_scale) * weight.scales, LEAST).astype(f32)
        return Grid(type_, scales, np.zeros(len(scales), np.int64), 0 if weight.axis is not None else None)

    def integers(self, values: Array, grid: Grid, narrow: bool = False) -> Array:
        """The values in steps of the grid, as int64; ``narrow`` leaves out the lowest integer."""
        values = np.asarray(values, f32)
        low, high = grid.limits
        steps = self.steps(values, grid.along(grid.scales, values.ndim)) + grid.along(grid.zero_points, values.ndim)
        return np.asarray(np.clip(steps, low + narrow, high).astype(np.int64))


def _with_zero(lo: float, hi: float) -> tuple[float, float]:
    """The range with 0 in it, as float32 numbers. Nothing but zeros count as 0 to 1: any scale serves them, and on the
    tiny ones of both quantizers (2e-6 / 255, 1e-38 / 32767, 1e-9 / 255) LiteRT's ADD ends the process, XNNPACK refuses
    convolutions, and RELU6's bounds are beyond int32."""
    low, high = min(float(f32(lo)), 0.0), max(float(f32(hi)), 0.0)
    return (low, high) if max(-low, high) > LEAST else (0.0, 1.0)


def magnitudes(values: Array, axis: int | None) -> Array:
    """The largest magnitude, as float32: one number, or one for each slice along ``axis``."""
    values = np.abs(np.asarray(values, f32))
    if axis is None:
        return values.max(initial=0).reshape(1)
    rest = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    return np.asarray(values.max(axis=rest, initial=0))


def _symmetric(bits: int) -> tuple[str, int]:
    type_ = f"int{bits}"
    return type_, INTEGER_RANGE[type_][1]


@dataclass(frozen=True)
class Tflite(Numbers):
    """TFLiteConverter's."""

    name: str = "tflite"
    widens_weights: bool = True

    def activation(self, lo: float, hi: float, type_: str) -> Grid:
        low, high = _with_zero(lo, hi)
        if type_ == "int16":
            return per_tensor(type_, f32(max(-low, high) / 32767))
        if high - low < 1e-6:
            low, high = low - 1e-6, high + 1e-6
        return self._asymmetric(low, high, type_)

    def _asymmetric(self, low: float, high: float, type_: str) -> Grid:
        least, most = INTEGER_RANGE[type_]
        scale = f32(f32(f32(high) - f32(low)) / f32(most - least))
        zero = np.clip(round_half_away(f32(least - low / float(scale))), least, most)
        return per_tensor(type_, scale, int(zero))

    def weight(self, values: Array, axis: int | None, bits: int = 8) -> Grid:
        type_, most = _symmetric(bits)
        m = magnitudes(values, axis)
        narrow = 2 * m.astype(np.float64) <= 1e-6 if self.widens_weights else m == 0
        m = np.where(narrow, np.maximum(m, f32(5e-7)), m).astype(f32)
        scales = ((m + m) / f32(2 * most)).astype(f32)
        return per_tensor(type_, scales[0]) if axis is None else per_axis(type_, scales, axis)

    def constant(self, values: Array, type_: str) -> Grid:
        low, high = min(float(np.min(values, initial=0)), 0.0), max(float(np.max(values, initial=0)), 0.0)
        if type_ == "int16":
            return self.activation(low, high, type_)
        if high - low <= 1e-6:
            low, high = min(low, -5e-7), max(high, 5e-7)
        return self._asymmetric(low, high, type_)

    def steps(self, values: Array, scales: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(round_half_away(values * (f32(1) / scales)))


@dataclass(frozen=True)
class Litert(Numbers):
    """litert-quantizer's."""

    name: str = "litert"

    def activation(self, lo: float, hi: float, type_: str) -> Grid:
        low, high = map(f32, _with_zero(lo, hi))
        if type_ == "int16":
            return per_tensor(type_, max(-low, high, f32(1e-9)) / f32(32767))
        least, most = INTEGER_RANGE[type_]
        scale = f32(max(high - low, f32(1e-9)) / f32(most - least))
        return per_tensor(type_, scale, int(np.clip(np.rint(f32(least) - low / scale), least, most)))

    def weight(self, values: Array, axis: int | None, bits: int = 8) -> Grid:
        type_, most = _symmetric(bits)
        scales = np.maximum(magnitudes(values, axis), f32(1e-9)) / f32(most)
        return per_tensor(type_, scales[0]) if axis is None else per_axis(type_, scales, axis)

    def constant(self, values: Array, type_: str) -> Grid:
        return self.activation(float(np.min(values, initial=0)), float(np.max(values, initial=0)), type_)

    def steps(self, values: Array, scales: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.rint(values / scales))


TFLITE, TFLITE_16, LITERT = Tflite(), Tflite(widens_weights=False), Litert()
