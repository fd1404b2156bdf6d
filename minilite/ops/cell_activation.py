"""Activations of recurrent operators on real numbers, as LiteRT computes them on x86.

TANH and the logistic function of the gates are Eigen's approximations, a few units in the last place from the true
functions; here they are computed operation by operation in the argument's precision:

    tanh(x)      = (x**3 * P(x**2) + x) / Q(x**2), x clipped to +-7.9073896; P and Q of degree 3 and 4
    logistic(x)  = e / (1 + e), e = (2**m * exp(r))**2 with x / 2 = m * ln(2) + r; exp(r) is a polynomial of degree 5

SIGN_BIT is 1 for negative numbers and 0 for others. The clipping ones turn NaN into their lower end.
Source: Eigen, GenericPacketMathFunctions.h and UnaryFunctors.h (without fused multiply-add, four floats at a time).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilite.ops import elementary
from minilite.spec import Node

Array = np.ndarray
LANES = 4
"""Floats Eigen takes at a time, from an address that is a multiple of their size."""

TANH_CLIP = 7.90738964080810547
TANH_NUMERATOR = (1.394553628e-8, 2.102733560e-5, 3.520756727e-3, 1.340216100e-1)
TANH_DENOMINATOR = (8.015776984e-7, 3.326951409e-4, 2.597254514e-2, 4.673548340e-1, 1.0)
EXP_OF_HALF = (
    8.33471305668354034423828125e-3,
    4.1898667812347412109375e-2,
    0.16666877269744873046875,
    0.49999141693115234375,
)
LOG2_E = 1.44269504088896341
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
LOGISTIC_IS_ONE, LOGISTIC_IS_ZERO = 16.6355324, -104.0


def tanh(x: Array) -> Array:
    """Eigen's hyperbolic tangent."""
    clip = x.dtype.type(TANH_CLIP)
    clipped = np.where(np.isnan(x), x, np.clip(x, -clip, clip))
    square = clipped * clipped
    numerator = (square * clipped) * _polynomial(square, TANH_NUMERATOR) + clipped
    return numerator / _polynomial(square, TANH_DENOMINATOR)


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """The highest power's coefficient comes first."""
    kind = x.dtype.type
    result: Any = kind(coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + kind(coefficient)
    return result


def logistic(x: Array, before: int = 0) -> Array:
    """Eigen's logistic function of a vector that begins ``before`` floats behind an aligned address: four at a time
    from aligned address to aligned address, and with the C library's exponential at the ends."""
    flat = np.ravel(x)
    start = min(-before % LANES, flat.size)
    stop = start + (flat.size - start) // LANES * LANES
    result = _logistic_alone(flat)
    result[start:stop] = _logistic_in_lanes(flat[start:stop])
    return result.reshape(x.shape)


def _logistic_alone(x: Array) -> Array:
    e = elementary.exp(np.minimum(x, x.dtype.type(LOGISTIC_IS_ONE)))
    return e / (1 + e)


def _logistic_in_lanes(x: Array) -> Array:
    kind = x.dtype.type
    half = np.minimum(x, kind(LOGISTIC_IS_ONE)) * kind(0.5)
    m = np.floor(half * kind(LOG2_E) + kind(0.5))
    r = (m * kind(-LN2_HIGH) + half) + m * kind(-LN2_LOW)
    square = r * r
    p5, p4, p3, p2 = map(kind, EXP_OF_HALF)
    inner = r * (square * p5 + p3) + (square * p4 + p2)
    e = np.ldexp(square * inner + (r + kind(1)), np.nan_to_num(m).astype(np.int32)) ** 2
    return np.where(x < kind(LOGISTIC_IS_ZERO), kind(0), e / (kind(1) + e))


def clip(x: Array, low: float, high: float) -> Array:
    """``x`` in [low, high]; NaN becomes ``low``, as where C++ compares it."""
    kind = x.dtype.type
    return np.where(x > kind(low), np.minimum(x, kind(high)), kind(low))


FUNCTIONS = {
    "NONE": lambda x: x,
    "RELU": lambda x: clip(x, 0, np.inf),
    "RELU_N1_TO_1": lambda x: clip(x, -1, 1),
    "RELU6": lambda x: clip(x, 0, 6),
    "TANH": tanh,
    "SIGN_BIT": lambda x: np.signbit(x).astype(x.dtype),
}


def check_activation(node: Node) -> None:
    """Refuse an activation that there is not."""
    fused = str(node.options.fused_activation_function)
    node.need(fused in FUNCTIONS, f"one of the activations {', '.join(FUNCTIONS)}", fused)


def cell_activation(name: str, x: Array) -> Array:
    """The activation of this name."""
    return FUNCTIONS[str(name)](x)
