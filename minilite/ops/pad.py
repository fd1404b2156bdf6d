"""PAD, PADV2 and MIRROR_PAD: borders around a tensor.

``paddings`` [rank, 2] says how many elements go before and after each dimension.

    PAD         fills with 0, which in integers is the output's zero point
    PADV2       fills with the one element of ``constant_values``, of the input's scale and zero point
    MIRROR_PAD  fills with the input mirrored at its edges: REFLECT leaves the edge itself out, SYMMETRIC repeats it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, boolean, data, shape, stated
from minilite.ops.moving import ALL, USUAL, definitions
from minilite.spec import INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
Pairs = tuple[tuple[int, int], ...]
TYPES = (*USUAL, "float16", "bfloat16")
INDICES = ("int32", "int64", "int16", "int8")


def shapes(node: Node, input: TensorInfo, paddings: TensorInfo, *constant_values: TensorInfo | None) -> tuple[Shape]:
    before_after = pairs(paddings.known(), input, paddings)
    if node.op == "MIRROR_PAD":
        node.need(node.options.mode in ("REFLECT", "SYMMETRIC"), "mode REFLECT or SYMMETRIC", node.options.mode)
        edge = 1 if node.options.mode == "REFLECT" else 0
        fits = all(max(pair) <= max(d - edge, 0) for pair, d in zip(before_after, input.shape, strict=True))
        paddings.need(fits, f"at most size - {edge} elements on each side of {input.shape}", before_after)
    for value in constant_values:
        if value is not None:
            value.need(np.prod(value.shape) == 1, "one element", f"shape {value.shape}")
    return (tuple(d + before + after for d, (before, after) in zip(input.shape, before_after, strict=True)),)


def pairs(values: Array, input: TensorInfo, paddings: TensorInfo) -> Pairs:
    """The paddings as numbers. Raises OperatorError unless there are two of them, 0 or more, for each dimension."""
    paddings.need(values.shape == (input.rank, 2), f"shape [{input.rank}, 2]", values.shape)
    paddings.need(values.size == 0 or int(values.min()) >= 0, "paddings of 0 or more", values.tolist())
    return tuple((int(before), int(after)) for before, after in values)


@dataclass(frozen=True)
class Prepared:
    """How much goes before and after, and what, unless it comes as an operand."""

    pairs: Pairs
    value: int


def prepare(node: Node, input: TensorInfo, paddings: TensorInfo, *rest: TensorInfo | None) -> Prepared:
    *constant_values, output = rest
    assert output is not None
    for value in constant_values:
        if value is not None and input.type in ("int8", "uint8", "int16"):
            same = np.array_equal(value.scales, output.scales) and value.zero_point == output.zero_point
            value.need(
                same, f"the output's scale {output.scales} and zero point", f"{value.scales}, {value.zero_point}"
            )
    low, high = INTEGER_RANGE.get(output.type, (0, 0))
    filling = output.zero_point if output.type in INTEGER_RANGE and not constant_values else 0
    output.need(low <= filling <= high, f"a zero point from {low} to {high}, to fill with", filling)
    return Prepared(pairs(paddings.known(), input, paddings), filling)


def pad(p: Prepared, input: Array, paddings: Array, constant_values: Array | None = None) -> Array:
    value = p.value if constant_values is None else constant_values.reshape(())
    return np.pad(input, p.pairs, constant_values=value)


@dataclass(frozen=True)
class Mirror:
    """How much goes before and after, and NumPy's word for the mirror."""

    pairs: Pairs
    mode: Any


def prepare_mirror(node: Node, input: TensorInfo, paddings: TensorInfo, output: TensorInfo) -> Mirror:
    return Mirror(pairs(paddings.known(), input, paddings), node.options.mode.lower())


def mirror_pad(p: Mirror, input: Array, paddings: Array) -> Array:
    return np.pad(input, p.pairs, mode=p.mode)


def case(draw: Draw, definition: Definition) -> Case:
    """Paddings of images and of any dimension, with constant and computed sizes."""
    dims = shape(draw, 1, 5, 4)
    amounts = [[draw.integer(0, 3), draw.integer(0, 3)] for _ in dims]
    if len(dims) == 4 and boolean(draw):
        amounts[0] = amounts[3] = [0, 0]
    return Case((data(dims), stated(draw, amounts, definition.input_types[1])))


def padv2_case(draw: Draw, definition: Definition) -> Case:
    drawn = case(draw, definition)
    return Case((*drawn.inputs, data(draw.choice(((), (1,))))))


def mirror_case(draw: Draw, definition: Definition) -> Case:
    mode = draw.choice(("REFLECT", "SYMMETRIC"))
    dims = shape(draw, 1, 5, 4)
    most = [d - (mode == "REFLECT") for d in dims]
    amounts = [[draw.integer(0, m), draw.integer(0, m)] for m in most]
    return Case((data(dims), stated(draw, amounts, definition.input_types[1])), {"mode": mode})


PAD = Op(
    "PAD",
    inputs=(activation("input"), parameter("paddings")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(TYPES, "T I -> T", pad, prepare, INDICES),
    shapes=shapes,
    cases=case,
    version=6,
)

PADV2 = Op(
    "PADV2",
    inputs=(activation("input"), parameter("paddings"), activation("constant_values", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(TYPES, "T I T -> T", pad, prepare, INDICES),
    shapes=shapes,
    cases=padv2_case,
    version=6,
)

MIRROR_PAD = Op(
    "MIRROR_PAD",
    inputs=(activation("input"), parameter("paddings")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(ALL, "T I -> T", mirror_pad, prepare_mirror, INDICES[:2]),
    shapes=shapes,
    cases=mirror_case,
    version=3,
)
