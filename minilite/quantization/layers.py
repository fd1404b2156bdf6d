"""Matrix operators as what they all are: rows of weights times rows of inputs.

    results[group, position, row] = sum over terms of inputs[group, position, term] * weights[group, row, term]

A position is a window of an image, or a row of a matrix. CONV_2D has the groups its filters say, DEPTHWISE_CONV_2D one
for each input channel, FULLY_CONNECTED and BATCH_MATMUL (with one constant matrix) have one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilite.ops.conv_2d import laid_out
from minilite.ops.windows import axes
from minilite.quantization.grid import Array
from minilite.spec import Node


@dataclass(frozen=True)
class Layer:
    """How an operator's operands become rows. ``inputs(node, input, weights)`` gives [groups, positions, terms],
    ``rows(node, input's channels, weights)`` [groups, rows, terms], and ``weights`` is its inverse, given the shape."""

    inputs: Callable[[Node, Array, Array], Array]
    rows: Callable[[Node, int, Array], Array]
    weights: Callable[[Node, Array, tuple[int, ...]], Array]


def _windows(node: Node, input: Array, filter: Array) -> Array:
    """[positions, taps, channels]"""
    rows, columns = axes(node.options, input.shape, filter.shape[1:3])
    images = [laid_out(image, rows, columns, slice(0, rows.output)) for image in input]
    return np.concatenate([w.reshape(-1, filter.shape[1] * filter.shape[2], w.shape[-1]) for w in images])


def _conv_inputs(node: Node, input: Array, filter: Array) -> Array:
    windows = _windows(node, input, filter)
    groups = windows.shape[2] // filter.shape[3]
    split = windows.reshape(*windows.shape[:2], groups, filter.shape[3])
    return np.moveaxis(split, 2, 0).reshape(groups, len(windows), -1)


def _conv_rows(node: Node, channels: int, filter: Array) -> Array:
    groups = channels // filter.shape[3]
    return filter.reshape(groups, filter.shape[0] // groups, -1)


def _depthwise_inputs(node: Node, input: Array, filter: Array) -> Array:
    return np.moveaxis(_windows(node, input, filter), 2, 0)


def _depthwise_rows(node: Node, channels: int, filter: Array) -> Array:
    return np.moveaxis(filter.reshape(-1, channels, filter.shape[3] // channels), 0, 2)


def _depthwise_weights(node: Node, rows: Array, shape: tuple[int, ...]) -> Array:
    return np.moveaxis(rows, 2, 0).reshape(shape)


def _is_transposed(node: Node) -> bool:
    """Whether the constant has a row for each term."""
    return node.op == "BATCH_MATMUL" and not node.options.adj_y


def _matrix_inputs(node: Node, input: Array, matrix: Array) -> Array:
    if node.op == "BATCH_MATMUL" and node.options.adj_x:
        input = np.swapaxes(input, -1, -2)
    return input.reshape(1, -1, matrix.shape[-2 if _is_transposed(node) else -1])


def _matrix_rows(node: Node, channels: int, matrix: Array) -> Array:
    one = matrix.reshape(matrix.shape[-2:])
    return (one.T if _is_transposed(node) else one)[None]


def _matrix_weights(node: Node, rows: Array, shape: tuple[int, ...]) -> Array:
    return (rows[0].T if _is_transposed(node) else rows[0]).reshape(shape)


_MATRIX = Layer(_matrix_inputs, _matrix_rows, _matrix_weights)
LAYERS = {
    "CONV_2D": Layer(_conv_inputs, _conv_rows, lambda node, rows, shape: rows.reshape(shape)),
    "DEPTHWISE_CONV_2D": Layer(_depthwise_inputs, _depthwise_rows, _depthwise_weights),
    "FULLY_CONNECTED": _MATRIX,
    "BATCH_MATMUL": _MATRIX,
}


def layer_of(name: str, weights: Array) -> Layer | None:
    """The layer, or None when the operator is none or has several matrices."""
    if name == "BATCH_MATMUL" and weights.size != weights.shape[-1] * weights.shape[-2]:
        return None
    return LAYERS.get(name)
