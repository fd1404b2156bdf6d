"""UNIQUE: the different elements of a vector in the order they first appear, and which of them each element is.

    input[i] = output[idx[i]]

NaN counts as one element here (LiteRT keeps elements in a sorted tree, in which the place of NaN is undefined).

Source: TensorFlow Lite's unique kernel.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, fed
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo) -> tuple[Shape, Shape]:
    input.need(input.rank == 1, "a vector", f"shape {input.shape}")
    wanted, index = str(node.options.idx_out_type).lower(), node.outputs[-1]
    index.need(index.type == wanted, f"type {wanted} (option idx_out_type)", index.type)
    return (np.unique(input.known()).shape, input.shape)


def prepare(node: Node, input: TensorInfo, output: TensorInfo, index: TensorInfo) -> str:
    """The type of indices."""
    return index.type


def unique(index_type: str, input: Array) -> tuple[Array, Array]:
    _, first, inverse = np.unique(input, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return input[first[order]], rank[inverse.reshape(-1)].astype(index_type)


def case(draw: Draw, definition: Definition) -> Case:
    values = draw.random.integers(0, draw.choice((3, 20, 100)), draw.integer(1, 40))
    options = {"idx_out_type": definition.output_types[1].upper()}
    return Case((fed(values, DTYPES[definition.label]),), options, outputs=2)


UNIQUE = Op(
    "UNIQUE",
    inputs=(activation("input"),),
    outputs=(activation("output", same_as="input"), parameter("idx")),
    definitions=tuple(
        Definition(f"{t} -> {t} {index}", unique, prepare, label=t)
        for t in ("float32", "int8", "uint8", "int16", "int32", "int64")
        for index in ("int32", "int64")
    ),
    shapes=shapes,
    cases=case,
)
