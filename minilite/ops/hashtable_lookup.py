"""HASHTABLE_LOOKUP: the values of keys, and which keys there are.

    output[i, ...] = value[k, ...] where key[k] = lookup[i], hits[i] = 1
    output[i, ...] = 0 (strings: empty), hits[i] = 0          where there is no such key

lookup [count] and key [rows] int32, value [rows, ...], hits [count] uint8. Keys rise; they are found by halving the
range, which also says what is found among keys that do not rise or stand there twice. At least one row.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Arg, Case, Draw, data, shape
from minilite.fixed_point import wrap32
from minilite.ops.moving import EVERY, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, lookup: TensorInfo, key: TensorInfo, value: TensorInfo) -> tuple[Shape, Shape]:
    for info in (lookup, key):
        info.need(info.rank == 1, "1 dimension", info.shape)
    value.need(value.rank >= 1 and value.shape[0] == key.shape[0] > 0, f"{key.shape[0]} rows, not 0", value.shape)
    value.need(value.type != "string" or value.rank == 1, "strings in 1 dimension", value.shape)
    return (lookup.shape[0], *value.shape[1:]), lookup.shape


def find(keys: Array, wanted: Array) -> Array:
    """Where the wanted keys are, or -1: the C library's ``bsearch``, with differences in int32."""
    keys, wanted = keys.astype(np.int64), wanted.astype(np.int64)
    low, high, found = np.zeros(wanted.shape, np.int64), np.full(wanted.shape, len(keys)), np.full(wanted.shape, -1)
    while (open_ := (low < high) & (found < 0)).any():
        middle = np.where(open_, (low + high) // 2, 0)
        difference = wrap32(wanted - keys[middle])
        found = np.where(open_ & (difference == 0), middle, found)
        low = np.where(open_ & (difference > 0), middle + 1, low)
        high = np.where(open_ & (difference < 0), middle, high)
    return found


def look_up(node: Node, lookup: Array, key: Array, value: Array) -> tuple[Array, Array]:
    found = find(key, lookup)
    output = value[np.maximum(found, 0)]
    output[found < 0] = b"" if value.dtype == object else 0
    return output, (found >= 0).astype(np.uint8)


def case(draw: Draw, definition: Definition) -> Case:
    """Rising keys, most of those that are wanted among them."""
    strings = definition.label == "string"
    table = shape(draw, 1, 1 if strings else 4, 5)
    packed = True if definition.label == "int4" else None
    if packed:  # rows of whole bytes
        table = (*table, 2)
    keys = np.sort(draw.random.choice(np.arange(-10, 10, dtype=np.int32), table[0], replace=False))
    count = draw.integer(1, 8)
    others = draw.random.integers(-11, 11, count)
    wanted = np.where(draw.random.random(count) < 0.2, others, draw.random.choice(keys, count)).astype(np.int32)
    return Case(
        (
            Arg(wanted.shape, wanted, constant=False),
            Arg(keys.shape, keys, constant=False),
            data(table, constant=packed),
        ),
        outputs=2,
    )


HASHTABLE_LOOKUP = Op(
    "HASHTABLE_LOOKUP",
    inputs=(parameter("lookup"), parameter("key"), activation("value")),
    outputs=(activation("output", same_as="value"), parameter("hits")),
    definitions=definitions((*EVERY, "string"), "I I T -> T uint8", look_up),
    shapes=shapes,
    cases=case,
)
