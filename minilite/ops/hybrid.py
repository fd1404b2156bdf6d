"""Hybrid operators: float32 activations times int8 weights, computed in integers.

The activations are quantized on the way in, a row at a time (an image, for convolutions), with a scale that fits the
row. Sums of products are integers; the result is a float (:func:`to_floats` says how it is rounded):

    output = float32(sum over i of (q[row, i] - z[row]) * weight[o, i]) * s[row] * s_weight[o] + bias[o]

Three ways to quantize a row:

    symmetric    s = max|x| / 127, z = 0, q = round_half_away(x * (127 / max|x|))
    asymmetric   s = (max(x, 0) - min(x, 0)) / 255, z = -128 - min/s or 127 - max/s, whichever is the smaller sum,
                 q = round_half_away(x / s) + z
    xnnpack      as asymmetric, but everything is float32, and ties are rounded to even

Sources: LiteRT's tensor_utils (x86 build) and XNNPACK's quantization.h.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Arg, Draw
from minilite.fixed_point import round_half_away
from minilite.spec import DTYPES, INTEGER_RANGE, Node, Shape, TensorInfo

Array = np.ndarray
F32 = np.float32


def quantize_rows(x: Array, leading: int, how: str) -> tuple[Array, Array]:
    """``q - z`` (int32) in the shape of ``x``, and the scales (float32) in a shape that broadcasts with it, where the
    first ``leading`` dimensions of ``x`` count the rows."""
    outer, inner = x.shape[:leading], x.shape[leading:]
    q, z, scales = quantized(x.astype(F32).reshape(math.prod(outer), math.prod(inner)), how)
    return (q - z).reshape(x.shape), scales.reshape(*outer, *[1] * len(inner))


def quantized(rows: Array, how: str) -> tuple[Array, Array, Array]:
    """``q`` and ``z`` (int32), and the scales (float32), of a matrix; the last two with one column."""
    q, z, scales = {"symmetric": symmetric, "asymmetric": asymmetric, "xnnpack": xnnpack}[how](rows)
    return q.astype(np.int32), z.astype(np.int32), scales


def symmetric(x: Array) -> tuple[Array, Array, Array]:
    """A row of zeros gets scale 1."""
    reach = np.abs(x).max(axis=1, initial=0, keepdims=True)
    zero = reach == 0
    q = np.clip(_rounded(x * np.where(zero, F32(0), F32(127) / reach)), -127, 127)
    return q, np.zeros_like(reach), np.where(zero, F32(1), reach / F32(127))


def asymmetric(x: Array) -> tuple[Array, Array, Array]:
    """The range is a float32 difference, what follows is float64, as the x86 kernels have it."""
    low, high = _range(x)
    zero = low == high
    real = np.where(zero, 1.0, (high - low).astype(np.float64) / 255)
    from_low, from_high = -128 - low / real, 127 - high / real
    z = np.where(128 + np.abs(low / real) < 127 + np.abs(high / real), from_low, from_high)
    z = np.where(zero, 0, round_half_away(np.clip(z, -128, 127)))
    scales = real.astype(F32)
    q = np.clip(_rounded(x * (F32(1) / scales)) + z, -128, 127)
    return q, z, scales


def _rounded(x: Array) -> Array:
    """Half away from zero. Whole blocks of 8 in a row add a half and truncate, in float32: there the number just below
    a half becomes 1."""
    whole = x.shape[1] // 8 * 8
    q = round_half_away(x)
    q[:, :whole] = np.trunc(x[:, :whole] + np.copysign(F32(0.5), x[:, :whole]))
    return q


def xnnpack(x: Array) -> tuple[Array, Array, Array]:
    """All float32, by the reciprocal of the scale."""
    low, high = _range(x)
    inverse = np.where(low == high, F32(1), F32(255) / (high - low))
    down, up = low * inverse, high * inverse
    z = np.where((F32(-128) + down) + (F32(127) + up) > 0, F32(-128) - down, F32(127) - up)
    z = np.rint(np.clip(z, F32(-128), F32(127)))
    q = np.clip(np.rint(x * inverse) + z, -128, 127)
    return q, z, F32(1) / inverse


def _range(x: Array) -> tuple[Array, Array]:
    return x.min(axis=1, initial=0, keepdims=True), x.max(axis=1, initial=0, keepdims=True)


def to_floats(acc: Array, rows: Array, channels: Array, bias: Array | None, order: str) -> Array:
    """Integer sums A as real numbers: times the scales s of rows and sw of channels, plus the bias, all float32.

    product  f32(A * f32(s * sw)) + bias
    channel  f32(f32(A * sw) * s) + bias
    row      f32(f32(A * s) * sw) + bias
    fused    f32(f32(A * s) * sw + bias), the product not rounded (XNNPACK)
    """
    x: Array = acc.astype(F32)
    if order == "fused":
        return multiply_add(x * rows, channels, F32(0) if bias is None else bias)
    if order == "product":
        x = x * (rows * channels)
    else:
        x = x * channels * rows if order == "channel" else x * rows * channels
    return x if bias is None else x + bias


def multiply_add(a: Array, b: Array, c: Array | np.float32) -> Array:
    """``a * b + c`` of float32, rounded once.

    In float64 the product is exact and the sum is not: where its error says that the last bit decides between two
    float32, the sum is rounded to odd (Boldo and Melquiond 2008), so that rounding it again rounds right."""
    product, c = a.astype(np.float64) * b, np.asarray(c, np.float64)
    total = product + c
    back = total - product
    error = (product - (total - back)) + (c - back)
    even = (total.view(np.int64) & 1) == 0
    odd = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, odd, total).astype(F32)


def way(node: Node, builtin: str) -> str:
    """How a node quantizes its rows: XNNPACK's way where its delegate takes the node."""
    return "xnnpack" if node.delegated else builtin


