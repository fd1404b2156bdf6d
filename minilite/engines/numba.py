"""Steps compiled by Numba: the same bits as the definitions, sooner.

Compiled so far: the float32 sums of products of kernel sets that add sequentially (`reference`). Numba is told neither
to reorder nor to contract (no ``fastmath``), so each output is the same sequence of rounded products and sums as in the
definition; only independent outputs are computed side by side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from minilite.fixed_point import float_activation
from minilite.ops.windows import Axis, axes
from minilite.spec import Node

if TYPE_CHECKING:
    from minilite.resolve import Step

Array = np.ndarray


def _jit(function: Callable[..., None]) -> Callable[..., None]:
    """Compiled on first call, and kept on disk where there is a place that can be written to."""
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no writable cache
        return numba.njit(function, nogil=True, error_model="numpy")


TILE = 8
"""Output positions that share one pass over the filter."""


@_jit
def _convolve(x: Any, taps: Any, rows: Any, columns: Any, out: Any) -> None:
    """``out[n, y, x, o]`` of one group; ``taps`` is [filter_h, filter_w, channels, out]; rows and columns are
    (stride, dilation, padding before)."""
    filter_h, filter_w, channels, outputs = taps.shape
    for n in range(out.shape[0]):
        for y in range(out.shape[1]):
            for start in range(0, out.shape[2], TILE):
                stop = min(start + TILE, out.shape[2])
                for fy in range(filter_h):
                    iy = y * rows[0] + fy * rows[1] - rows[2]
                    if iy < 0 or iy >= x.shape[1]:
                        continue
                    for fx in range(filter_w):
                        for c in range(channels):
                            for column in range(start, stop):
                                ix = column * columns[0] + fx * columns[1] - columns[2]
                                if 0 <= ix < x.shape[2]:
                                    value = x[n, iy, ix, c]
                                    for o in range(outputs):
                                        out[n, y, column, o] += value * taps[fy, fx, c, o]


@_jit
def _slide(x: Any, taps: Any, rows: Any, columns: Any, out: Any) -> None:
    """Depthwise: ``out[n, y, x, c]``, channels alike; ``taps`` is [filter_h, filter_w, channels]."""
    filter_h, filter_w, channels = taps.shape
    for n in range(out.shape[0]):
        for y in range(out.shape[1]):
            for column in range(out.shape[2]):
                for fy in range(filter_h):
                    iy = y * rows[0] + fy * rows[1] - rows[2]
                    if iy < 0 or iy >= x.shape[1]:
                        continue
                    for fx in range(filter_w):
                        ix = column * columns[0] + fx * columns[1] - columns[2]
                        if 0 <= ix < x.shape[2]:
                            for c in range(channels):
                                out[n, y, column, c] += x[n, iy, ix, c] * taps[fy, fx, c]


def _steps(axis: Axis) -> tuple[int, int, int]:
    return axis.stride, axis.dilation, axis.before


def conv_2d(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    depth = filter.shape[3]
    out = np.zeros((len(input), rows.output, columns.output, len(filter)), input.dtype)
    for group, kernel in enumerate(np.split(filter, input.shape[3] // depth)):
        part = np.zeros((*out.shape[:3], len(kernel)), input.dtype)
        pixels = np.ascontiguousarray(input[..., group * depth : (group + 1) * depth])
        _convolve(pixels, np.ascontiguousarray(kernel.transpose(1, 2, 3, 0)), _steps(rows), _steps(columns), part)
        out[..., group * len(kernel) : (group + 1) * len(kernel)] = part
    return float_activation(node, out if bias is None else out + bias)


def depthwise_conv_2d(node: Node, input: Array, filter: Array, bias: Array | None) -> Array:
    rows, columns = axes(node.options, input.shape, filter.shape[1:])
    pixels = np.ascontiguousarray(np.repeat(input, filter.shape[3] // input.shape[3], axis=3))
    out = np.zeros((len(input), rows.output, columns.output, filter.shape[3]), input.dtype)
    _slide(pixels, np.ascontiguousarray(filter[0]), _steps(rows), _steps(columns), out)
    return float_activation(node, out if bias is None else out + bias)


def fully_connected(node: Node, input: Array, weights: Array, bias: Array | None) -> Array:
    units, terms = weights.shape
    rows = np.ascontiguousarray(input).reshape(1, 1, -1, terms)
    out = np.zeros((1, 1, rows.shape[2], units), input.dtype)
    _convolve(rows, np.ascontiguousarray(weights.T).reshape(1, 1, terms, units), (1, 1, 0), (1, 1, 0), out)
    out = float_activation(node, out if bias is None else out + bias)
    return out.reshape(node.outputs[0].shape)


COMPILED: dict[str, Callable[..., Array]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
}


def work(step: Step) -> int:
    """Multiply-accumulates, about: outputs times filter terms."""
    filter_ = step.node.inputs[1]
    assert filter_ is not None
    per_output = np.prod(filter_.shape[1:3] if step.node.op == "DEPTHWISE_CONV_2D" else filter_.shape[1:])
    return int(np.prod(step.node.outputs[0].shape) * per_output)


def compiled(step: Step, least_work: int = 0) -> Callable[..., Any] | None:
    """The compiled step, or None where there is none or its work is not worth it."""
    definition, node = step.definition, step.node
    function = COMPILED.get(node.op)
    if (
        function is None
        or step.op.custom
        or node.sums != "sequential"
        or definition is None
        or definition.label != "float32"
    ):
        return None
    return functools.partial(function, node) if work(step) >= least_work else None
