"""What the accumulators of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED can come to, and what they did.

    highest[c] = bias[c] + sum of (w > 0 ? w * (high - z) : w * (low - z))        lowest[c] the other way round

with the actual weights ``w`` of the channel (without their zero point) and the limits of the input's type. Padding adds
0, which lies between. Sums beyond int32 wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.ops import conv_2d, depthwise_conv_2d, fully_connected
from minilite.ops.accumulate import exactly, integer_dot
from minilite.resolve import Step
from minilite.spec import INTEGER_RANGE

Array = np.ndarray
INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Bounds:
    """Of each output channel: the lowest and highest accumulator that any input can give, with the bias, and the bias.

    ``wide`` says that accumulators are int64; else they are int32. ``terms`` counts the products of one sum."""

    low: Array
    high: Array
    bias: Array | None
    wide: bool
    terms: int

    @property
    def channel(self) -> int:
        """The channel that comes nearest to the type's end."""
        return int(np.maximum(self.high, -self.low).argmax())

    @property
    def share(self) -> float:
        """The largest magnitude as a share of int32."""
        return float(max(self.high.max(initial=0), -self.low.min(initial=0))) / INT32

    @property
    def bits(self) -> int:
        """The bits, with the sign, that hold every accumulator."""
        return int(max(self.high.max(initial=0), -self.low.min(initial=0) - 1)).bit_length() + 1

    @property
    def bias_share(self) -> float:
        """The largest bias as a share of int32."""
        return 0.0 if self.bias is None else float(np.abs(self.bias).max(initial=0)) / INT32

    @property
    def overflows(self) -> bool:
        """Whether some input makes an accumulator wrap."""
        return not self.wide and self.share > 1


def sums_products(step: Step) -> bool:
    """Whether a step is one of those that this module knows."""
    return step.definition is not None and step.definition.compute in _SUMS


def bounds(step: Step) -> Bounds | None:
    """The bounds of a prepared step; None where its weights are no constants, or it is another operator."""
    input, weights = (step.node.inputs[i] if i < len(step.node.inputs) else None for i in (0, 1))
    if not sums_products(step) or input is None or weights is None or weights.value is None:
        return None
    low, high = (limit - step.prepared.input_zero_point for limit in INTEGER_RANGE[input.type])
    matrix = _matrix(step, np.asarray(weights.value, np.int64))
    positive, negative = np.maximum(matrix, 0).sum(axis=1), np.minimum(matrix, 0).sum(axis=1)
    bias = _bias(step)
    added = 0 if bias is None else bias
    return Bounds(
        positive * min(low, 0) + negative * max(high, 0) + added,
        positive * max(high, 0) + negative * min(low, 0) + added,
        bias,
        is_wide(step),
        matrix.shape[1],
    )


def is_wide(step: Step) -> bool:
    """Whether a step that sums products does so in int64."""
    p = step.prepared
    return bool(p.sums == "int64" if isinstance(p, depthwise_conv_2d.Prepared) else p.wide)


def _matrix(step: Step, weights: Array) -> Array:
    """The weights of each channel, without their zero point."""
    p = step.prepared
    if isinstance(p, depthwise_conv_2d.Prepared):
        return np.asarray((weights - p.filter_zero_point).reshape(-1, weights.shape[3]).T)
    zero = p.weights_zero_point if isinstance(p, fully_connected.Prepared) else p.filter_zero_point
    return np.asarray((weights - zero).reshape(len(weights), -1))


def _bias(step: Step) -> Array | None:
    info = step.node.inputs[2] if len(step.node.inputs) > 2 else None
    return None if info is None or info.value is None else np.asarray(info.value, np.int64)


# ---- those of a run --------------------------------------------------------------------------------------------------


def accumulators(step: Step, input: Array, weights: Array, bias: Array | None) -> Array:
    """The exact sums of a run as int64, before they wrap; channels last."""
    assert step.definition is not None
    sums = _SUMS[step.definition.compute](step.prepared, input, weights)
    return sums if bias is None else sums + bias


def _convolution(p: Any, input: Array, filter: Array) -> Array:
    x, w = input.astype(np.int32) - p.input_zero_point, filter.astype(np.int32) - p.filter_zero_point
    x, w = exactly(filter[0].size, x, w)
    return conv_2d.convolve(x, w, p.rows, p.columns).astype(np.int64)


def _depthwise(p: Any, input: Array, filter: Array) -> Array:
    x, w = input.astype(np.float64) - p.input_zero_point, filter.astype(np.float64) - p.filter_zero_point
    return depthwise_conv_2d.slide(x, w, p.rows, p.columns).astype(np.int64)


def _layer(p: Any, input: Array, weights: Array) -> Array:
    x = input.reshape(-1, weights.shape[1]).astype(np.int32) - p.input_zero_point
    return np.asarray(integer_dot(x, (weights.astype(np.int32) - p.weights_zero_point).T)).astype(np.int64)


_SUMS: dict[Callable[..., Any], Callable[[Any, Array, Array], Array]] = {
    conv_2d.integer: _convolution,
    depthwise_conv_2d.integer: _depthwise,
    fully_connected.integer: _layer,
}
