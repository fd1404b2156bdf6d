"""One output of an operator that sums products (CONV_2D, FULLY_CONNECTED, BATCH_MATMUL ...), term by term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.fixed_point import wrap32
from minilite.inspection.lines import Line, shown, signed
from minilite.inspection.requantizing import At, requantized
from minilite.ops.windows import Axis
from minilite.resolve import Step

Array = np.ndarray
LISTED = 3
"""Products that are written out."""


@dataclass(frozen=True, eq=False)
class Terms:
    """The products of one accumulator: where in the input, the stored input and weight, both zero points.

    ``outside`` counts the weights that meet padding, which adds nothing."""

    places: tuple[tuple[int, ...], ...]
    inputs: Array
    weights: Array
    input_zero_point: int
    weight_zero_point: int
    outside: int = 0

    @property
    def products(self) -> Array:
        return (self.inputs - self.input_zero_point) * (self.weights - self.weight_zero_point)


def convolution(step: Step, arrays: tuple[Array | None, ...], index: tuple[int, ...]) -> tuple[list[Line], int, Terms]:
    """CONV_2D: the channels of the output channel's group under the filter."""
    p, (input, filter, bias) = step.prepared, _three(arrays)
    n, y, x, o = index
    depth = filter.shape[3]
    first = o // (len(filter) // (input.shape[3] // depth)) * depth
    taps = list(_taps(p.rows, p.columns, y, x))
    places = [(n, iy, ix, first + c) for _, _, iy, ix in taps for c in range(depth)]
    weights = [filter[o, fy, fx, c] for fy, fx, _, _ in taps for c in range(depth)]
    outside = filter[0].size - len(places)
    terms = _terms(input, places, weights, p.input_zero_point, p.filter_zero_point, outside)
    return (*_summed(step, terms, bias, At.of(index, step.node.outputs[0].shape), p.wide), terms)


def depthwise(step: Step, arrays: tuple[Array | None, ...], index: tuple[int, ...]) -> tuple[list[Line], int, Terms]:
    """DEPTHWISE_CONV_2D: one channel of the input under the channel's own filter."""
    p, (input, filter, bias) = step.prepared, _three(arrays)
    n, y, x, o = index
    channel = o // (filter.shape[3] // input.shape[3])
    taps = list(_taps(p.rows, p.columns, y, x))
    places = [(n, iy, ix, channel) for _, _, iy, ix in taps]
    weights = [filter[0, fy, fx, o] for fy, fx, _, _ in taps]
    outside = filter.shape[1] * filter.shape[2] - len(places)
    terms = _terms(input, places, weights, p.input_zero_point, p.filter_zero_point, outside)
    return (*_summed(step, terms, bias, At.of(index, step.node.outputs[0].shape), p.sums == "int64"), terms)


def layer(step: Step, arrays: tuple[Array | None, ...], index: tuple[int, ...]) -> tuple[list[Line], int, Terms]:
    """FULLY_CONNECTED: a row of the input times a row of the weights."""
    p, (input, weights, bias) = step.prepared, _three(arrays)
    units, depth = weights.shape
    at = At.of(index, step.node.outputs[0].shape)
    row = at.flat // units
    places = [tuple(map(int, np.unravel_index(row * depth + i, input.shape))) for i in range(depth)]
    terms = _terms(input, places, weights[at.channel], p.input_zero_point, p.weights_zero_point, 0)
    return (*_summed(step, terms, bias, at, p.wide), terms)


def transposed(step: Step, arrays: tuple[Array | None, ...], index: tuple[int, ...]) -> tuple[list[Line], int, Terms]:
    """TRANSPOSE_CONV: the pixels that the filter paints onto this place of the output."""
    p, (weights, input, bias) = step.prepared, _three(arrays[1:])
    n, y, x, o = index
    taps = [(fy, fx, iy, ix) for fy, iy in _painted(p.rows, y) for fx, ix in _painted(p.columns, x)]
    places = [(n, iy, ix, c) for _, _, iy, ix in taps for c in range(input.shape[3])]
    chosen = [weights[o, fy, fx, c] for fy, fx, _, _ in taps for c in range(input.shape[3])]
    terms = _terms(input, places, chosen, p.input_zero_point, p.weights_zero_point, 0)
    return (*_summed(step, terms, bias, At.of(index, step.node.outputs[0].shape), p.wide), terms)


