"""LSH_PROJECTION: bits that are likely to be the same for inputs that are alike.

    bit[h, b] = 1 if sum over i of weight[i] * fingerprint(hash[h, b], input[i]) > 0, else 0

    DENSE   output [hashes * bits] = the bits
    SPARSE  output [hashes] = h * 2 ** bits + the bits of hash h as a number, the first one highest

hash [hashes, bits] float32, up to 32 bits; input [items, ...] of any type; weight [items] float32, 1 where absent. The
fingerprint of the four bytes of the seed and the bytes of an item (:mod:`minilite.ops.fingerprint`) counts as a signed
64-bit integer; sums are float64, item after item.

Source: Ravi 2017, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections".
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.fixed_point import wrap32
from minilite.ops.fingerprint import fingerprint64
from minilite.ops.moving import ALL, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, parameter

Array = np.ndarray
MOST_BITS = 32


def shapes(node: Node, hash: TensorInfo, input: TensorInfo, weight: TensorInfo | None) -> tuple[Shape]:
    hash.need(hash.rank == 2 and hash.shape[1] <= MOST_BITS, f"[hashes, up to {MOST_BITS} bits]", hash.shape)
    input.need(input.rank >= 1 and input.shape[0] >= 1, "1 item or more", input.shape)
    if weight is not None:
        weight.need(weight.shape == input.shape[:1], f"one weight for each of {input.shape[0]} items", weight.shape)
    node.need(node.options.type in ("SPARSE", "DENSE"), "type SPARSE or DENSE", node.options.type)
    return ((hash.shape[0] * (hash.shape[1] if node.options.type == "DENSE" else 1),),)


def project(node: Node, hash: Array, input: Array, weight: Array | None) -> Array:
    items = np.ascontiguousarray(input).reshape(len(input), -1).view(np.uint8)
    bits = np.array([_bit(seed, items, weight) for seed in hash.reshape(-1)], np.int64).reshape(hash.shape)
    if node.options.type == "DENSE":
        return bits.reshape(-1).astype(np.int32)
    count = hash.shape[1]
    numbers = (bits << np.arange(count - 1, -1, -1)).sum(axis=1)
    return np.asarray(wrap32(numbers + np.arange(len(hash)) * (1 << count % MOST_BITS)).astype(np.int32))


def _bit(seed: np.float32, items: Array, weight: Array | None) -> bool:
    seeds = np.broadcast_to(np.frombuffer(seed.tobytes(), np.uint8), (len(items), 4))
    numbers = fingerprint64(np.concatenate([seeds, items], axis=1)).view(np.int64).astype(np.float64)
    terms = numbers if weight is None else weight.astype(np.float64) * numbers
    return bool(np.cumsum(terms)[-1] > 0)


def case(draw: Draw, definition: Definition) -> Case:
    """Items of few and of many bytes."""
    few, many = shape(draw, 0, 2, 5), (draw.integer(15, 140),)
    items = (draw.integer(1, 4), *draw.choice((few, many)))
    hashes = (draw.integer(1, 4), draw.integer(1, 32))
    weight = draw.choice(((data(items[:1]),), ()))
    return Case((data(hashes), data(items), *weight), {"type": draw.choice(("SPARSE", "DENSE"))})


LSH_PROJECTION = Op(
    "LSH_PROJECTION",
    inputs=(parameter("hash"), parameter("input"), parameter("weight", optional=True)),
    outputs=(parameter("output"),),
    definitions=definitions(ALL, "float32 T float32? -> int32", project),
    shapes=shapes,
    cases=case,
)
