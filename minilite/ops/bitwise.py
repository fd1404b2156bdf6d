"""BITWISE_XOR and RIGHT_SHIFT: integers bit by bit, broadcast like NumPy.

    BITWISE_XOR  output = input1 ^ input2
    RIGHT_SHIFT  output = input1 >> min(max(input2, 0), bits - 1)

Signed integers shift arithmetically. The integers stand for themselves, whatever their scales.

Source: TensorFlow Lite's bitwise_xor and right_shift kernels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw, any_integers
from minilite.ops.broadcast import shapes
from minilite.spec import DTYPES, Definition, Node, Op, activation, each

Array = np.ndarray
TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


def bitwise_xor(node: Node, input1: Array, input2: Array) -> Array:
    return input1 ^ input2


def right_shift(node: Node, input1: Array, input2: Array) -> Array:
    return input1 >> np.clip(input2, 0, 8 * input1.dtype.itemsize - 1)


def xor_case(draw: Draw, definition: Definition) -> Case:
    a, b = cases.broadcast_pair(draw)
    return Case((any_integers(draw, a, definition.label), any_integers(draw, b, definition.label)))


def shift_case(draw: Draw, definition: Definition) -> Case:
    """Shifts within, at, and beyond what the type can do."""
    a, b = cases.broadcast_pair(draw)
    lowest = 0 if definition.label.startswith("u") else -2
    counts = draw.random.integers(lowest, 34, b, endpoint=True).astype(DTYPES[definition.label])
    return Case((any_integers(draw, a, definition.label), Arg(b, np.asarray(counts), constant=False)))


def _row(name: str, compute: Callable[..., Array], drawn: Callable[..., Case]) -> Op:
    return Op(
        name,
        inputs=(activation("input1"), activation("input2")),
        outputs=(activation("output"),),
        definitions=each(TYPES, "T T -> T", compute, quantized=False),
        shapes=shapes,
        cases=drawn,
        elementwise=True,
    )


BITWISE_XOR = _row("BITWISE_XOR", bitwise_xor, xor_case)
RIGHT_SHIFT = _row("RIGHT_SHIFT", right_shift, shift_case)
