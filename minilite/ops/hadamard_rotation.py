"""aeq.hadamard_rotation: runs of ``size`` neighbouring numbers, each turned by a Hadamard matrix.

    output[..., r * size + i] = sum over k of H[i, k] * input[..., r * size + k] / sqrt(size)
    H[i, k] = -1 if i & k has an odd number of bits, else 1

input [features, length] or [batch, features, length], length a multiple of size; float32. The sums are taken by halves,
``x + y`` and ``x - y`` of numbers 1, 2, 4 ... apart, in float32.

Options, a flexbuffer: hadamard_size, a power of two; random_binary_vector, which LiteRT does not use.

Source: Fino and Algazi 1976, "Unified matrix treatment of the fast Walsh-Hadamard transform"; LiteRT's
hadamard_rotation.
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Case, Draw, data
from minilite.flexbuffers import encode
from minilite.ops.custom_options import options_map, whole
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.rank in (2, 3), "2 or 3 dimensions", input.shape)
    size = _size(node)
    node.need(size & (size - 1) == 0, "a power of two for option hadamard_size", size)
    input.need(input.shape[-1] % size == 0, f"a last dimension that is a multiple of {size}", input.shape)
    return (input.shape,)


def _size(node: Node) -> int:
    return whole(node, options_map(node), "hadamard_size", 1)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> int:
    return _size(node)


def rotate(size: int, input: Array) -> Array:
    found = input.reshape(-1, size)
    apart = 1
    while apart < size:
        pairs = found.reshape(-1, size // (2 * apart), 2, apart)
        x, y = pairs[:, :, 0], pairs[:, :, 1]
        found = np.stack([x + y, x - y], axis=2)
        apart *= 2
    return found.reshape(input.shape) * np.asarray(1 / math.sqrt(size), input.dtype)


def case(draw: Draw, definition: Definition) -> Case:
    size = 1 << draw.integer(0, 9)
    shape = (draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 2) * size)
    options = {"hadamard_size": size, "random_binary_vector": [1, -1]}
    return Case((data(shape[draw.choice((0, 1)) :]),), custom_options=encode(options))


HADAMARD_ROTATION = Op(
    "aeq.hadamard_rotation",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("float32 -> float32", rotate, prepare=prepare),),
    shapes=shapes,
    cases=case,
    custom=True,
)