def weight_scales(weights: TensorInfo, axis: int) -> Array:
    """The weights' scales, one or one per channel along ``axis``."""
    weights.need(weights.quantized, "quantization scales", "none")
    if weights.scales.size > 1:
        channels = weights.shape[axis]
        weights.need(weights.axis == axis, f"quantized_dimension {axis}", weights.axis)
        weights.need(weights.scales.size == channels, f"1 or {channels} scales", weights.scales.size)
    return weights.scales


def block_scales(weights: TensorInfo) -> Array:
    """The scales of a matrix that is quantized in blocks: ``[rows, blocks]``, float32."""
    scales = np.empty(0) if weights.block_scales is None else weights.block_scales
    weights.need(weights.type in ("int4", "int2") and weights.rank == 2, "a matrix of int4 or int2", weights.shape)
    rows, columns = weights.shape
    fits = weights.block_size > 0 and columns % weights.block_size == 0
    weights.need(fits, f"blocks that divide rows of {columns}", weights.block_size)
    count = rows * columns // weights.block_size
    weights.need(scales.dtype == np.float16 and scales.size == count, f"{count} scales, float16", scales.size)
    return scales.astype(np.float32).reshape(rows, columns // weights.block_size)


def weights_case(
    draw: Draw, shape: Shape, type_: str, per_axis: bool | None = None, constant: bool | None = None
) -> Arg:
    """Drawn weights without the most negative integer, which the 8-bit specification forbids and LiteRT's x86 kernels
    for hybrid operators negate within its type."""
    high = INTEGER_RANGE["int8" if type_ == "uint8" else type_][1]
    values = draw.random.integers(-high, high, shape, np.int8, endpoint=True).view(np.dtype(DTYPES[type_]))
    if constant is None:
        constant = type_ != "int8" or draw.choice((True, True, False))
    return Arg(shape, values, constant=constant, per_axis=per_axis, zero_point=0)
