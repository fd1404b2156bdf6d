"""TOPK_V2: the ``k`` largest elements along the last dimension, from large to small, and where they are.

    values[..., i] = input[..., indices[..., i]]

Of equal elements the first comes first; NaN is smaller than any number. A negative ``k`` counts as 0. Quantized
elements are compared as they are stored.

Source: TensorFlow Lite's topk_v2 kernel.
"""

from __future__ import annotations

import itertools

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape, stated
from minilite.ops.axes import single
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, k: TensorInfo) -> tuple[Shape, Shape]:
    input.need(input.rank >= 1, "1 dimension or more", input.rank)
    count = max(single(k), 0)
    k.need(count <= input.shape[-1], f"at most {input.shape[-1]}, the last dimension of {input}", count)
    index = node.outputs[1].type
    fits = index != "int16" or not count or input.shape[-1] <= 2**15 - 1
    input.need(fits, f"a last dimension that {index} can index", input.shape)
    return ((*input.shape[:-1], count),) * 2


def prepare(node: Node, input: TensorInfo, k: TensorInfo, values: TensorInfo, indices: TensorInfo) -> tuple[int, str]:
    """How many, and the type of indices."""
    return values.shape[-1], indices.type


def top(prepared: tuple[int, str], input: Array, k: Array) -> tuple[Array, Array]:
    count, index_type = prepared
    rising = -input if input.dtype.kind == "f" else ~input
    indices = np.argsort(rising, axis=-1, kind="stable")[..., :count]
    return np.take_along_axis(input, indices, -1), indices.astype(index_type)


def case(draw: Draw, definition: Definition) -> Case:
    """Few different values or many; all of them, or some."""
    dims = shape(draw, 1, 4, draw.choice((6, 20)))
    count = draw.integer(1, dims[-1])
    k = stated(draw, draw.choice((count, [count])), DTYPES[definition.input_types[1]])
    if draw.choice((True, False)):
        return Case((data(dims), k), outputs=2)
    few = [1, 2, 3, 3, np.nan] if definition.label == "float32" else [1, 2, 3]
    return Case((fed(draw.random.choice(few, dims), DTYPES[definition.label]), k), outputs=2)


TOPK_V2 = Op(
    "TOPK_V2",
    inputs=(activation("input"), parameter("k")),
    outputs=(activation("values", same_as="input"), parameter("indices")),
    definitions=tuple(
        Definition(f"{t} {k} -> {t} {index}", top, prepare, label=t)
        for t in ("float32", "int8", "uint8", "int16", "int32", "int64")
        for k, index in itertools.product(("int32", "int16"), ("int32", "int16"))
    ),
    shapes=shapes,
    cases=case,
    version=3,
)