def _painted(window: Axis, place: int) -> Any:
    """Filter positions with the input's elements that they bring to a place of the output."""
    for tap in range(window.filter):
        i, rest = divmod(place + window.before - tap * window.dilation, window.stride)
        if not rest and 0 <= i < window.output:
            yield tap, i


def matrices(step: Step, arrays: tuple[Array | None, ...], index: tuple[int, ...]) -> tuple[list[Line], int, Terms]:
    """BATCH_MATMUL: a row of the left operand times a column of the right one; the latter are called weights."""
    p, (lhs, rhs, _) = step.prepared, _three(arrays)
    options, at = step.node.options, At.of(index, step.node.outputs[0].shape)
    depth = lhs.shape[-2 if options.adj_x else -1]
    places = [_element(lhs, index[:-2], (i, index[-2]) if options.adj_x else (index[-2], i)) for i in range(depth)]
    others = [_element(rhs, index[:-2], (index[-1], i) if options.adj_y else (i, index[-1])) for i in range(depth)]
    weights = [rhs[other] for other in others]
    terms = _terms(lhs, places, weights, p.lhs_zero_point, p.rhs_zero_point, 0)
    return (*_summed(step, terms, None, at, p.wide), terms)


def _element(array: Array, leading: tuple[int, ...], last: tuple[int, int]) -> tuple[int, ...]:
    """A place in an operand whose leading dimensions may be fewer, or 1."""
    own = leading[len(leading) - (array.ndim - 2) :]
    return (*(i if d > 1 else 0 for i, d in zip(own, array.shape, strict=False)), *last)


def _three(arrays: tuple[Array | None, ...]) -> tuple[Array, Array, Array | None]:
    input, weights, *rest = arrays
    assert input is not None
    assert weights is not None
    return input, weights, rest[0] if rest else None


def _taps(rows: Axis, columns: Axis, y: int, x: int) -> Any:
    """Filter positions with the pixels they meet, inside of the image."""
    for fy in range(rows.filter):
        for fx in range(columns.filter):
            iy = y * rows.stride + fy * rows.dilation - rows.before
            ix = x * columns.stride + fx * columns.dilation - columns.before
            if 0 <= iy < rows.size and 0 <= ix < columns.size:
                yield fy, fx, iy, ix


def _terms(input: Array, places: Any, weights: Any, zero_input: int, zero_weight: int, outside: int) -> Terms:
    inputs = np.array([input[place] for place in places], np.int64)
    return Terms(tuple(places), inputs, np.array(weights, np.int64), zero_input, zero_weight, outside)


def _summed(step: Step, terms: Terms, bias: Array | None, at: At, wide: bool) -> tuple[list[Line], int]:
    total = int(terms.products.sum())
    added = 0 if bias is None else int(bias[at.channel])
    acc = total + added
    padded = f"; {terms.outside} more meet the padding and add nothing" if terms.outside else ""
    products = Line(
        "products",
        "Σ (input - z_input) · (weight - z_weight)" if terms.weight_zero_point else "Σ (input - z_input) · weight",
        _written(terms),
        total,
        f"{len(terms.inputs)} products{padded}",
    )
    lines = [products]
    if bias is not None:
        lines.append(Line("accumulator", "products + bias", f"{shown(total)} + {signed(added)}", acc))
    if not wide and int(wrap32(acc)) != acc:
        exact, acc = acc, int(wrap32(acc))
        lines.append(Line("in int32", "the low 32 bits", f"{exact:,}", acc, "the accumulator overflows and wraps"))
    activation = str(step.node.options.get("fused_activation_function", "NONE"))
    more, output = requantized(step.prepared.requantize, acc, at, activation)
    return [*lines, *more], output


def _written(terms: Terms) -> str:
    """The first products that are not 0, the largest ones being of no more interest than others."""
    chosen = np.flatnonzero(terms.products)[:LISTED]
    written = []
    for i in chosen:
        x, w = int(terms.inputs[i]), int(terms.weights[i])
        weight = f"({w} - {signed(terms.weight_zero_point)})" if terms.weight_zero_point else signed(w)
        written.append(f"({x} - {signed(terms.input_zero_point)})·{weight}")
    more = " + ..." if np.count_nonzero(terms.products) > LISTED else ""
    return " + ".join(written) + more or "all 0"
