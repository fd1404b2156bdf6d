"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: blocks of pixels become batches, and back.

    SPACE_TO_BATCH_ND  output[(dy * bw + dx) * batch + n, y, x, c] = padded[n, y * bh + dy, x * bw + dx, c]
    BATCH_TO_SPACE_ND  uncropped[n, y * bh + dy, x * bw + dx, c] = input[(dy * bw + dx) * batch + n, y, x, c]

``block_shape`` is [bh, bw]; dy is in [0, bh), dx in [0, bw). ``paddings`` [2, 2] says how much goes before and after
height and width (0, which in integers is the zero point; TFLite Micro writes raw zeros), ``crops`` how much comes off.
Tensors of 3 dimensions [batch, height, channels] have a ``block_shape`` of one. Input and output share scale and zero
point.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, stated
from minilite.ops.moving import ALL, definitions, need_same_quantization
from minilite.ops.pad import Pairs
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    """The block, how much to pad or crop in every dimension, what to pad with, and the output shape."""

    block: Shape
    margins: Pairs
    zero_point: int
    output_shape: Shape


def _block(input: TensorInfo, block_shape: TensorInfo) -> Shape:
    input.need(input.rank in (3, 4), "3 or 4 dimensions [batch, height, (width,) channels]", input.shape)
    sizes = block_shape.known()
    block_shape.need(sizes.shape == (input.rank - 2,), f"{input.rank - 2} values", f"shape {sizes.shape}")
    block_shape.need(bool((sizes > 0).all()), "block sizes of 1 or more", sizes)
    return tuple(int(b) for b in sizes)


def _margins(input: TensorInfo, margins: TensorInfo) -> Pairs:
    """One pair for each dimension of the input."""
    values = margins.known()
    margins.need(values.shape == (input.rank - 2, 2), f"shape [{input.rank - 2}, 2]", f"shape {values.shape}")
    margins.need(bool((values >= 0).all()), "values of 0 or more", values.tolist())
    return ((0, 0), *((int(before), int(after)) for before, after in values), (0, 0))


def to_batch_shapes(node: Node, input: TensorInfo, block_shape: TensorInfo, paddings: TensorInfo) -> tuple[Shape]:
    block, margins = _block(input, block_shape), _margins(input, paddings)
    batch, *space, depth = (d + before + after for d, (before, after) in zip(input.shape, margins, strict=True))
    fits = all(d % b == 0 for d, b in zip(space, block, strict=True))
    paddings.need(fits, f"a padded size divisible by the block {block}", space)
    return ((batch * math.prod(block), *(d // b for d, b in zip(space, block, strict=True)), depth),)


def to_space_shapes(node: Node, input: TensorInfo, block_shape: TensorInfo, crops: TensorInfo) -> tuple[Shape]:
    block, margins = _block(input, block_shape), _margins(input, crops)
    batch, *space, depth = input.shape
    input.need(batch % math.prod(block) == 0, f"a batch divisible by {math.prod(block)}", batch)
    cropped = [d * b - sum(pair) for d, b, pair in zip(space, block, margins[1:-1], strict=True)]
    crops.need(min(cropped) >= 0, f"crops that leave something of {space} times {block}", margins[1:-1])
    return ((batch // math.prod(block), *cropped, depth),)


def prepare(
    node: Node, input: TensorInfo, block_shape: TensorInfo, margins: TensorInfo, output: TensorInfo
) -> Prepared:
    need_same_quantization(input, output)
    zero = 0 if node.arithmetic == "raw zero" else output.zero_point
    return Prepared(_block(input, block_shape), _margins(input, margins), zero, output.shape)


def to_batch(p: Prepared, input: Array, block_shape: Array, paddings: Array) -> Array:
    padded = np.pad(input, p.margins, constant_values=p.zero_point)
    batch, *space, depth = padded.shape
    split = itertools.chain.from_iterable((d // b, b) for d, b in zip(space, p.block, strict=True))
    sizes, blocks = range(1, 2 * len(space), 2), range(2, 2 * len(space) + 1, 2)
    return padded.reshape(batch, *split, depth).transpose(*blocks, 0, *sizes, -1).reshape(p.output_shape)


def to_space(p: Prepared, input: Array, block_shape: Array, crops: Array) -> Array:
    batch, count = p.output_shape[0], len(p.block)
    whole = [d * b for d, b in zip(input.shape[1:-1], p.block, strict=True)]
    pairs = itertools.chain.from_iterable((count + 1 + i, i) for i in range(count))
    apart = input.reshape(*p.block, batch, *input.shape[1:]).transpose(count, *pairs, -1)
    kept = (slice(before, d - after) for d, (before, after) in zip(whole, p.margins[1:-1], strict=True))
    return apart.reshape(batch, *whole, input.shape[-1])[:, *kept]


def to_batch_case(draw: Draw, definition: Definition) -> Case:
    count = draw.choice((2, 2, 1))
    block = [draw.integer(1, 3) for _ in range(count)]
    padded = [b * draw.integer(1, 4) for b in block]
    paddings = [_drawn_margins(draw, size - 1) for size in padded]
    space = [size - sum(pair) for size, pair in zip(padded, paddings, strict=True)]
    image = data((draw.integer(1, 3), *space, draw.integer(1, 4)))
    return Case((image, stated(draw, block), stated(draw, paddings)))


def to_space_case(draw: Draw, definition: Definition) -> Case:
    count = draw.choice((2, 2, 1))
    block = [draw.integer(1, 3) for _ in range(count)]
    space = [draw.integer(1, 4) for _ in block]
    crops = [_drawn_margins(draw, size * b - 1) for size, b in zip(space, block, strict=True)]
    image = data((draw.integer(1, 3) * math.prod(block), *space, draw.integer(1, 4)))
    return Case((image, stated(draw, block), stated(draw, crops)))


def _drawn_margins(draw: Draw, most: int) -> tuple[int, int]:
    before = draw.integer(0, min(most, 4))
    return before, draw.integer(0, min(most - before, 4))


SPACE_TO_BATCH_ND = Op(
    "SPACE_TO_BATCH_ND",
    inputs=(activation("input"), parameter("block_shape"), parameter("paddings")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(ALL, "T I I -> T", to_batch, prepare),
    shapes=to_batch_shapes,
    cases=to_batch_case,
    version=4,
)

BATCH_TO_SPACE_ND = Op(
    "BATCH_TO_SPACE_ND",
    inputs=(activation("input"), parameter("block_shape"), parameter("crops")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions(ALL, "T I I -> T", to_space, prepare),
    shapes=to_space_shapes,
    cases=to_space_case,
    version=4,
)
