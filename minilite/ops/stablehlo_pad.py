"""STABLEHLO_PAD: elements moved apart, and borders around them that may be negative.

    output[low[0] + i0 * (interior[0] + 1), low[1] + i1 * (interior[1] + 1), ...] = input[i0, i1, ...]

wherever that lies inside the output, and ``padding_value`` everywhere else. Output dimension k is ``low[k] + size_k +
max(size_k - 1, 0) * interior[k] + high[k]``; ``edge_padding_low`` and ``edge_padding_high`` below 0 cut off. Where any
dimension comes to less than 1, LiteRT makes all of them 0. 1 to 8 dimensions.

Source: the StableHLO specification, "pad".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.ops.moving import ALL, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
LARGEST_RANK = 8


def numbers(values: Any) -> Shape:
    """A vector of the options, which may be left out."""
    return () if values is None else tuple(int(v) for v in values)


def amounts(node: Node, rank: int) -> tuple[Shape, Shape, Shape]:
    """What goes before, between and after."""
    options = node.options
    low, high = numbers(options.edge_padding_low), numbers(options.edge_padding_high)
    interior = numbers(options.interior_padding)
    lengths = [len(low), len(interior), len(high)]
    node.need(lengths == [rank] * 3, f"{rank} paddings low, interior and high", lengths)
    node.need(min(interior) >= 0, "interior padding of 0 or more", interior)
    return low, interior, high


def padded_shape(shape: Shape, low: Shape, interior: Shape, high: Shape) -> Shape:
    """Of what a tensor of that shape becomes; dimensions may come to less than 0."""
    sizes = zip(shape, low, interior, high, strict=True)
    return tuple(before + d + max(d - 1, 0) * between + after for d, before, between, after in sizes)


def shapes(node: Node, input: TensorInfo, padding_value: TensorInfo) -> tuple[Shape]:
    input.need(1 <= input.rank <= LARGEST_RANK, f"1 to {LARGEST_RANK} dimensions", input.shape)
    padding_value.need(math.prod(padding_value.shape) == 1, "one element", f"shape {padding_value.shape}")
    result = padded_shape(input.shape, *amounts(node, input.rank))
    return (result if min(result) > 0 else (0,) * input.rank,)


@dataclass(frozen=True)
class Places:
    """The output's shape, the elements in it that come from the input, and those of the input that go there."""

    shape: Shape
    there: tuple[slice, ...]
    here: tuple[slice, ...]


def places(input: Shape, output: Shape, low: Shape, interior: Shape) -> Places:
    """Where the elements of an input go."""
    found = [_along(*sizes) for sizes in zip(input, output, low, interior, strict=True)]
    return Places(output, tuple(there for there, _ in found), tuple(here for _, here in found))


def _along(size: int, output_size: int, low: int, interior: int) -> tuple[slice, slice]:
    """The two along one dimension."""
    step = interior + 1
    first = max(0, -(low // step))
    last = min(size, (output_size - 1 - low) // step + 1)
    if first >= last:
        return slice(0, 0), slice(0, 0)
    return slice(low + first * step, low + (last - 1) * step + 1, step), slice(first, last)


def prepare(node: Node, input: TensorInfo, padding_value: TensorInfo, output: TensorInfo) -> Places:
    low, interior, _ = amounts(node, input.rank)
    return places(input.shape, output.shape, low, interior)


def pad(p: Places, input: Array, padding_value: Array) -> Array:
    output = np.full(p.shape, padding_value.reshape(()), input.dtype)
    output[p.there] = input[p.here]
    return output


def case(draw: Draw, definition: Definition) -> Case:
    """Paddings of all signs that leave something of the output."""
    dims = shape(draw, 1, 5, 4)
    interior = [draw.choice((0, 0, 1, 2)) for _ in dims]
    spread = [d + (d - 1) * between for d, between in zip(dims, interior, strict=True)]
    low = [draw.integer(-min(s, 3), 3) for s in spread]
    high = [draw.integer(max(1 - s - a, -3), 3) for s, a in zip(spread, low, strict=True)]
    options = {"edge_padding_low": low, "edge_padding_high": high, "interior_padding": interior}
    return Case((data(dims), data(())), options)


STABLEHLO_PAD = Op(
    "STABLEHLO_PAD",
    inputs=(activation("input"), activation("padding_value", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "complex128"), "T T -> T", pad, prepare),
    shapes=shapes,
    cases=case,
)
