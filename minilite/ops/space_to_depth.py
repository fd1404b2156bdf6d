"""SPACE_TO_DEPTH and DEPTH_TO_SPACE: squares of pixels become channels, and back.

    SPACE_TO_DEPTH  output[n, y, x, (dy * block + dx) * depth + c] = input[n, y * block + dy, x * block + dx, c]
    DEPTH_TO_SPACE  output[n, y * block + dy, x * block + dx, c] = input[n, y, x, (dy * block + dx) * depth + c]

``depth`` is the number of channels where pixels are many, dy and dx are in [0, block). Input and output have 4
dimensions, [batch, height, width, channels], and share scale and zero point.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray


def _block(node: Node, input: TensorInfo) -> int:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", f"{input.rank} {input.shape}")
    block = int(node.options.block_size)
    node.need(block > 0, "a block_size of 1 or more", block)
    return block


def to_depth_shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    block = _block(node, input)
    batch, height, width, depth = input.shape
    input.need(height % block == 0 == width % block, f"height and width divisible by {block}", input.shape)
    return ((batch, height // block, width // block, depth * block * block),)


def to_space_shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    block = _block(node, input)
    batch, height, width, channels = input.shape
    input.need(channels % (block * block) == 0, f"channels divisible by {block * block}", input.shape)
    return ((batch, height * block, width * block, channels // (block * block)),)


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> tuple[Shape, Shape]:
    """The input with the dimensions of a block apart, and the output."""
    block = int(node.options.block_size)
    batch, height, width, depth = input.shape
    if node.op == "SPACE_TO_DEPTH":
        return (batch, height // block, block, width // block, block, depth), output.shape
    return (batch, height, width, block, block, depth // (block * block)), output.shape


def exchange(shapes: tuple[Shape, Shape], input: Array) -> Array:
    apart, output = shapes
    return input.reshape(apart).transpose(0, 1, 3, 2, 4, 5).reshape(output)


def to_depth_case(draw: Draw, definition: Definition) -> Case:
    block = draw.integer(1, 4)
    batch, height, width, depth = (draw.integer(1, 4) for _ in range(4))
    return Case((data((batch, height * block, width * block, depth)),), {"block_size": block})


def to_space_case(draw: Draw, definition: Definition) -> Case:
    block = draw.integer(1, 4)
    batch, height, width, depth = (draw.integer(1, 4) for _ in range(4))
    return Case((data((batch, height, width, depth * block * block)),), {"block_size": block})


TYPES = ("float32", "int8", "uint8", "int32", "int64")
SPACE_TO_DEPTH = Op(
    "SPACE_TO_DEPTH",
    inputs=(activation("input"),),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T -> T", exchange, prepare=prepare),
    shapes=to_depth_shapes,
    cases=to_depth_case,
    version=2,
)
DEPTH_TO_SPACE = Op(
    "DEPTH_TO_SPACE",
    inputs=(activation("input"),),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T -> T", exchange, prepare=prepare),
    shapes=to_space_shapes,
    cases=to_space_case,
    version=2,
)
