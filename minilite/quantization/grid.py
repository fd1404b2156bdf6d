"""The real numbers that an integer tensor can hold: ``real = scale * (q - zero_point)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.errors import ArgumentError
from minilite.model import Quantization
from minilite.spec import DTYPES, INTEGER_RANGE

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Grid:
    """A type, its scales (float32) and zero points (int64), one of each per tensor or along dimension ``axis``.

    Two grids are :meth:`alike` when they hold the same real numbers in the same way."""

    type: str
    scales: Array
    zero_points: Array
    axis: int | None = None

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest integer of the type."""
        return INTEGER_RANGE[self.type]

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest real number of a per-tensor grid."""
        low, high = (float(self.scales[0]) * (q - int(self.zero_points[0])) for q in self.limits)
        return low, high

    def alike(self, other: Grid | None) -> bool:
        """Same type, scales, zero points and axis."""
        return (
            other is not None
            and (self.type, self.axis) == (other.type, other.axis)
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points, other.zero_points)
        )

    def along(self, vector: Array, rank: int) -> Array:
        """The vector of scales or zero points in a shape that broadcasts against a tensor of that rank."""
        if self.axis is None:
            return vector.reshape(())
        return vector.reshape([-1 if i == self.axis else 1 for i in range(rank)])

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise :class:`ArgumentError` for values of a shape that several scales do not fit."""
        if self.axis is not None and (self.axis >= len(shape) or shape[self.axis] != self.scales.size):
            raise ArgumentError(
                f"the model contradicts itself: a tensor has {self.scales.size} scales along dimension {self.axis}, "
                f"and its values have shape {list(shape)}."
            )

    def dequantize(self, q: Array) -> Array:
        """``scale * (q - zero_point)`` in float32, as DEQUANTIZE has it: the product is rounded once.

        Raises :class:`ArgumentError` where the scales do not fit the shape."""
        self.check(np.shape(q))
        steps = np.asarray(q, np.int64) - self.along(self.zero_points, np.ndim(q))
        return (self.along(self.scales, np.ndim(q)).astype(np.float64) * steps).astype(np.float32)

    def stored(self, q: Array) -> Array:
        """Integers of the grid as an array of its type; 4 bits have a byte each."""
        return np.asarray(q).astype(DTYPES[self.type])

    def quantization(self) -> Quantization:
        """The grid as a model's tensor declares it."""
        return Quantization(self.scales, self.zero_points, self.axis or 0)


def per_tensor(type_: str, scale: float | np.floating, zero_point: int = 0) -> Grid:
    """A grid of one scale and one zero point."""
    return Grid(type_, np.array([scale], np.float32), np.array([zero_point], np.int64))


def per_axis(type_: str, scales: Array, axis: int) -> Grid:
    """A symmetric grid of one scale for each slice along a dimension."""
    return Grid(type_, np.asarray(scales, np.float32), np.zeros(len(scales), np.int64), axis)


def packed(integers: Array, type_: str) -> bytes:
    """The integers as the file holds them: int4 two a byte, the first in the low bits."""
    values = np.asarray(integers).astype(np.int8).reshape(-1)
    if type_ != "int4":
        return values.tobytes()
    nibbles = np.append(values, np.zeros(values.size % 2, np.int8)).view(np.uint8) & 0x0F
    return (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()
